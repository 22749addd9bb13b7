"""``ifconfig``: the old form of net-tools (``Link encap:``) and the newer one (``flags=``), also that of the BSDs."""

from __future__ import annotations

import re
from typing import Any

from netplan.audit.formats import listed
from netplan.audit.formats.device_names import kind_of
from netplan.audit.formats.listed import lines_of
from netplan.cni.yaml_document import Piece

_NEW = re.compile(r"^([A-Za-z0-9_.:@-]+): flags=[0-9a-fA-F]+<([^>]*)>.*?\bmtu (\d+)")
_OLD = re.compile(r"^([A-Za-z0-9_.:@-]+)\s+Link encap:(.*?)(?:\s{2,}|$)")
_OLD_MTU = re.compile(r"\bMTU:(\d+)")
_OLD_FLAGS = re.compile(r"^\s+((?:[A-Z]+ )+)\s*MTU:")
_FOUR = re.compile(r"\binet (?:addr:)?(\d+\.\d+\.\d+\.\d+)(?:.*?(?:netmask |Mask:)(\S+))?")
_SIX = re.compile(r"\binet6 (?:addr: ?)?([0-9a-fA-F:]+)(?:%\S+)?(?:/|\s+prefixlen )(\d+)")
_TYPES = {"Ethernet": "ether", "Local Loopback": "loopback", "IPIP Tunnel": "ipip", "UNSPEC": "none"}


def is_ifconfig(text: str) -> bool:
    """Tell whether this is output of ifconfig."""
    return any(_NEW.match(line) or _OLD.match(line) for line in listed.head(text))


def devices(path: str, text: str) -> Piece:
    """Return the devices as ``ip -j addr`` prints them, each with the line of its MTU."""
    members: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(lines_of(text)):
        new, old = _NEW.match(line), _OLD.match(line)
        if new:
            entry = {"ifname": new.group(1), "flags": new.group(2).split(","), "mtu": int(new.group(3)[:9])}
            members.append((number, _loopback(entry)))
        elif old:
            kind = _TYPES.get(old.group(2).strip(), "none")
            members.append((number, {"ifname": old.group(1), "flags": [], "link_type": kind}))
        elif members and line[:1].isspace():
            members[-1] = (_more(members[-1][1], line, members[-1][0], number), members[-1][1])
    members = [(line, entry) for line, entry in members if "mtu" in entry and ":" not in entry["ifname"]]
    for _, entry in members:
        entry["operstate"] = "UP" if "RUNNING" in entry["flags"] else "DOWN"
        kind = kind_of(entry)
        if kind:
            entry["linkinfo"] = {"info_kind": kind}
    return listed.piece(path, text, members)


def _loopback(entry: dict[str, Any]) -> dict[str, Any]:
    return entry | ({"link_type": "loopback"} if "LOOPBACK" in entry["flags"] else {})


def _more(entry: dict[str, Any], line: str, at: int, number: int) -> int:
    """Add what a line below says; return the line of the MTU as far as it is known."""
    four, six, mtu, flags = _FOUR.search(line), _SIX.search(line), _OLD_MTU.search(line), _OLD_FLAGS.match(line)
    if four:
        found: dict[str, Any] = {"family": "inet", "local": four.group(1), "scope": "global"}
        length = _prefix(four.group(2) or "")
        entry.setdefault("addr_info", []).append(found | ({"prefixlen": length} if length is not None else {}))
    if six:
        scope = "link" if six.group(1).lower().startswith("fe80") else "global"
        found = {"family": "inet6", "local": six.group(1), "prefixlen": int(six.group(2)[:4]), "scope": scope}
        entry.setdefault("addr_info", []).append(found)
    if flags:
        entry["flags"] = flags.group(1).split()
    if mtu and "mtu" not in entry:
        entry["mtu"] = int(mtu.group(1)[:9])
        return number
    return at


def _prefix(mask: str) -> int | None:
    if re.fullmatch(r"0x[0-9a-f]{8}", mask):
        return bin(int(mask, 16)).count("1")
    parts = mask.split(".")
    if len(parts) == 4 and all(p.isdecimal() and len(p) < 4 for p in parts):
        return sum(bin(int(p)).count("1") for p in parts)
    return None
