"""What runs on a node: ``ip -d -j link`` or ``addr``, ``ip -j route``, and single values in files."""

from __future__ import annotations

import re
from typing import Any

from netplan.audit.model import Device, Evidence, Finding
from netplan.cni.adapter import Family, Setting, whole
from netplan.cni.yaml_document import Piece, find_word
from netplan.problems import Location

# the kernel's word for a tunnel device -> encapsulation and family
_TUNNELS: dict[str, tuple[str, Family | None]] = {
    "vxlan": ("vxlan", None),
    "geneve": ("geneve", None),
    "gre": ("gre", "ipv4"),
    "ip6gre": ("gre", "ipv6"),
    "gretap": ("gretap", "ipv4"),
    "ip6gretap": ("gretap", "ipv6"),
    "ipip": ("ipip", "ipv4"),
    "wireguard": ("wireguard", None),
    "xfrm": ("none", None),
    "vti": ("none", "ipv4"),
    "vti6": ("none", "ipv6"),
}
# devices of these programs have an MTU on purpose that says nothing
_NO_MEANING = re.compile(r"^(genev_sys_|vxlan_sys_|gre_sys|cilium_(vxlan|geneve)$|(tunl|gre|gretap|erspan|ip_vti)0$)")
_PODS = re.compile(r"^(veth|cali[0-9a-f]{6,}|[0-9a-f]{8,}|antrea-gw|cni\d|cbr\d|flannel)")


def is_link(data: Any) -> bool:
    """Tell whether this is output of ``ip -j link`` or ``ip -j addr``."""
    return _each(data, "ifname", "mtu")


def is_route(data: Any) -> bool:
    """Tell whether this is output of ``ip -j route``."""
    return _each(data, "dst") and any("dev" in r or "gateway" in r or "nexthops" in r for r in data)


def _each(data: Any, *keys: str) -> bool:
    return isinstance(data, list) and bool(data) and all(isinstance(d, dict) and set(keys) <= d.keys() for d in data)


def links(piece: Piece, evidence: Evidence) -> None:
    """Read devices: the links under everything, the tunnels on them, and the pods' ends."""
    pods: list[Piece] = []
    sizes = {d["ifname"]: whole(d["mtu"]) for d in piece.data if isinstance(d["ifname"], str)}
    for device in [Piece(piece.doc, (*piece.at, i), d) for i, d in enumerate(piece.data)]:
        name, mtu = device.text("ifname"), whole(device.get("mtu"))
        if not name or mtu is None:
            continue
        kind = device.text("linkinfo", "info_kind")
        lower = device.text("link") or device.text("linkinfo", "info_data", "link")
        evidence.links.append(
            Device(
                name=name,
                mtu=mtu,
                kind=kind,
                lower=lower,
                master=device.text("master"),
                loopback=device.text("link_type") == "loopback" or name == "lo",
                up=device.text("operstate") in ("UP", "UNKNOWN", ""),
                location=device.location("mtu"),
            )
        )
        _below_ipv6(device, name, mtu, evidence)
        if kind in _TUNNELS and not _NO_MEANING.match(name):
            _tunnel(device, kind, mtu, sizes.get(lower), evidence)
        elif _is_pod(device, kind, name):
            pods.append(device)
    _pods(pods, evidence)


def _is_pod(device: Piece, kind: str, name: str) -> bool:
    """Tell whether this is the host's end of a pod, or the pods' bridge; Docker's own are not the cluster's."""
    return (
        kind in ("veth", "bridge")
        and bool(_PODS.match(name))
        and not device.text("master").startswith(("br-", "docker"))
    )


def _tunnel(device: Piece, kind: str, mtu: int, link: int | None, evidence: Evidence) -> None:
    name = device.text("ifname")
    data = device.sub("linkinfo", "info_data")
    if data.get("external") is True or data.get("collect_metadata") is True or mtu >= 65000:
        return
    encap, family = _TUNNELS[kind]
    if family is None and kind in ("vxlan", "geneve"):
        six = any(data.text(k) for k in ("local6", "remote6", "group6")) or any(
            ":" in data.text(k) for k in ("local", "remote", "group")
        )
        family = "ipv6" if six else "ipv4"
    encap = _gre(encap, data)
    system = {"flannel": "flannel", "vxlan.calico": "calico"}.get(name.partition(".")[0], "linux")
    system = "calico" if name.startswith(("vxlan.calico", "vxlan-v6.calico", "wireguard.cali")) else system
    evidence.settings.append(
        Setting(
            system=system,
            field=f"{name} mtu",
            location=device.location("mtu"),
            value=mtu,
            semantics="device",
            encap=encap,
            family=family,
            port=whole(data.get("port")),
            running=True,
            link=link,
            change=f"ip link set dev {name} mtu, and the configuration that makes it",
        )
    )


def _gre(encap: str, data: Piece) -> str:
    if encap not in ("gre", "gretap"):
        return encap
    flags = "".join(
        f":{flag}"
        for flag, keys in (("key", ("okey", "ikey")), ("csum", ("ocsum",)), ("seq", ("oseq",)))
        if any(data.get(k) for k in keys)
    )
    return f"{encap}{'+key' if flags == ':key' and encap == 'gretap' else ''}"


def _pods(pods: list[Piece], evidence: Evidence) -> None:
    by_size: dict[int, list[Piece]] = {}
    for device in pods:
        by_size.setdefault(int(device.get("mtu")), []).append(device)
    for mtu, devices in sorted(by_size.items()):
        first, more = devices[0].text("ifname"), len(devices) - 1
        names = first + (f" and {more} more" if more else "")
        evidence.settings.append(
            Setting(
                system="pods",
                field=f"{names} mtu",
                location=devices[0].location("mtu"),
                value=mtu,
                semantics="pod",
                encap="",
                running=True,
                change="correct the configuration, then recreate these pods: they keep the MTU they were created with",
            )
        )


def _below_ipv6(device: Piece, name: str, mtu: int, evidence: Evidence) -> None:
    for address in device.items("addr_info"):
        if address.text("family") == "inet6" and address.text("scope") == "global" and mtu < 1280:
            evidence.faults.append(
                Finding(
                    code="IPP917",
                    severity="error",
                    system="linux",
                    field=f"{name} mtu",
                    location=device.location("mtu"),
                    message=f"{name} has an IPv6 address and an MTU of {mtu}: IPv6 needs 1280, and the kernel takes "
                    "the addresses away when an MTU falls below",
                    found=mtu,
                    exact=1280,
                    ends=mtu,
                    change=f"ip link set dev {name} mtu 1280, then add the static addresses again",
                )
            )
            return


def routes(piece: Piece, evidence: Evidence) -> None:
    """Read routes: which device has the default route, and MTUs locked to routes."""
    for index, route in enumerate(piece.data):
        here = Piece(piece.doc, (*piece.at, index), route)
        if here.text("dst") == "default" and here.text("dev"):
            evidence.default_devices.append(here.text("dev"))
        for number, metrics in enumerate(here.items("metrics")):
            mtu = whole(metrics.get("mtu"))
            device = here.text("dev")
            if not mtu or not re.match(r"^(cilium|lxc|eth0$|ipsec|xfrm|vti|flannel|vxlan|ov\d|cni)", device):
                continue
            if here.text("dst") == "default" and device == "eth0":
                continue
            evidence.settings.append(
                Setting(
                    system="routes",
                    field=f"route {here.text('dst')} dev {device} mtu",
                    location=here.location("metrics", number, "mtu"),
                    value=mtu,
                    semantics="pod",
                    encap="none" if device.startswith(("ipsec", "xfrm", "vti")) else "",
                    running=True,
                    change="correct the configuration of the program that installs the route",
                )
            )


def subnet_env(path: str, text: str, evidence: Evidence) -> None:
    """Read flannel's subnet.env: the MTU that pods get."""
    lines = text.splitlines()
    six = "FLANNEL_IPV6_NETWORK=" in text and not re.search(r"^FLANNEL_NETWORK=\S", text, re.M)
    family: Family = "ipv6" if six else "ipv4"
    for index, line in enumerate(lines):
        match = re.match(r"^FLANNEL_MTU=(\d{2,5})\s*$", line)
        if match:
            location = find_word(path, lines, index, "FLANNEL_MTU")
            evidence.settings.append(_value("flannel", "FLANNEL_MTU", location, int(match.group(1)), "", family))


def calico_mtu(path: str, text: str, evidence: Evidence) -> None:
    """Read /var/lib/calico/mtu: what Felix chose."""
    location = find_word(path, text.splitlines(), 0)
    evidence.settings.append(_value("calico", "/var/lib/calico/mtu", location, int(text.strip()), "", None))


def _value(system: str, field: str, location: Location, mtu: int, encap: str, family: Family | None) -> Setting:
    return Setting(
        system=system,
        field=field,
        location=location,
        value=mtu,
        semantics="pod",
        encap=encap,
        family=family,
        running=True,
        change="set the MTU in the program's configuration, and recreate the pods",
    )


_CLAMPS = (
    ("nftables", re.compile(r"maxseg\s+size\s+set\s+(\d{2,5})\b")),
    ("iptables", re.compile(r"--set-mss\s+(\d{2,5})\b")),
    ("cisco", re.compile(r"^\s*(?:ip tcp adjust-mss|sysopt connection tcpmss)\s+(\d{2,5})\b")),
)


def clamps(path: str, text: str, evidence: Evidence) -> bool:
    """Read TCP MSS clamps of nftables, iptables-save and a router's configuration."""
    lines = text.splitlines()
    before = len(evidence.settings)
    for index, line in enumerate(lines):
        if line.lstrip().startswith(("#", "!")):
            continue
        for system, pattern in _CLAMPS:
            match = pattern.search(line)
            if match:
                evidence.settings.append(
                    Setting(
                        system=system,
                        field="TCP MSS clamp",
                        location=find_word(path, lines, index, match.group(1)),
                        value=int(match.group(1)),
                        semantics="pod",
                        encap="",
                        measure="mss",
                        change="set the clamp, or clamp to the route's MTU and set that",
                        note="a clamp helps TCP only; UDP and QUIC still need the right MTU",
                    )
                )
    return len(evidence.settings) > before
