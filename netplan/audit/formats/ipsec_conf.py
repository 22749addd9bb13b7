"""``ipsec.conf`` of libreswan and of strongSwan's older configuration: conns with ``also`` and ``%default``.

ipsec.conf(5) of both. An ``include`` names files on the host that wrote it; they are inputs of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from netplan.audit import lives
from netplan.audit.formats.algorithms import proposal
from netplan.audit.formats.connections import Child, add
from netplan.audit.formats.listed import head, lines_of
from netplan.audit.model import Evidence
from netplan.cni.adapter import BuiltinIpsec, Setting, whole
from netplan.cni.yaml_document import find_word

MAX_ALSO = 20  # conns that one conn takes keys from
_SECTION = re.compile(r"^(conn|ca|config)\s+(\S+)\s*(?:#.*)?$")
_KEY = re.compile(r"^[ \t]+([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(.*?)\s*$")
_GUESS = ("aes256gcm16", "aes256-sha512")
_ASSUMED = "esp is not set: AES-GCM with a 16-byte ICV, or AES-CBC with HMAC-SHA-512, whichever is larger"
_ALIASES = {"phase2alg": "esp", "forceencaps": "encapsulation", "auth": "phase2"}
_DROPPED = {"passthrough", "pass", "drop", "reject", "block"}


def is_ipsec_conf(text: str) -> bool:
    """Tell whether this is an ipsec.conf or a file that one includes."""
    return bool(re.search(r"^(conn\s+\S+|config\s+setup)\s*(#.*)?$", text, re.M)) and bool(
        re.search(r"^[ \t]+\w[\w-]*\s*=", text, re.M)
    )


def is_policy_group(path: str, text: str) -> bool:
    """Tell whether this is one of libreswan's policy groups: networks, one a line."""
    if "/policies/" not in path:
        return False
    lines = [line.split("#")[0].split() for line in head(text) if line.split("#")[0].strip()]
    return bool(lines) and all(re.fullmatch(r"[0-9a-fA-F.:]+/\d{1,3}", words[0]) for words in lines)


def policy_group(_path: str, _text: str, _evidence: Evidence) -> str | None:
    """Take note of a policy group: it names peers, the conn of its name says what they get."""
    return None


def read(path: str, text: str, evidence: Evidence) -> str | None:
    """Read an ipsec.conf into the evidence; returns why it can't be read, or None."""
    conns = _conns(text)
    lines = lines_of(text)
    defaults = conns.get("%default", (0, {}))[1]
    certainly = lives.is_strongswan(text)
    named = {word for _, own in conns.values() for word in re.split(r"[\s,]+", own.get("also", ""))}
    for name, (line, own) in conns.items():
        keys = {**defaults, **_inherited(name, conns)}
        if name == "%default" or keys.get("auto") == "ignore" or keys.get("type", "tunnel").lower() in _DROPPED:
            continue
        if not any(keys.get(end) for end in ("left", "right")) or (name in named and "auto" not in own):
            continue  # keys that other conns take over with also=
        _child(path, lines, line, keys, evidence)
        _route_mtu(path, lines, name, line, keys, evidence)
        evidence.faults += lives.of_conn(keys, lives.Places(path, lines, line), strongswan=certainly)
    return None


def _conns(text: str) -> dict[str, tuple[int, dict[str, str]]]:
    found: dict[str, tuple[int, dict[str, str]]] = {}
    current: dict[str, str] | None = None
    for number, line in enumerate(lines_of(text)):
        section, key = _SECTION.match(line), _KEY.match(line)
        if section:
            current = found.setdefault(section.group(2), (number, {}))[1] if section.group(1) == "conn" else None
        elif key and current is not None:
            name, value = key.group(1).lower().replace("_", "-"), key.group(2)
            name = _ALIASES.get(name, name)
            value = value.partition(" #")[0].strip().strip('"')
            if name == "also" and name in current:
                value = f"{current[name]} {value}"
            current[name] = value
        elif line.strip() and not line[0].isspace() and not line.startswith("#"):
            current = None
    return found


def _inherited(name: str, conns: Mapping[str, tuple[int, dict[str, str]]]) -> dict[str, str]:
    """A conn's keys, those of its ``also`` below its own."""
    order: list[str] = [name]
    seen: set[str] = set()
    keys: dict[str, str] = {}
    while order and len(seen) < MAX_ALSO:
        current = order.pop(0)
        if current in seen or current not in conns:
            continue
        seen.add(current)
        own = conns[current][1]
        keys = {**own, **keys}
        order += re.split(r"[\s,]+", own.get("also", ""))
    return keys


def _child(path: str, lines: list[str], line: int, keys: Mapping[str, str], evidence: Evidence) -> None:
    mode = keys.get("type", "tunnel").lower()
    mode = "iptfs" if keys.get("iptfs", "no").lower() == "yes" or mode == "iptfs" else mode
    suites = _suites(keys)
    port, far_port = keys.get("leftprotoport", ""), keys.get("rightprotoport", "")
    marks = re.match(r"(0x[0-9a-fA-F]{1,8}|\d{1,10})", keys.get("mark-out", keys.get("mark", "")))
    interface = re.fullmatch(r"\d{1,9}", keys.get("ipsec-interface", "")) or re.fullmatch(
        r"\d{1,9}", keys.get("if-id-out", "")
    )
    add(
        Child(
            location=find_word(path, lines, line, "conn"),
            mode=mode,
            suites=suites or _GUESS,
            assumed="" if suites else _ASSUMED,
            local=keys.get("left", ""),
            remote=keys.get("right", ""),
            local_nets=_nets(keys, "left"),
            remote_nets=_nets(keys, "right"),
            local_port=port,
            remote_port=far_port,
            nat_t=_forced(keys),
            if_id=int(interface.group(0))
            if interface
            else 1
            if keys.get("ipsec-interface", "").lower() == "yes"
            else None,
            mark=int(marks.group(1), 0) if marks else None,
        ),
        evidence,
    )


def _route_mtu(path: str, lines: list[str], name: str, line: int, keys: Mapping[str, str], evidence: Evidence) -> None:
    """Read libreswan's ``mtu``: that of the route into the tunnel. strongSwan has no such key."""
    number = whole(keys.get("mtu", ""))
    if not number:
        return
    suites = _suites(keys)
    mode: Literal["tunnel", "transport"] = "transport" if keys.get("type", "").lower() == "transport" else "tunnel"
    at = next((n for n in range(line, len(lines)) if re.match(r"\s+mtu\s*=", lines[n])), line)
    evidence.settings.append(
        Setting(
            system="libreswan",
            field=f"conn {name}: mtu",
            location=find_word(path, lines, at, "mtu"),
            value=number,
            semantics="pod",
            encap="none",
            family="ipv6" if ":" in keys.get("right", "") else "ipv4",
            own=BuiltinIpsec(suite=suites[0], mode=mode, nat_t=_forced(keys)) if len(suites) == 1 else None,
            change="set mtu of the conn, then ipsec replace and up",
        )
    )


def _forced(keys: Mapping[str, str]) -> bool:
    return keys.get("encapsulation", "no").lower() == "yes"


def _suites(keys: Mapping[str, str]) -> list[str]:
    truncated = keys.get("sha2-truncbug", "no").lower() == "yes" or keys.get("sha256-96", "no").lower() == "yes"
    return [s for word in keys.get("esp", "").split(",") if word.strip() and (s := proposal(word, truncated=truncated))]


def _nets(keys: Mapping[str, str], end: str) -> list[str]:
    said = keys.get(f"{end}subnet") or keys.get(f"{end}subnets") or ""
    return [re.sub(r"\[.*", "", w) for w in re.split(r"[\s,{}]+", said) if "/" in w]
