"""What runs on a node: ``ip -d -j link`` or ``addr``, and single values in files."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from netplan.audit.formats.device_names import is_own_end
from netplan.audit.model import Device, Evidence, Finding
from netplan.audit.xfrm import DOCKER_MARK
from netplan.cni.adapter import Family, Setting
from netplan.cni.yaml_document import Piece, find_word
from netplan.path.kinds import interface
from netplan.path.model import Interface
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
    return lists(data, "ifname", "mtu")


def lists(data: Any, *keys: str) -> bool:
    """Tell whether this is a list of objects, each of which has these keys."""
    if not isinstance(data, list) or not data:
        return False
    return all(isinstance(d, dict) for d in data) and all(key in d for key in keys for d in data)


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
                evidence.settings.append(_tunnel(found, location, _command(entry)))
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


# of a running device, where no file that makes it is among the inputs
MAKES = "the configuration that makes it"


def _command(entry: dict[str, Any]) -> str:
    """Return the command that sets the MTU of a device of `ip`, or of a BSD's ifconfig; the size stands behind it."""
    name = entry["ifname"]
    return f"ifconfig {name} mtu" if entry.get("bsd") else f"ip link set dev {name} mtu"


def _tunnel(device: Interface, location: Location, command: str) -> Setting:
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
        change=f"{command}, and {MAKES}",
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
                    change=f"{_command(device.data)} 1280, then add the static addresses again",
                )
            )
            return


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
