"""FortiOS: phase 1 and phase 2 of IPsec, and MTU and MSS of interfaces (``config``, ``edit``, ``set``)."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from netplan.audit.formats.algorithms import proposal
from netplan.audit.formats.connections import Child, add
from netplan.audit.formats.listed import lines_of
from netplan.audit.model import Device, Evidence
from netplan.cni.adapter import Setting, whole
from netplan.cni.yaml_document import find_word

MAX_DEPTH = 12
# what phase 2 offers where nothing is set (FortiOS 7 CLI reference)
_DEFAULT = ("aes256-sha256", "aes256gcm16")


@dataclass
class _Entry:
    """An ``edit`` of a ``config``: its settings, value and line."""

    config: str
    name: str
    line: int
    keys: dict[str, tuple[list[str], int]] = field(default_factory=dict)

    def word(self, key: str) -> str:
        """Return the first word of a setting; empty without one."""
        found = self.keys.get(key)
        return found[0][0] if found and found[0] else ""


def is_fortios(text: str) -> bool:
    """Tell whether this is a FortiOS configuration."""
    return (
        bool(re.search(r"^[ \t]*config (vpn ipsec|system interface|firewall policy)", text, re.M)) and "edit " in text
    )


def read(path: str, text: str, evidence: Evidence) -> str | None:
    """Read phase 2 entries with their phase 1, tunnel interfaces and clamps; returns why it can't be read."""
    lines = lines_of(text)
    entries = list(_entries(lines))
    first = {e.name: e for e in entries if e.config.startswith("vpn ipsec phase1")}
    seconds = [e for e in entries if e.config.startswith("vpn ipsec phase2")]
    for entry in seconds:
        _child(path, lines, entry, first.get(entry.word("phase1name")), evidence)
    for entry in entries:
        if entry.config == "system interface":
            _interface(path, lines, entry, entry.name in first, evidence)
        elif entry.config.startswith("firewall policy"):
            for key in ("tcp-mss-sender", "tcp-mss-receiver"):
                _clamp(path, lines, entry, key, "pod", evidence)
    return None


def _entries(lines: list[str]) -> Iterator[_Entry]:
    stack: list[str] = []
    open_entries: list[_Entry] = []
    for number, line in enumerate(lines):
        try:
            words = shlex.split(line, posix=True)
        except ValueError:
            words = line.split()
        if not words or len(stack) > MAX_DEPTH:
            continue
        if words[0] == "config":
            stack.append(" ".join(words[1:]))
        elif words[0] == "end" and stack:
            stack.pop()
        elif words[0] == "edit" and len(words) > 1 and stack:
            open_entries.append(_Entry(stack[-1], words[1], number))
        elif words[0] == "next" and open_entries:
            yield open_entries.pop()
        elif words[0] == "set" and len(words) > 2 and open_entries and stack and open_entries[-1].config == stack[-1]:
            open_entries[-1].keys[words[1]] = (words[2:], number)
    yield from open_entries


def _child(path: str, lines: list[str], entry: _Entry, phase1: _Entry | None, evidence: Evidence) -> None:
    words = entry.keys.get("proposal", ([], 0))[0]
    suites = [s for w in words if (s := proposal(re.sub(r"gcm$", "gcm16", w.replace("-prf", ";prf"))))]
    transport = entry.word("encapsulation") == "transport-mode"
    add(
        Child(
            location=find_word(path, lines, entry.line, "edit"),
            mode="transport" if transport else "tunnel",
            suites=suites or _DEFAULT,
            assumed="" if suites else "no proposal is set: FortiOS offers AES-CBC and AES-GCM by itself",
            local=_gateway(phase1, "local-gw"),
            remote=_gateway(phase1, "remote-gw"),
            local_nets=_nets(entry, "src-subnet"),
            remote_nets=_nets(entry, "dst-subnet"),
            local_port=_port(entry, "src-port"),
            remote_port=_port(entry, "dst-port"),
            nat_t=bool(phase1) and phase1 is not None and phase1.word("nattraversal") == "forced",
        ),
        evidence,
    )


def _gateway(phase1: _Entry | None, key: str) -> str:
    """Return an address of phase 1, of either family."""
    return (phase1.word(key) or phase1.word(f"{key}6")) if phase1 is not None else ""


def _port(entry: _Entry, key: str) -> str:
    """Return protocol and port of a selector, as in udp/500; empty for every protocol."""
    protocol, port = entry.word("protocol") or "0", entry.word(key) or "0"
    name = {"17": "udp", "6": "tcp"}.get(protocol, protocol)
    return "" if protocol == "0" else f"{name}/{port}" if port != "0" else name


def _nets(entry: _Entry, key: str) -> list[str]:
    words = (entry.keys.get(key) or entry.keys.get(f"{key}6") or ([], 0))[0]
    try:
        found = ipaddress.ip_network("/".join(words[:2]), strict=False) if words else None
    except ValueError:
        return []
    return [] if found is None else [str(found)]


def _interface(path: str, lines: list[str], entry: _Entry, tunnel: bool, evidence: Evidence) -> None:
    number = whole(entry.word("mtu")) if entry.word("mtu-override") == "enable" else None
    where = find_word(path, lines, entry.keys.get("mtu", ([], entry.line))[1], "mtu")
    if number and not tunnel and entry.word("type") != "tunnel":
        evidence.links.append(Device(name=entry.name, mtu=number, location=where, configured=True))
    elif number:
        evidence.settings.append(
            Setting(
                system="fortios",
                field=f"system interface {entry.name} mtu",
                location=where,
                value=number,
                semantics="device",
                encap="none",
                change=f"config system interface, edit {entry.name}, set mtu",
            )
        )
    _clamp(path, lines, entry, "tcp-mss", "device" if tunnel else "pod", evidence)


def _clamp(path: str, lines: list[str], entry: _Entry, key: str, semantics: str, evidence: Evidence) -> None:
    number = whole(entry.word(key))
    if number:
        evidence.settings.append(
            Setting(
                system="fortios",
                field=f"{entry.config} {entry.name} {key}",
                location=find_word(path, lines, entry.keys[key][1], key),
                value=number,
                semantics=semantics,  # type: ignore[arg-type]
                encap="none" if semantics == "device" else "",
                measure="mss",
                change=f"set {key}",
                note="a clamp helps TCP only; UDP and QUIC still need the right MTU",
            )
        )
