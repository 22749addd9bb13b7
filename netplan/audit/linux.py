"""What runs on a node: ``ip -d -j link`` or ``addr``, ``ip -j route``, and single values in files."""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from typing import Any

from netplan.audit.formats.device_names import is_own_end
from netplan.audit.model import Device, Evidence, Finding
from netplan.audit.xfrm import DOCKER_MARK
from netplan.cni.adapter import Family, Setting, whole
from netplan.cni.yaml_document import Piece, find_word
from netplan.path.kinds import interface
from netplan.path.model import Interface, Route, Rule
from netplan.path.routing import network
from netplan.problems import Location

# the programs of networks whose devices have names of their own; whose number it is, not what the device does
_SYSTEMS = (
    (re.compile(r"^(flannel[.-]|flannel-wg)"), "flannel"),
    (re.compile(r"^vx-[0-9a-f]{6}-"), "docker-overlay"),
    (re.compile(r"^(vxlan(-v6)?\.calico|wg-v6\.cali|wireguard\.cali)"), "calico"),
)
_DOCKER_VXLAN = re.compile(r"^vx-[0-9a-f]{6}-")  # and the beginning of the network's id
# bridges whose containers reach other hosts as the host itself
_MASQUERADED = re.compile(r"^(docker\d+|docker_gwbridge|br-[0-9a-f]{12}|podman\d+|cni-podman\d+|virbr\d+|lxcbr\d+)$")
# ports of Open vSwitch through which pods' networks are reached
_GATEWAYS = re.compile(r"^(antrea-gw\d+|ovn-k8s-mp\d+|ovn0)$")


def is_link(data: Any) -> bool:
    """Tell whether this is output of ``ip -j link`` or ``ip -j addr``."""
    return _each(data, "ifname", "mtu")


def is_route(data: Any) -> bool:
    """Tell whether this is output of ``ip -j route``."""
    return _each(data, "dst") and any("dev" in r or "gateway" in r or "nexthops" in r for r in data)


def _each(data: Any, *keys: str) -> bool:
    wanted = set(keys)
    return isinstance(data, list) and bool(data) and all(isinstance(d, dict) and wanted <= d.keys() for d in data)


def links(piece: Piece, evidence: Evidence) -> None:
    """Read devices: the links under everything, the tunnels on them, and the pods' ends."""
    details = any("linkinfo" in d or "promiscuity" in d for d in piece.data)
    told = any("parentbus" in d or "parentdev" in d for d in piece.data)
    names = {d["ifname"] for d in piece.data if isinstance(d["ifname"], str)}
    # `ip -j` without -d prints no type at all; a dump of nothing but hardware looks the same
    bare = not details and any({"master", "link_index", "link_netnsid"} & d.keys() for d in piece.data)
    bare = bare or (not details and any(d.get("link_type") in ("none", "ipip", "sit", "gre") for d in piece.data))
    carriers = _carriers(piece.data)
    pods: dict[tuple[str, int], list[Piece]] = {}
    for index, entry in enumerate(piece.data):
        device = Piece(piece.doc, (*piece.at, index), entry)
        found = interface(entry, details=not bare, hardware_told=told)
        if found is None:
            continue
        if found.role == "pod" and (found.name in carriers or _has_network(found) or is_own_end(entry)):
            found = replace(found, role="link")  # the host is itself a container, and this is its link
        location = device.location("mtu")
        evidence.links.append(
            Device(
                name=found.name,
                mtu=found.mtu,
                kind=found.kind,
                lower=found.lower,
                master=found.master,
                loopback=found.role == "nothing",
                up=found.up,
                location=location,
                interface=found,
            )
        )
        _below_ipv6(device, found.name, found.mtu, evidence)
        if found.role in ("tunnel", "frame", "policy", "unknown"):
            if _DOCKER_VXLAN.match(found.name) and found.port and not found.external:
                evidence.marks.append((location, found.port, DOCKER_MARK))
            if not found.external:
                evidence.settings.append(_tunnel(found, location))
        elif group := _pods(found, names):
            pods.setdefault((group, found.mtu), []).append(device)
    for (group, mtu), devices in sorted(pods.items()):
        evidence.settings.append(_pod_setting(group, mtu, devices))


def _carriers(data: list[dict[str, Any]]) -> set[str]:
    """Return the devices that others stand on: carriers of VLANs and tunnels, ports of bonds."""
    named = [d for d in data if isinstance(d["ifname"], str)]
    kinds = {d["ifname"]: _kind(d) for d in named}
    found = {d["link"] for d in named if kinds[d["ifname"]] not in ("", "veth") and isinstance(d.get("link"), str)}
    ports = {d["ifname"] for d in named if kinds.get(str(d.get("master"))) in ("bond", "team")}
    return found | ports


def _kind(entry: dict[str, Any]) -> str:
    info = entry.get("linkinfo")
    return str(info.get("info_kind", "")) if isinstance(info, dict) else ""


def _has_network(device: Interface) -> bool:
    """Tell whether a device has an address with a network around it, which the host's end of a pod has not."""
    near = [network(a) for a in device.addresses if "/" in a and not a.startswith("fe80:")]
    return any(n is not None and n.prefixlen < n.max_prefixlen for n in near) and not device.master


def _pods(device: Interface, names: set[str]) -> str:
    """Return whose pods a device belongs to: ``pods``, ``docker`` for masqueraded ones, empty for none."""
    if device.role == "bridge":
        if device.kind == "openvswitch":
            return "pods" if _GATEWAYS.match(device.name) else ""
        return "docker" if _MASQUERADED.match(device.name) else "pods" if _BRIDGES.match(device.name) else ""
    if device.role != "pod":
        return ""
    if device.lower in names and not device.elsewhere:
        return ""  # both ends are here: no pod is behind it
    return "docker" if _MASQUERADED.match(device.master) else "pods"


# bridges that networks make for pods alone; others are judged by their ports
_BRIDGES = re.compile(r"^(cni\d+|cbr\d+|kube-bridge|weave)$")


def system_of(name: str) -> str:
    """Return the network whose program makes the tunnel device of a name; empty for a name of anybody's."""
    return next((system for pattern, system in _SYSTEMS if pattern.match(name)), "")


def _tunnel(device: Interface, location: Location) -> Setting:
    return Setting(
        system=system_of(device.name) or "linux",
        field=f"{device.name} mtu",
        location=location,
        value=device.mtu,
        semantics="device",
        encap=device.kind or "unknown",
        family=device.family,
        port=device.port,
        running=True,
        device=device.name,
        unjudged=device.why if device.role == "unknown" else "",
        change=f"ip link set dev {device.name} mtu, and the configuration that makes it",
    )


def _pod_setting(group: str, mtu: int, devices: list[Piece]) -> Setting:
    first, more = devices[0].text("ifname"), len(devices) - 1
    names = first + (f" and {more} more" if more else "")
    return Setting(
        system=group,
        field=f"{names} mtu",
        location=devices[0].location("mtu"),
        value=mtu,
        semantics="pod",
        encap="none" if group == "docker" else "",
        running=True,
        device=first,
        change="correct the configuration, then recreate these pods: they keep the MTU they were created with",
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


# networks whose routes the kernel uses for nothing that leaves the host
_INSIDE = frozenset(("local", "broadcast", "multicast", "blackhole"))


def routes(piece: Piece, evidence: Evidence) -> None:
    """Read routes, and MTUs that are set on them."""
    path = piece.doc.path
    for index, entry in enumerate(piece.data):
        dst, gateway, source = _text(entry, "dst"), _text(entry, "gateway"), _text(entry, "prefsrc")
        target = dst
        if dst == "default":
            target = "::/0" if ":" in gateway + source else "0.0.0.0/0"
        if network(target) is None or _text(entry, "type") in _INSIDE:
            continue
        metrics = entry.get("metrics")
        mtu = (
            next((n for m in metrics if (n := whole(_value_of(m, "mtu")))), None) if isinstance(metrics, list) else None
        )
        hops = entry.get("nexthops")
        for number, hop in enumerate(hops if isinstance(hops, list) and hops else [entry]):
            device = _text(hop, "dev")
            if not device:
                continue
            near = _text(hop, "gateway")
            route = _route(
                target,
                device,
                near or _text(_value_of(hop, "via"), "host"),
                str(entry.get("table") or "main"),
                whole(entry.get("metric")) or 0,
                mtu,
                entry.get("lock") is True,
                source,
                not near and _text(entry, "protocol") == "kernel",
            )
            evidence.routes.append((path, route))
            if mtu and number == 0:
                here = Piece(piece.doc, (*piece.at, index), entry)
                evidence.settings.append(_route_setting(here, route, mtu))


def _value_of(data: Any, key: str) -> Any:
    return data.get(key) if isinstance(data, dict) else None


def _text(data: Any, key: str) -> str:
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, str) else ""


@functools.lru_cache(maxsize=1 << 16)
def _route(
    dst: str,
    device: str,
    via: str,
    table: str,
    metric: int,
    mtu: int | None,
    locked: bool,
    source: str,
    connected: bool,
) -> Route:
    """Return a route; the hosts of a cluster have most of theirs in common."""
    return Route(
        dst=dst,
        device=device,
        via=via,
        table=table,
        metric=metric,
        mtu=mtu,
        locked=locked,
        source=source,
        connected=connected,
    )


def _route_setting(here: Piece, route: Route, mtu: int) -> Setting:
    number = next(i for i, m in enumerate(here.items("metrics")) if whole(m.get("mtu")))
    return Setting(
        system="routes",
        field=f"route {here.text('dst')} dev {route.device} mtu",
        location=here.location("metrics", number, "mtu"),
        value=mtu,
        semantics="route",
        encap="",
        running=True,
        device=route.device,
        target=route.dst,
        change="correct the configuration of the program that installs the route",
    )


def is_rules(data: Any) -> bool:
    """Tell whether this is output of ``ip -j rule``."""
    return _each(data, "priority", "src") and all("table" in r or "action" in r for r in data)


def rules(piece: Piece, evidence: Evidence) -> None:
    """Read routing policy rules; of a kind that the model does not have, nothing."""
    for index, entry in enumerate(piece.data):
        here = Piece(piece.doc, (*piece.at, index), entry)
        priority, mark = whole(entry.get("priority")), here.text("fwmark")
        known = {"priority", "src", "srclen", "fwmark", "fwmask", "table", "protocol"}
        if priority is None or not here.text("table") or not entry.keys() <= known:
            continue
        src = here.text("src")
        length = whole(entry.get("srclen"))
        evidence.rules.append(
            (
                piece.doc.path,
                Rule(
                    priority=priority,
                    table=here.text("table"),
                    src="" if src == "all" else f"{src}/{length}" if length else src,
                    mark=_hexadecimal(mark),
                    mask=_hexadecimal(here.text("fwmask")) or 0xFFFFFFFF,
                ),
            )
        )


def _hexadecimal(text: str) -> int | None:
    return int(text, 16) if re.fullmatch(r"0x[0-9a-fA-F]{1,8}", text) else None


def is_fdb(data: Any) -> bool:
    """Tell whether this is output of ``bridge -j fdb``."""
    return _each(data, "mac", "ifname")


def fdb(piece: Piece, evidence: Evidence) -> None:
    """Read which far ends a VXLAN device has."""
    path = piece.doc.path
    for entry in piece.data:
        dst = _text(entry, "dst")
        if network(dst):
            evidence.far_ends.append((path, _text(entry, "ifname"), dst))


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
    ("pf", re.compile(r"^[ \t]*(?:scrub|match|pass|set)\b.*\bmax-mss\s+(\d{2,5})\b")),
    ("cisco", re.compile(r"^[ \t]*(?:ip tcp adjust-mss|sysopt connection tcpmss)\s+(\d{2,5})\b")),
)


# the device that a rule is for: iptables, nftables, pf
_OUT = re.compile(r"(?:\s-o |\boifname \"?|\bscrub (?:out )?on |\bmatch out on )([\w.@-]{1,15})")
_MARKED = re.compile(r"-p udp .*--dport (\d{1,5}) .*-j MARK --set-x?mark (0x[0-9a-fA-F]{1,8})")


def clamps(path: str, text: str, evidence: Evidence) -> bool:
    """Read TCP MSS clamps of nftables, iptables-save, pf and a router's configuration."""
    lines = text.splitlines()
    before = len(evidence.settings)
    for index, line in enumerate(lines):
        if line.lstrip().startswith(("#", "!")):
            continue
        mark = _MARKED.search(line)
        if mark:
            location = find_word(path, lines, index, "--dport")
            evidence.marks.append((location, int(mark.group(1)), int(mark.group(2), 16)))
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
                        device=out.group(1) if (out := _OUT.search(line)) else "",
                        change="set the clamp, or clamp to the route's MTU and set that",
                        note="a clamp helps TCP only; UDP and QUIC still need the right MTU",
                    )
                )
    return len(evidence.settings) > before
