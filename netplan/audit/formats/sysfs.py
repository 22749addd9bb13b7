"""MTUs from ``/sys/class/net``: ``grep . /sys/class/net/*/mtu``, ``head`` of the same, and loops that echo them."""

from __future__ import annotations

import re
from typing import Any

from netplan.audit.formats import listed
from netplan.audit.formats.device_names import kind_of
from netplan.audit.formats.listed import lines_of
from netplan.cni.yaml_document import Piece

_GREP = re.compile(r"^/sys/class/net/([^/\s]+)/mtu\s*[:=]\s*(\d{2,6})\s*$")
_HEAD = re.compile(r"^==> /sys/class/net/([^/\s]+)/mtu <==$")
_ECHO = re.compile(r"^([A-Za-z][\w.@-]{0,14})[: ] ?mtu ?[=:] ?(\d{2,6})\s*$")


def is_sysfs(text: str) -> bool:
    """Tell whether every line that is not empty or a command is a device with its MTU."""
    head = [line for line in listed.head(text) if line.strip() and not re.match(r"\s*[$#]|.*[$#] ", line)]
    found = {line for line in head if _GREP.match(line) or _HEAD.match(line) or _ECHO.match(line)}
    return bool(found) and all(f in found or re.fullmatch(r"\d{2,6}", f.strip()) for f in head)


def devices(path: str, text: str) -> Piece:
    """Return the devices as ``ip -j link`` prints them. Types are in names only."""
    members: list[tuple[int, dict[str, Any]]] = []
    waiting = ""
    for number, line in enumerate(lines_of(text)):
        match, above = _GREP.match(line) or _ECHO.match(line), _HEAD.match(line)
        if above:
            waiting = above.group(1)
        elif match or (waiting and line.strip().isdecimal()):
            name, size = match.groups() if match else (waiting, line.strip())
            waiting = ""
            entry: dict[str, Any] = {
                "ifname": name,
                "mtu": int(size[:6]),
                "link_type": "loopback" if name == "lo" else "",
            }
            kind = kind_of(entry)
            members.append((number, entry | ({"linkinfo": {"info_kind": kind}} if kind else {})))
    return listed.piece(path, text, members)
