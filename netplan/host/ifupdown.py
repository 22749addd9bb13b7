"""ifupdown: ``mtu`` in the interface's own stanza, which is edited; the live link is set with ``ip link``."""

from __future__ import annotations

import re
from typing import Any

_IFACE = re.compile(r"^[ \t]*iface\s+(\S+)\s+(\S+)\s+(\S+)")
_HEAD = re.compile(r"^[ \t]*iface\s+(\S+)")
_STANZA = re.compile(
    r"^[ \t]*(iface|auto|allow-\S+|mapping|source|source-directory|no-auto-down|no-scripts|template)\b"
)
_MTU = re.compile(r"^[ \t]*mtu\s+(\d{1,9})\s*$")


def render(link: Any) -> dict[str, str]:
    """Return the interfaces file with the MTU in the link's IPv4 stanza; a stanza is added where there is none."""
    lines = link.existing.splitlines()
    start = next(
        (i for i, t in enumerate(lines) if (m := _IFACE.match(t)) and m.group(1) == link.name and m.group(2) == "inet"),
        None,
    )
    if start is None:
        lines += ["", f"iface {link.name} inet manual", f"    mtu {link.mtu}"]
        return {"etc/network/interfaces": "\n".join(lines).lstrip("\n") + "\n"}
    end = next((i for i in range(start + 1, len(lines)) if _STANZA.match(lines[i])), len(lines))
    body = [line for line in lines[start + 1 : end] if not _MTU.match(line)]
    return {
        "etc/network/interfaces": "\n".join([*lines[: start + 1], f"    mtu {link.mtu}", *body, *lines[end:]]) + "\n"
    }


def apply(link: Any) -> list[str]:
    """Return the commands that make it live without taking the link down."""
    return [f"ip link set dev {link.name} mtu {link.mtu}", f"ifquery {link.name}"]


def read(text: str) -> list[tuple[str, int, int]]:
    """Return every ``mtu`` of an IPv4 stanza; that of an inet6 stanza is IPv6's own and left out."""
    device, found = "", []
    for index, line in enumerate(text.splitlines()):
        match = _IFACE.match(line)
        if match:
            device = match.group(1) if match.group(2) == "inet" else ""
        elif _STANZA.match(line):
            device = ""
        size = _MTU.match(line)
        if size and device:
            found.append((device, int(size.group(1)), index))
    return found


def carrier(name: str) -> str:
    """Return the device that a VLAN is named after (``eth0`` of ``eth0.100``), empty for another device."""
    lower, dot, number = name.rpartition(".")
    return lower if dot and number.isdecimal() else ""


def ports(text: str) -> list[tuple[str, str, int]]:
    """Return the ports of every bridge: bridge, port, and the line from 0."""
    name, found = "", []
    for index, line in enumerate(text.splitlines()):
        match, words = _HEAD.match(line), line.split()
        if match:
            name = match.group(1)
        elif words and words[0] in ("bridge_ports", "bridge-ports") and name:
            found += [(name, port, index) for port in words[1:] if port not in ("none", "regex", "glob")]
    return found


def is_interfaces(text: str) -> bool:
    """Tell whether this is an interfaces file."""
    return any(_IFACE.match(line) for line in text.splitlines())
