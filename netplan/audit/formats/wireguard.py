"""WireGuard: wg-quick's files, and ``wg show``, which has no MTU but says which peer is at which outer address.

wg-quick(8) without ``MTU``: the MTU of the route to the endpoint, or of the default route, less 80. Keys are not kept.
"""

from __future__ import annotations

import re

from netplan.audit.formats.listed import lines_of
from netplan.audit.model import Evidence
from netplan.cni.adapter import Family, Overhead, Setting, whole
from netplan.cni.yaml_document import find_word
from netplan.path.routing import network

WG_QUICK_TAKES = 80  # room for an IPv6 outer header, whatever the endpoints are
_SECTION = re.compile(r"^\s*\[(Interface|Peer)\]\s*$", re.I)
_KEY = re.compile(r"^\s*(MTU|Endpoint|Address)\s*=\s*(\S+)", re.I)
_PEER_KEY = re.compile(r"^\s*(Endpoint|AllowedIPs)\s*=\s*([^#\n]+)", re.I)
_DUMP = re.compile(r"^(?:\S+\t)?[A-Za-z0-9+/]{43}=\t")
_SHOW = re.compile(r"^interface: (\S+)$", re.M)
_SHOWN = re.compile(r"^\s*(interface|peer|endpoint|allowed ips): (.+)$")


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
    peers: list[dict[str, str]] = []
    for number, line in enumerate(lines):
        head, key = _SECTION.match(line), _KEY.match(line)
        if head:
            section = head.group(1).lower()
            start = number if section == "interface" else start
            peers += [{}] if section == "peer" else []
        elif key and section == "interface" and key.group(1).lower() == "mtu":
            size = whole(key.group(2))
            mtu = (size, number) if size else None
        elif key and key.group(1).lower() == "endpoint":
            endpoints += f" {key.group(2)}"
        if (peer := _PEER_KEY.match(line)) and peers:
            peers[-1][peer.group(1).lower()] = peer.group(2)
    family: Family = "ipv6" if re.search(r"\[[0-9a-fA-F:]+\]", endpoints) else "ipv4"
    name = path.rpartition("/")[2].removesuffix(".conf")
    for each in peers:
        _peer(path, name, each.get("endpoint", ""), each.get("allowedips", "").split(","), evidence)
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


def wg_show(path: str, text: str, evidence: Evidence) -> str | None:
    """Read the peers of each device; return why it says nothing of sizes where it has none."""
    before = len(evidence.endpoints)
    if any(_DUMP.match(line) for line in lines_of(text[:4096])):
        _dumped(path, text, evidence)
    else:
        _shown(path, text, evidence)
    if len(evidence.endpoints) > before:
        return None
    return "not read: `wg show` prints no MTU; send `ip -d -j addr`, or the file of wg-quick"


def _dumped(path: str, text: str, evidence: Evidence) -> None:
    """Read ``wg show NAME dump`` (8 columns a peer) and ``wg show all dump`` (one more, the device)."""
    for line in lines_of(text):
        columns = line.split("\t")
        if len(columns) not in (8, 9):
            continue  # a device: its keys, port and mark
        device = columns[0] if len(columns) == 9 else ""
        _peer(path, device, columns[-6], columns[-5].split(","), evidence)


def _shown(path: str, text: str, evidence: Evidence) -> None:
    device = end = ""
    for line in lines_of(text):
        match = _SHOWN.match(line)
        word, value = match.groups() if match else ("", "")
        if word == "interface":
            device, end = value, ""
        elif word == "peer":
            end = ""
        elif word == "endpoint":
            end = value
        elif word == "allowed ips":
            _peer(path, device, end, value.split(","), evidence)


def _peer(path: str, device: str, end: str, networks: list[str], evidence: Evidence) -> None:
    """Keep where a peer is. One that has not been heard of, or is named by a host name, has no address."""
    address = end.strip().rpartition(":")[0].strip("[]").partition("%")[0]
    if network(address) is not None:
        for inside in networks:
            if network(inside.strip()) is not None:
                evidence.endpoints.append((path, device, inside.strip(), address))
