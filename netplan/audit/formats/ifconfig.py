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
_OLD_FLAGS = re.compile(r"^[ \t]+((?:[A-Z]+ )+)\s*MTU:")
_FOUR = re.compile(r"\binet (?:addr:)?(\d+\.\d+\.\d+\.\d+)(?:.*?(?:netmask |Mask:)(\S+))?")
_SIX = re.compile(r"\binet6 (?:addr: ?)?([0-9a-fA-F:]+)(?:%\S+)?(?:/|\s+prefixlen )(\d+)")
# what only ifconfig of the BSDs and of macOS prints
_BSD = re.compile(
    r"^\S+: flags=.*(> metric \d+ mtu |\bindex \d+ priority )|^\t(groups: |options=|nd6 options=|tunnel inet)"
)
_BSD_GROUPS = re.compile(r"^[ \t]+groups: (.+)$")
_BSD_ENDS = re.compile(r"^[ \t]+tunnel (inet6?) (\S+) --> (\S+)")
# classes of devices of FreeBSD and OpenBSD -> the kernel's word of Linux for the same packet
_BSD_KINDS = {"gre": "gre", "gif": "ipip", "wg": "wireguard", "ipsec": "vti", "enc": "dummy", "lagg": "bond"}
_BSD_KINDS |= {"trunk": "bond", "aggr": "bond", "vlan": "vlan", "bridge": "bridge", "openvpn": "tun", "tun": "tun"}
_BSD_KINDS |= {"vxlan": "vxlan", "pflog": "dummy", "epair": "veth"}
_OVER_IPV6 = {"gre": "ip6gre", "ipip": "ip6tnl", "vti": "vti6"}
# net-tools' words for types of hardware; a GRE tunnel has the four bytes of its local address, a WireGuard device none
_CLASS = {"(IPIP Tunnel)": "ipip", "(IPv6-in-IPv4)": "sit", "(Point-to-Point Protocol)": "ppp"}
_GRE = re.compile(r"(?:unspec|HWaddr) (?!00-00-00-00)(?:[0-9A-Fa-f]{2}-){4}(?:00-){11}00")
_TYPES = {"Ethernet": "ether", "Local Loopback": "loopback", "IPIP Tunnel": "ipip", "UNSPEC": "none"}


def is_ifconfig(text: str) -> bool:
    """Tell whether this is output of ifconfig."""
    return any(_NEW.match(line) or _OLD.match(line) for line in listed.head(text))


def devices(path: str, text: str) -> Piece:
    """Return the devices as ``ip -j addr`` prints them, each with the line of its MTU."""
    members: list[tuple[int, dict[str, Any]]] = []
    bsd = any(_BSD.search(line) for line in listed.head(text))
    for number, line in enumerate(lines_of(text)):
        new, old = _NEW.match(line), _OLD.match(line)
        if new:
            entry = {"ifname": new.group(1), "flags": new.group(2).split(","), "mtu": int(new.group(3)[:9])}
            members.append((number, _loopback(entry)))
        elif old:
            kind = _TYPES.get(old.group(2).strip(), "none")
            kind = "gre" if _GRE.search(line) else kind
            members.append((number, {"ifname": old.group(1), "flags": [], "link_type": kind}))
        elif members and line[:1].isspace():
            members[-1] = (_more(members[-1][1], line, members[-1][0], number), members[-1][1])
    members = [(line, entry) for line, entry in members if "mtu" in entry and ":" not in entry["ifname"]]
    for _, entry in members:
        entry |= {"bsd": True} if bsd else {}
        entry["operstate"] = "UP" if "RUNNING" in entry["flags"] else "DOWN"
        group = entry.pop("group", "") or _class_of(entry)
        data: dict[str, Any] = entry.pop("ends", {})
        kind = _BSD_KINDS.get(group, "") or kind_of(entry)
        if ":" in data.get("local", ""):
            kind = _OVER_IPV6.get(kind, kind)
            data["ip6_tnl_f_ign_encap_limit"] = True  # only Linux has that option
        if kind:
            entry["linkinfo"] = {"info_kind": kind} | ({"info_data": data} if data else {})
    return listed.piece(path, text, members)


def _class_of(entry: dict[str, Any]) -> str:
    """Return the class that a BSD's name of a device is made of, where nothing else has such a name."""
    name = re.fullmatch(r"(ipsec|gif|ovpn[cs]|enc|pflog|pfsync)\d+", entry["ifname"])
    word = name.group(1) if name else ""
    return {"ovpns": "tun", "ovpnc": "tun", "pfsync": "pflog"}.get(word, word)


def _loopback(entry: dict[str, Any]) -> dict[str, Any]:
    return entry | ({"link_type": "loopback"} if "LOOPBACK" in entry["flags"] else {})


def _more(entry: dict[str, Any], line: str, at: int, number: int) -> int:
    """Add what a line below says; return the line of the MTU as far as it is known."""
    if word := next((w for w in _CLASS if line.rstrip().endswith(w)), ""):
        entry["link_type"] = _CLASS[word]
    elif _GRE.search(line):
        entry["link_type"] = "gre"
    if found_group := _BSD_GROUPS.match(line):
        entry["group"] = next((word for word in found_group.group(1).split() if word in _BSD_KINDS), "")
    if ends := _BSD_ENDS.match(line):
        both = {"local": ends.group(2).partition("%")[0], "remote": ends.group(3).partition("%")[0]}
        entry["ends"] = entry.get("ends", {}) | both
        return at
    if key := re.match(r"^[ \t]+grekey: (\S+)", line):
        entry["ends"] = entry.get("ends", {}) | {"okey": key.group(1)}
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
