"""strongSwan: swanctl.conf, ``swanctl --list-conns --raw`` and ``--list-sas --raw``, and strongswan.conf."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from netplan.audit import lives
from netplan.audit.model import Esp, Evidence
from netplan.audit.protocols import numbers
from netplan.cni.adapter import BuiltinIpsec, Family, Setting
from netplan.cni.yaml_document import find_word
from netplan.ipsec.swanctl_parser import Settings, SettingsError
from netplan.ipsec.swanctl_parser import read as read_settings
from netplan.model.cni_facts import PORTS
from netplan.model.proposals import esp_proposal
from netplan.path.model import Mode, Protection
from netplan.path.routing import network
from netplan.problems import Location

DEFAULT = "aes256gcm16"
_ASSUMED = "the proposals are strongSwan's defaults; two strongSwans agree on AES-GCM with a 16-byte ICV"
_RAW = re.compile(r"^[ \t]*list-(conn|sa) event \{", re.M)
_PORT = re.compile(r"\[(?:[a-z0-9-]+)?/([0-9]{1,5}|[a-z-]+)\]")
_PROTOCOL = re.compile(r"\[([a-z0-9-]+)(?:/[a-z0-9%-]*)?\]")
MAX_TOKENS = 400_000


def is_swanctl(text: str) -> bool:
    """Tell whether this is a swanctl.conf."""
    return bool(re.search(r"^[ \t]*connections\s*\{", text, re.M)) and "children" in text


def is_raw(text: str) -> bool:
    """Tell whether this is the raw output of swanctl."""
    return bool(_RAW.search(text))


def is_strongswan_conf(text: str) -> bool:
    """Tell whether this is a strongswan.conf."""
    return bool(re.search(r"^[ \t]*(charon(-[a-z]+)?|kernel-netlink)\s*\{", text, re.M))


def swanctl_conf(path: str, text: str, evidence: Evidence) -> str | None:
    """Read a swanctl.conf; returns why it can't be read, or None."""
    try:
        root = read_settings(text)
    except (SettingsError, RecursionError) as error:
        return f"not in strongSwan's grammar: {error}"
    lines = text.splitlines()
    for name, connection in root.section("connections").sections.items():
        evidence.faults += lives.of_connection(connection, lives.Places(path, lines, _start(lines, name)))
        nat = connection.get("encap", "no").lower() in ("yes", "true", "1", "enabled")
        ends = (connection.get("local_addrs", ""), connection.get("remote_addrs", ""))
        family = _family(" ".join(ends))
        for child_name, child in connection.section("children").sections.items():
            location = _find(path, lines, child_name, name)
            if_id = child.get("if_id_out", "") or connection.get("if_id_out", "")
            evidence.esps += list(_children(child, nat, family, location, ends, if_id))
    return None


def _children(
    child: Settings, nat: bool, family: Family | None, location: Location, ends: tuple[str, str], if_id: str
) -> Iterator[Esp]:
    mode = child.get("mode", "tunnel").lower()
    if mode in ("pass", "drop"):
        return  # they carry nothing
    local, remote = child.get("local_ts", "dynamic"), child.get("remote_ts", "dynamic")
    wanted = (local.split(","), remote.split(","))
    words = [w.strip() for w in child.get("esp_proposals", "default").split(",") if w.strip()]
    suites = [p.suite for p in (esp_proposal(w) for w in words) if p is not None]
    for esp in _esps(suites, mode, nat, family, f"{local} {remote}", location):
        yield replace(
            esp,
            local=_selector(wanted[0], ends[0]),
            remote=_selector(wanted[1], ends[1]),
            ends=(_literal(ends[0]), _literal(ends[1])) if mode != "transport" else ("", ""),
            if_id=_id(if_id),
            mark=_id(child.get("mark_out", "").partition("/")[0]),
        )


_MODES: dict[str, Mode] = {"tunnel": "tunnel", "transport": "transport", "beet": "beet", "iptfs": "iptfs"}


def _selector(words: list[str], addresses: str) -> tuple[str, ...]:
    """Return a side of the selectors as networks; empty where it is not fixed by the configuration."""
    found: list[str] = []
    for word in words:
        bare = re.sub(r"\[[^\]]*\]", "", word).strip()
        if bare in ("dynamic", ""):
            fixed = [a.strip() for a in addresses.split(",") if a.strip()]
            if not fixed or not all(network(a) for a in fixed):
                return ()
            found += fixed
        elif network(bare) is None or bare in ("0.0.0.0/0", "::/0"):
            return ()
        else:
            found.append(bare)
    return tuple(found)


def _literal(addresses: str) -> str:
    """Return the address of an end where there is exactly one."""
    found = [a.strip() for a in addresses.split(",") if a.strip()]
    return found[0] if len(found) == 1 and network(found[0]) and "/" not in found[0] else ""


def _id(text: str) -> int | None:
    try:
        return int(text, 0) or None
    except ValueError:
        return None


def _esps(
    suites: list[str],
    mode: str,
    nat: bool,
    family: Family | None,
    selectors: str,
    location: Location,
    *,
    live: bool = False,
) -> Iterator[Esp]:
    protocols = numbers(_PROTOCOL.findall(selectors))
    found = [PORTS.get(p, int(p) if p.isdecimal() else 0) for p in _PORT.findall(selectors)]
    networks = "/" in re.sub(r"\[[^\]]*\]|/32\b|/128\b", "", selectors)
    kind: Mode = _MODES.get(mode, "other")
    for suite in dict.fromkeys(suites or [DEFAULT]):
        yield Esp(
            suite=suite,
            mode=kind,
            nat_t=nat,
            family=family,
            ports=frozenset(p for p in found if p) or None,
            protocols=protocols,
            networks=networks and not found,
            location=location,
            live=live,
            assumed="" if suites else _ASSUMED,
        )


def _family(addresses: str) -> Family | None:
    if not addresses.strip() or "%any" in addresses:
        return None
    return "ipv6" if ":" in addresses else "ipv4" if re.search(r"\d+\.\d+", addresses) else None


def _find(path: str, lines: list[str], child: str, connection: str) -> Location:
    """The line that opens a child section, looked for below its connection."""
    for index in range(_start(lines, connection), len(lines)):
        if re.match(rf"\s*{re.escape(child)}\s*(:.*)?\{{", lines[index]):
            return find_word(path, lines, index, child)
    return Location(path)


def _start(lines: list[str], connection: str) -> int:
    """Return the index of the line that opens a connection; 0 where none does so at its beginning."""
    return next((i for i, line in enumerate(lines) if re.match(rf"\s*{re.escape(connection)}\s*[:{{]", line)), 0)


def raw(path: str, text: str, evidence: Evidence) -> str | None:
    """Read the events of ``--list-conns --raw`` or ``--list-sas --raw``; returns why it can't, or None."""
    try:
        events = list(_events(text))
    except ValueError as error:
        return str(error)
    lines = text.splitlines()
    for line, kind, body in events:
        location = find_word(path, lines, line, "list-")
        for connection in body.values():
            if not isinstance(connection, dict):
                continue
            family = _family(" ".join(_words(connection, "local_addrs", "local-host", "remote_addrs", "remote-host")))
            if kind == "conn":
                evidence.faults += lives.of_loaded(connection, location)
            children = connection.get("children" if kind == "conn" else "child-sas")
            for child in (children or {}).values() if isinstance(children, dict) else ():
                if isinstance(child, dict):
                    evidence.esps += list(_child(child, kind == "sa", family, location))
    return None


def _words(section: dict[str, Any], *keys: str) -> list[str]:
    out: list[str] = []
    for key in keys:
        value = section.get(key)
        out += [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return out


_ALGORITHMS = {"AES_CBC": "aes256", "AES_CTR": "aes256ctr", "3DES_CBC": "3des", "NULL": "null"}
_INTEGRITY = {
    "HMAC_SHA1_96": "sha1",
    "HMAC_SHA2_256_128": "sha256",
    "HMAC_SHA2_256_96": "sha256_96",
    "HMAC_SHA2_384_192": "sha384",
    "HMAC_SHA2_512_256": "sha512",
    "HMAC_MD5_96": "md5",
    "AES_XCBC_96": "aesxcbc",
    "AES_CMAC_96": "aescmac",
}


def _proposed(child: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Generate (cipher, integrity) of ``esp_proposals``, which ``--list-conns --raw`` has since strongSwan 6.1."""
    proposals = child.get("esp_proposals")
    known = [p for p in proposals.values() if isinstance(p, dict)] if isinstance(proposals, dict) else []
    if len(known) > 1 and all(len(_words(p, "encr")) > 2 for p in known):
        return  # strongSwan's own list: nothing was configured
    for proposal in known:
        for cipher in _words(proposal, "encr"):
            for integrity in _words(proposal, "integ") or [""]:
                yield re.sub(r"^((?:AES|CAMELLIA|SERPENT|TWOFISH)_(?:CBC|CTR))_\d+$", r"\1", cipher), integrity


def _child(child: dict[str, Any], live: bool, family: Family | None, location: Location) -> Iterator[Esp]:
    for cipher, integrity in _proposed(child):
        told = {**child, "encr-alg": cipher, "integ-alg": integrity, "esp_proposals": {}}
        yield from _child(told, live, family, location)
    if any(_proposed(child)):
        return
    mode = str(child.get("mode", "TUNNEL")).lower()
    selectors = " ".join(_words(child, "local-ts", "remote-ts"))
    cipher, integrity = str(child.get("encr-alg", "")), str(child.get("integ-alg", ""))
    aead = re.match(r"AES_(GCM|CCM)_(\d+)", cipher)
    suite = ""
    if aead:
        suite = f"aes256{aead.group(1).lower()}{aead.group(2)}"
    elif cipher == "CHACHA20_POLY1305":
        suite = "chacha20poly1305"
    elif cipher in _ALGORITHMS and integrity in _INTEGRITY:
        suite = f"{_ALGORITHMS[cipher]}-{_INTEGRITY[integrity]}"
    if mode not in ("pass", "drop"):
        nat = child.get("encap") == "yes"
        if_id = child.get("if-id-out", "")
        for esp in _esps([suite] if suite else [], mode, nat, family, selectors, location, live=live):
            yield replace(
                esp,
                local=_selector(_words(child, "local-ts"), "") if child.get("local-ts") else (),
                remote=_selector(_words(child, "remote-ts"), "") if child.get("remote-ts") else (),
                if_id=_id(f"0x{if_id}") if isinstance(if_id, str) and if_id else None,
            )


_TOKEN = re.compile(r"\s+|\{|\}|\[(?:[^\[\]]|\[[^\]]*\])*\]|[^\s{}=\[\]]+=|[^\s{}\[\]]+")


def _events(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    for match in _RAW.finditer(text):
        at = match.end()
        root: dict[str, Any] = {}
        stack = [root]
        key = ""
        for count, token in enumerate(_TOKEN.finditer(text, at)):
            word = token.group()
            if count > MAX_TOKENS or len(stack) > 60:
                raise ValueError("too large or nested too deep for swanctl output")
            if word.isspace():
                continue
            if word == "{":
                child: dict[str, Any] = {}
                stack[-1][key] = child
                stack.append(child)
            elif word == "}":
                stack.pop()
                if not stack:
                    break
            elif word.endswith("=") and len(word) > 1:
                key = word[:-1]
                stack[-1][key] = ""
                continue
            elif key and stack[-1].get(key) == "" and not isinstance(stack[-1].get(key), dict):
                stack[-1][key] = word[1:-1].split() if word.startswith("[") else word
            else:
                key = word
                continue
            key = ""
        else:
            raise ValueError("cut short: an event has no end")
        yield text.count("\n", 0, match.start() + 1), match.group(1), root


def strongswan_conf(path: str, text: str, evidence: Evidence) -> str | None:
    """Read ``kernel-netlink.mtu`` and ``mss``: what charon puts on the routes that it installs."""
    try:
        root = read_settings(text)
    except (SettingsError, RecursionError) as error:
        return f"not in strongSwan's grammar: {error}"
    lines = text.splitlines()
    for section in (root, *root.sections.values()):
        plugin = section.section("plugins").section("kernel-netlink") if section is not root else None
        plugin = root.section("kernel-netlink") if plugin is None else plugin
        for key in ("mtu", "mss"):
            value = plugin.values.get(key, "")
            if value.isdecimal() and len(value) < 7 and int(value):
                line = next((i for i, t in enumerate(lines) if re.match(rf"\s*{key}\s*=", t)), 0)
                evidence.settings.append(
                    Setting(
                        system="strongswan",
                        field=f"charon.plugins.kernel-netlink.{key}",
                        location=find_word(path, lines, line, key),
                        value=int(value),
                        semantics="pod",
                        encap="none",
                        measure="mss" if key == "mss" else "mtu",
                        change=f"set {key} and reload charon; it applies to routes installed from then on",
                    )
                )
    return None


def own_of(esp: Protection) -> BuiltinIpsec:
    """Return found IPsec as the IPsec of a network."""
    return BuiltinIpsec(suite=esp.suite, mode="tunnel" if esp.mode == "tunnel" else "transport", nat_t=esp.nat_t)
