"""``ip link``, ``ip addr`` and ``ip route`` as text, with and without ``-d`` and ``-s``: the objects of ``ip -d -j``.

The words are those of iproute2 (ip/ipaddress.c, ip/iplink_*.c, ip/link_*.c, ip/iproute.c); its JSON of the same devices
is the oracle of the tests.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

from netplan.audit.formats import listed
from netplan.audit.formats.device_names import kind_of
from netplan.audit.formats.listed import lines_of
from netplan.cni.yaml_document import Piece

_HEAD = re.compile(r"^(\d+): ([^\s:@]+)(?:@([^\s:]+))?:\s+<([^>]*)>\s+(.*)$")
_LINK = re.compile(r"^[ \t]+link/(\S+)(.*)$")
_ADDRESS = re.compile(r"^[ \t]+(inet6?) ([0-9a-fA-F.:]+)(?:/(\d+))?(?= |$)(.*)$")
_ROUTE = re.compile(
    r"^(?:(unicast|local|broadcast|multicast|unreachable|blackhole|prohibit|throw|nat) )?"
    r"(default|\d+\.\d+\.\d+\.\d+(?:/\d+)?|[0-9a-fA-F]*:[0-9a-fA-F:.]+(?:/\d+)?)(?= |$)(.*)$"
)
_HOP = re.compile(r"^[ \t]+nexthop\b(.*)$")
# word of the text -> key of info_data, where the value is the next word
_VALUES = {
    "id": "id",
    "dstport": "port",
    "local": "local",
    "remote": "remote",
    "group": "group",
    "dev": "link",
    "df": "df",
    "ikey": "ikey",
    "okey": "okey",
    "if_id": "if_id",
    "erspan_ver": "erspan_ver",
    "icvlen": "icv_len",
    "mode": "mode",
    "protocol": "protocol",
}
_NUMBERS = ("id", "port", "erspan_ver", "icv_len")
_FLAGS = {
    "external": ("external", True),
    "gpe": ("gpe", True),
    "innerprotoinherit": ("inner_proto_inherit", True),
    "pmtudisc": ("pmtudisc", True),
    "nopmtudisc": ("pmtudisc", False),
    "iseq": ("iseq", True),
    "oseq": ("oseq", True),
    "icsum": ("icsum", True),
    "ocsum": ("ocsum", True),
}
_SIX = {"local": "local6", "remote": "remote6", "group": "group6"}  # of VXLAN and Geneve
_WITH_DF = ("gre", "gretap", "erspan", "ipip", "sit")
_SLAVES = re.compile(r"^(bridge|bond|team|vrf|ovs)_slave$")


def is_devices(text: str) -> bool:
    """Tell whether this is ``ip link`` or ``ip addr``."""
    return any(_HEAD.match(line) and " mtu " in line for line in listed.head(text))


def devices(path: str, text: str) -> Piece:
    """Return the devices as ``ip -d -j addr`` prints them, each with its line."""
    members: list[tuple[int, dict[str, Any]]] = []
    detailed = " promiscuity " in text
    for number, line in enumerate(lines_of(text)):
        head = _HEAD.match(line)
        if head:
            members.append((number, _device(*head.groups())))
            continue
        if members and line[:1].isspace():
            _more(members[-1][1], line)
    members = [(number, entry) for number, entry in members if "mtu" in entry]
    for _, entry in members:
        if not detailed:
            kind = kind_of(entry)
            if kind:
                entry["linkinfo"] = {"info_kind": kind}
    return listed.piece(path, text, members)


def _device(index: str, name: str, other: str | None, flags: str, rest: str) -> dict[str, Any]:
    words = rest.split()
    entry: dict[str, Any] = {"ifindex": int(index[:9]), "ifname": name}
    if other == "NONE":
        entry["link"] = None
    elif other and re.fullmatch(r"if\d+", other):
        entry["link_index"] = int(other[2:11])
    elif other:
        entry["link"] = other
    entry["flags"] = [f for f in flags.split(",") if f]
    following = dict(itertools.pairwise(words))
    mtu = following.get("mtu", "")
    if mtu.isdecimal():
        entry["mtu"] = int(mtu[:9])
    for key, word in (("master", "master"), ("operstate", "state"), ("qdisc", "qdisc")):
        if word in following:
            entry[key] = following[word]
    return entry


def _more(entry: dict[str, Any], line: str) -> None:
    link, address = _LINK.match(line), _ADDRESS.match(line)
    if link:
        entry["link_type"] = link.group(1)
        words = link.group(2).split()
        following = dict(itertools.pairwise(words))
        entry |= {"address": words[0]} if words else {}
        far = following.get("peer", following.get("brd", ""))
        entry |= {"broadcast": far} if far else {}
        if following.get("promiscuity", "").isdecimal():
            entry["promiscuity"] = int(following["promiscuity"][:9])
        if "link-netnsid" in following or "link-netns" in following:
            entry["link_netnsid"] = 0
        for key in ("parentbus", "parentdev"):
            if key in following:
                entry[key] = following[key]
        return
    if address:
        family, local, length, rest = address.groups()
        scope = re.search(r"\bscope (\w+)", rest)
        found: dict[str, Any] = {"family": family, "local": local}
        found |= {"prefixlen": int(length[:4])} if length else {}
        found |= {"scope": scope.group(1)} if scope else {}
        entry.setdefault("addr_info", []).append(found)
        return
    words = line.split()
    if "promiscuity" in entry and words and not _SLAVES.match(words[0]):
        _details(entry, words)
    for key in ("parentbus", "parentdev"):
        if key in words[:-1]:
            entry[key] = words[words.index(key) + 1]


# what stands at the beginning of a line below a device and is no type of one
_NO_KIND = {
    "RX:",
    "TX:",
    "RX",
    "TX",
    "valid_lft",
    "altname",
    "alias",
    "vf",
    "inet",
    "inet6",
    "link-netns",
    "qlen",
    "prog/xdp",
}


def _details(entry: dict[str, Any], words: list[str]) -> None:
    if "linkinfo" in entry or words[0] in _NO_KIND or not re.fullmatch(r"[a-z][a-z0-9_]*", words[0]):
        return
    if words[0] in ("parentbus", "parentdev", "addrgenmode", "numtxqueues"):  # a device without a type
        return
    data: dict[str, Any] = {}
    for word, value in zip(words[1:], [*words[2:], ""], strict=False):
        key = _VALUES.get(word)
        if key and value and key not in data and value != "any":
            data[key] = int(value[:9]) if key in _NUMBERS and value.isdecimal() else value
        if word in _FLAGS:
            data.setdefault(*_FLAGS[word])
        if word == "encaplimit" and value == "none":
            data["ip6_tnl_f_ign_encap_limit"] = True
        elif word == "encaplimit" and value.isdecimal():
            data["encap_limit"] = int(value[:3])
        if word == "encap" and value in ("fou", "gue"):
            data["encap"] = {"type": value}
    if words[0] in _WITH_DF:
        data.setdefault("pmtudisc", True)  # only its absence is printed
    if words[0] in ("vxlan", "geneve"):
        data.setdefault("df", "unset")
        data = {_SIX.get(k, k) if isinstance(v, str) and ":" in v else k: v for k, v in data.items()}
    entry["linkinfo"] = {"info_kind": words[0], "info_data": data}


def is_routes(text: str) -> bool:
    """Tell whether this is ``ip route``: most lines are routes, and one names a device."""
    lines = [line for line in listed.head(text) if line.strip()]
    hits = [line for line in lines if _ROUTE.match(line) or _HOP.match(line)]
    named = any(re.search(r"\b(dev|via) \S", line) for line in hits)
    return bool(lines) and named and len(hits) * 2 > len(lines)


def routes(path: str, text: str) -> Piece:
    """Return the routes as ``ip -j route`` prints them, each with its line; a locked MTU has ``lock``."""
    members: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(lines_of(text)):
        hop, route = _HOP.match(line), _ROUTE.match(line)
        if hop and members:
            members[-1][1].setdefault("nexthops", []).append(dict(_words(hop.group(1))))
        elif route:
            entry: dict[str, Any] = {"dst": route.group(2), **dict(_words(route.group(3)))}
            entry |= {"type": route.group(1)} if route.group(1) else {}
            members.append((number, entry))
    return listed.piece(path, text, members)


_ROUTE_KEYS = {"dev": "dev", "proto": "protocol", "scope": "scope", "src": "prefsrc", "table": "table"}


def _words(text: str) -> Iterator[tuple[str, Any]]:
    words = text.split()
    metrics: dict[str, int] = {}
    for at, word in enumerate(words):
        value = words[at + 1] if at + 1 < len(words) else ""
        if word == "via" and value in ("inet", "inet6"):
            yield "via", {"family": value, "host": words[at + 2] if at + 2 < len(words) else ""}
        elif word == "via" and value:
            yield "gateway", value
        elif word in _ROUTE_KEYS and value:
            yield _ROUTE_KEYS[word], value
        elif word == "metric" and value.isdecimal():
            yield "metric", int(value[:9])
        elif word in ("mtu", "advmss"):
            if value == "lock" and word == "mtu":
                yield "lock", True
                value = words[at + 2] if at + 2 < len(words) else ""
            if value.isdecimal():
                metrics[word] = int(value[:9])
    if metrics:
        yield "metrics", [metrics]
