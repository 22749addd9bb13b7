"""Types of devices whose names the programs fix that make them; for dumps in which no type is printed.

A name says nothing about a device that a person named. These are names in the source of the programs (flannel, Calico,
Cilium, Antrea, Talos, Open vSwitch, OVN-Kubernetes, kube-ovn, CNI plugins, Docker, Podman) and the kernel's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NAMES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^(flannel(-v6)?\.\d+|vxlan(-v6)?\.calico|cilium_vxlan|vxlan_sys_\d+|vxlan-\d+)$"), "vxlan"),
    (re.compile(r"^(cilium_geneve|genev_sys_\d+)$"), "geneve"),
    (
        re.compile(
            r"^(flannel-wg(-v6)?|wireguard\.cali|wg-v6\.cali|cilium_wg0|antrea-wg\d+|kubespan|kilo\d+|netmaker)$"
        ),
        "wireguard",
    ),
    (re.compile(r"^(tunl0|flannel\.ipip|cilium_ipip4|tun-[0-9a-f]{8,11})$"), "ipip"),
    (re.compile(r"^(antrea-gw\d+|ovn-k8s-mp\d+|ovn0|br-int|br-ex|ovs-system)$"), "openvswitch"),
    (
        re.compile(
            r"^(cni\d+|cbr\d+|docker\d+|docker_gwbridge|br-[0-9a-f]{12}|podman\d+|virbr\d+|vmbr\d+|kube-bridge)$"
        ),
        "bridge",
    ),
    (re.compile(r"^(cilium_host|cilium_net|veth[0-9a-f]{7,8}|cali[0-9a-f]{11}|lxc[0-9a-f]{12}|lxc_health)$"), "veth"),
    (re.compile(r"^(eni[0-9a-f]{11}|azv[0-9a-f]{7,11}|gke[0-9a-f]{11}|nk[0-9a-f]{6,})$"), "veth"),
    (re.compile(r"^tap[0-9a-f]{8}-[0-9a-f]{2}$"), "tap"),
    (re.compile(r"^(bond|team)\d+$"), "bond"),
)
_FALLBACKS = {"gre0": "gre", "gretap0": "gretap", "erspan0": "erspan", "sit0": "sit", "ip6tnl0": "ip6tnl"}
_FALLBACKS |= {"ip6gre0": "ip6gre", "ip_vti0": "vti", "ip6_vti0": "vti6"}
_OWN_END = re.compile(r"^(eth|net|ens|enp)\d")  # the container's end of a veth, if the dump is from inside


def is_network_s(name: str) -> bool:
    """Tell whether a tunnel has the name that a container network's program gives it."""
    return any(pattern.match(name) for pattern, kind in _NAMES if kind in ("vxlan", "geneve", "wireguard", "ipip"))


def is_own_end(entry: Mapping[str, Any]) -> bool:
    """Tell whether this is the link of a container, seen from inside: its other end is in another namespace."""
    name = str(entry.get("ifname", ""))
    apart = isinstance(entry.get("link_index"), int) and "master" not in entry
    return apart and bool(_OWN_END.match(name))


def kind_of(entry: Mapping[str, Any]) -> str:
    """Return the kernel's type of a device that ``ip`` printed without ``-d``; empty where its name doesn't say."""
    name = str(entry.get("ifname", ""))
    if name in _FALLBACKS:
        return _FALLBACKS[name]
    for pattern, kind in _NAMES:
        if pattern.match(name):
            return kind
    flags = entry.get("flags")
    said = [flag for flag in flags if isinstance(flag, str)] if isinstance(flags, list) else []
    flags = set(said) - {"UP", "LOWER_UP", "NO-CARRIER", "RUNNING"}
    # WireGuard's flags; a tun device has MULTICAST, an xfrm device has no POINTOPOINT
    if flags == {"POINTOPOINT", "NOARP"} and "link" not in entry and entry.get("link_type", "none") == "none":
        return "wireguard"
    if is_own_end(entry):
        return "veth"
    # its other end is in another network namespace; of the types that can be so, pods' ends on a host are veth
    if isinstance(entry.get("link_index"), int) and "BROADCAST" in flags and not _OWN_END.match(name):
        return "veth"
    if isinstance(entry.get("link"), str) and re.search(r"\.\d+$", name) and name.startswith(entry["link"]):
        return "vlan"
    return ""
