"""WireGuard: wg-quick's files, and ``wg show``, which has no MTU.

wg-quick(8) without ``MTU``: the MTU of the route to the endpoint, or of the default route, less 80. Keys are not kept.
"""

from __future__ import annotations

import re

from netplan.audit.formats.listed import lines_of
from netplan.audit.model import Evidence
from netplan.cni.adapter import Family, Overhead, Setting, whole
from netplan.cni.yaml_document import find_word

WG_QUICK_TAKES = 80  # room for an IPv6 outer header, whatever the endpoints are
_SECTION = re.compile(r"^\s*\[(Interface|Peer)\]\s*$", re.I)
_KEY = re.compile(r"^\s*(MTU|Endpoint|Address)\s*=\s*(\S+)", re.I)
_DUMP = re.compile(r"^(?:\S+\t)?[A-Za-z0-9+/]{43}=\t")
_SHOW = re.compile(r"^interface: (\S+)$", re.M)


def is_wg_quick(text: str) -> bool:
    """Tell whether this is a file of wg-quick."""
    return bool(re.search(r"^\s*\[Interface\]\s*$", text, re.M | re.I)) and bool(
        re.search(r"^\s*(PrivateKey|PublicKey|ListenPort|AllowedIPs|Endpoint|PostUp)\s*=", text, re.M | re.I)
    )


def wg_quick(path: str, text: str, evidence: Evidence) -> str | None:
    """Read the MTU of a wg-quick interface, or the one that it computes."""
    lines = lines_of(text)
    mtu: tuple[int, int] | None = None
    section, start, endpoints = "", 0, ""
    for number, line in enumerate(lines):
        head, key = _SECTION.match(line), _KEY.match(line)
        if head:
            section = head.group(1).lower()
            start = number if section == "interface" else start
        elif key and section == "interface" and key.group(1).lower() == "mtu":
            size = whole(key.group(2))
            mtu = (size, number) if size else None
        elif key and key.group(1).lower() == "endpoint":
            endpoints += f" {key.group(2)}"
    family: Family = "ipv6" if re.search(r"\[[0-9a-fA-F:]+\]", endpoints) else "ipv4"
    name = path.rpartition("/")[2].removesuffix(".conf")
    evidence.settings.append(
        Setting(
            system="wireguard",
            field=f"{name} MTU",
            location=find_word(path, lines, mtu[1] if mtu else start, "MTU" if mtu else ""),
            value=mtu[0] if mtu else None,
            semantics="device",
            encap="wireguard",
            family=family if endpoints else None,
            automatic=Overhead(otherwise=WG_QUICK_TAKES),
            change="set MTU in [Interface], then wg-quick down and up",
            note="" if mtu else "not set: wg-quick takes the route's MTU less 80",
        )
    )
    return None


def is_wg_show(text: str) -> bool:
    """Tell whether this is output of ``wg show``, with or without ``dump``."""
    return bool(_SHOW.search(text[:4096])) or any(_DUMP.match(line) for line in lines_of(text[:4096]))


def wg_show(_path: str, _text: str, _evidence: Evidence) -> str | None:
    """Return why it says nothing of sizes."""
    return "not read: `wg show` prints no MTU; send `ip -d -j addr`, or the file of wg-quick"
