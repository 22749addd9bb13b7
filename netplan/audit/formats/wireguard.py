"""WireGuard: wg-quick's files, and ``wg show``, which has no MTU but says which peer is at which outer address.

wg-quick(8) without ``MTU``: the MTU of the route to the endpoint, or of the default route, less 80. Keys are not kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from netplan.audit.formats.listed import lines_of
from netplan.audit.model import Device, Evidence
from netplan.cni.adapter import Family, Overhead, Setting, whole
from netplan.cni.yaml_document import find_word
from netplan.path.model import Interface
from netplan.path.routing import network
from netplan.problems import Location

_LIKELY_MTU = 1420  # bytes: what it takes on a link of 1500
# networks that wg-quick gives a routing table of its own, so that all but WireGuard's own packets go there
_EVERYTHING = frozenset(("0.0.0.0/0", "::/0"))
WG_QUICK_TAKES = 80  # room for an IPv6 outer header, whatever the endpoints are
_SECTION = re.compile(r"^[ \t]*\[(Interface|Peer)\]\s*$", re.I)
_KEY = re.compile(r"^[ \t]*(MTU|Endpoint|Address|Table)\s*=([^#]*)", re.I)
_PEER_KEY = re.compile(r"^[ \t]*(Endpoint|AllowedIPs)\s*=\s*([^#\n]+)", re.I)
_DUMP = re.compile(r"^(?:\S+\t)?[A-Za-z0-9+/]{43}=\t")
_SHOW = re.compile(r"^interface: (\S+)$", re.M)
_SHOWN = re.compile(r"^[ \t]*(interface|peer|endpoint|allowed ips): (.+)$")


def is_wg_quick(text: str) -> bool:
    """Tell whether this is a file of wg-quick."""
    return bool(re.search(r"^[ \t]*\[Interface\]\s*$", text, re.M | re.I)) and bool(
        re.search(r"^[ \t]*(PrivateKey|PublicKey|ListenPort|AllowedIPs|Endpoint|PostUp)\s*=", text, re.M | re.I)
    )


def wg_quick(path: str, text: str, evidence: Evidence) -> str | None:
    """Read the MTU of a wg-quick interface, or the one that it computes."""
    lines = lines_of(text)
    mtu: tuple[int, int] | None = None
    section, start, endpoints, table = "", 0, "", ""
    addresses: list[str] = []
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
        elif key and section == "interface" and key.group(1).lower() == "address":
            addresses += re.split(r"[\s,]+", key.group(2).strip())
        elif key and section == "interface" and key.group(1).lower() == "table":
            table = key.group(2).strip().lower()
        elif key and key.group(1).lower() == "endpoint":
            endpoints += f" {key.group(2)}"
        if (peer := _PEER_KEY.match(line)) and peers:
            peers[-1][peer.group(1).lower()] = peer.group(2)
    family: Family = "ipv6" if re.search(r"\[[0-9a-fA-F:]+\]", endpoints) else "ipv4"
    name = path.rpartition("/")[2].removesuffix(".conf")
    for each in peers:
        _peer(path, name, each.get("endpoint", ""), each.get("allowedips", "").split(","), evidence)
    inside = {net.strip() for each in peers for net in each.get("allowedips", "").split(",")}
    size, at = mtu or (_LIKELY_MTU, start)
    location = find_word(path, lines, at, "MTU" if mtu else "")
    if path.endswith(".conf"):
        only = _address(peers[0].get("endpoint", "")) if len(peers) == 1 else ""
        add_device(name, size, location, addresses, evidence, remote=only)
        if table in ("", "auto") and inside & _EVERYTHING:
            evidence.full_tunnels.append((path, name))
    evidence.settings.append(
        Setting(
            system="wireguard",
            field=f"{name} MTU",
            location=location,
            value=mtu[0] if mtu else None,
            semantics="device",
            encap="wireguard",
            family=family if endpoints else None,
            device=name if mtu and path.endswith(".conf") else "",
            automatic=Overhead(otherwise=WG_QUICK_TAKES),
            change="set MTU in [Interface], then wg-quick down and up",
            note="" if mtu else "not set: wg-quick takes the route's MTU less 80",
        )
    )
    return None


def add_device(
    name: str, mtu: int, location: Location, addresses: Iterable[str], evidence: Evidence, *, remote: str = ""
) -> None:
    """Add a WireGuard device that a file makes, so that what is routed into it is found.

    ``remote`` is the outer address of its only peer, which decides over the family where no allowed IPs were read.
    """
    found = Interface(
        name=name,
        mtu=mtu,
        kind="wireguard",
        role="tunnel",
        head=("udp", "wireguard"),
        remote=remote,
        addresses=tuple(a for a in addresses if network(a) is not None),
    )
    evidence.links.append(
        Device(name=name, mtu=mtu, kind="wireguard", location=location, configured=True, interface=found)
    )


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


def _address(end: str) -> str:
    """Return the address of an endpoint, empty for a host name or none."""
    address = end.strip().rpartition(":")[0].strip("[]").partition("%")[0]
    return address if network(address) is not None else ""


def _peer(path: str, device: str, end: str, networks: list[str], evidence: Evidence) -> None:
    """Keep where a peer is. One that has not been heard of, or is named by a host name, has no address."""
    address = _address(end)
    if address:
        for inside in networks:
            if network(inside.strip()) is not None:
                evidence.endpoints.append((path, device, inside.strip(), address))
