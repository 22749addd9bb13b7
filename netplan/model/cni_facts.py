"""What a plan has to know of each container network before anything is computed: how the network makes its overlay.

Facts as data, below the plan and the model. The adapters in :mod:`netplan.cni` know the rest: which field holds the
MTU, what their program subtracts, how a change becomes live. Device names and defaults are those of the versions that
the adapters name. Ports are UDP, sizes in bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# RFC 1123 label, which a namespace's name is
NAMESPACE = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
# these run the cluster; closing them cuts it off from itself
SYSTEM_NAMESPACES = (
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "calico-system",
    "calico-apiserver",
    "tigera-operator",
    "kube-flannel",
    "cilium",
    "ovn-kubernetes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An overlay as a network makes it.

    ``tunnel`` is its tunnel device in the host's namespace and ``device`` the one whose MTU pods are bound by, with
    their names over IPv6 where they differ (empty: there is none to look at from the host). ``{vni}`` stands for the
    VNI. ``vni`` None: many of them, or none to be seen. ``options`` are the bytes of options in every Geneve header.
    ``by`` is where the MTU stands: on the link, or on the routes over it. ``target`` says which address of a peer
    answers a probe: ``gateway`` is the gateway of the route to the peer's pods, a number counts from the start of the
    peer's pod subnet, None asks for the host variable overlay_address. ``routed`` is true when the host's IP stack
    tells a pod that its packet is too large; Open vSwitch drops it in silence. ``pods_on`` is the master of the host's
    ends of pods (empty: any veth may be one). ``settable`` names the keys of ``overlay`` that the network's own
    configuration takes from a plan.
    """

    port: int
    tunnel: str = ""
    device: str = ""
    device6: str = ""
    vni: int | None = None
    options: int = 0
    by: Literal["link", "route"] = "link"
    target: Literal["gateway"] | int | None = None
    routed: bool = True
    pods_on: str = ""
    settable: frozenset[str] = frozenset()

    def names(self, family: str, vni: int, port: int) -> tuple[str, str]:
        """Return (tunnel device, device that has the pods' MTU) for an underlay family."""
        device = (self.device6 if family == "ipv6" else "") or self.device
        tunnel = device if self.tunnel == self.device else self.tunnel
        return tunnel.format(vni=vni, port=port), device.format(vni=vni)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A container network as a plan sees it.

    ``overlays`` are the overlays that it makes by itself, its default first; without any, the overlay is ours and
    the network only attaches pods to ``bridge``. ``refused`` is why a plan can't protect it. ``headroom`` is what it
    insists on between link and pod MTU. ``needs`` are options without which its files would be wrong. ``newest`` is
    the newest version (major and minor) that its adapter was checked against, empty where the source has no
    numbered one. ``kubernetes`` tells whether namespaces mean anything there, ``policies`` whether it enforces
    NetworkPolicies by itself.
    """

    overlays: Mapping[str, Made] = field(default_factory=dict)
    bridge: str = ""
    refused: str = ""
    headroom: int = 0
    needs: tuple[str, ...] = ()
    newest: str = ""
    kubernetes: bool = True
    policies: bool = True


_ALL = frozenset({"port", "vni"})
_PORT = frozenset({"port"})
_PAST = "packets of its pods do not pass the host's IP stack, so IPsec between the hosts does not see them"

_OVS_PORTS = "ovs-system"  # the kernel datapath

_CALICO = Made(
    port=4789,
    tunnel="vxlan.calico",
    device="vxlan.calico",
    device6="vxlan-v6.calico",
    vni=4096,
    target="gateway",
    settable=_PORT,
)
_CALICO_RKE2 = Made(
    port=4789, tunnel="vxlan.calico", device="vxlan.calico", device6="vxlan-v6.calico", vni=4096, target="gateway"
)
_FLANNEL = Made(
    port=8472,
    tunnel="flannel.{vni}",
    device="flannel.{vni}",
    device6="flannel-v6.{vni}",
    vni=1,
    target="gateway",
    settable=_ALL,
)
_FLANNEL_CHART = Made(
    port=8472, tunnel="flannel.1", device="flannel.1", device6="flannel-v6.1", vni=1, target="gateway"
)
_CILIUM = {
    "vxlan": Made(port=8472, tunnel="cilium_vxlan", device="cilium_host", by="route", settable=_PORT),
    "geneve": Made(port=6081, tunnel="cilium_geneve", device="cilium_host", by="route", settable=_PORT),
}
_ANTREA = {
    kind: Made(
        port=port,
        tunnel=f"{start}_sys_{{port}}",
        device="antrea-gw0",
        target=1,
        routed=False,
        pods_on=_OVS_PORTS,
        settable=_PORT,
    )
    for kind, start, port in (("geneve", "genev", 6081), ("vxlan", "vxlan", 4789))
}
_OVNKUBE = {
    "geneve": Made(
        port=6081, tunnel="genev_sys_6081", device="ovn-k8s-mp0", options=8, target=2, routed=False, pods_on=_OVS_PORTS
    ),
}
_KUBE_OVN = {
    "geneve": Made(port=6081, tunnel="genev_sys_6081", device="ovn0", options=8, routed=False, pods_on=_OVS_PORTS),
    "vxlan": Made(port=4789, tunnel="vxlan_sys_4789", device="ovn0", routed=False, pods_on=_OVS_PORTS),
}
_OVS = {
    "geneve": Made(
        port=6081,
        tunnel="genev_sys_{port}",
        device="br-int",
        options=8,
        routed=False,
        pods_on=_OVS_PORTS,
        settable=_PORT,
    ),
    "vxlan": Made(
        port=4789, tunnel="vxlan_sys_{port}", device="br-int", routed=False, pods_on=_OVS_PORTS, settable=_PORT
    ),
}
_WEAVE = {"vxlan": Made(port=6784, tunnel="vxlan-6784", device="weave", routed=False, pods_on="weave")}

# the same names as netplan.cni.ADAPTERS; a contract test compares the two
NETWORKS: Mapping[str, Network] = {
    "bridge": Network(bridge="cni0", newest="1.1", policies=False),
    "ptp": Network(refused="its pods hang on no bridge that tells them from other pods; bridge does", newest="1.1"),
    "macvlan": Network(refused=_PAST),
    "ipvlan": Network(refused=_PAST),
    "vlan": Network(refused=_PAST),
    "host-device": Network(refused=_PAST),
    "calico": Network(overlays={"vxlan": _CALICO}),
    "calico-manifest": Network(overlays={"vxlan": _CALICO}),
    "cilium": Network(overlays=_CILIUM, newest="1.20"),
    "flannel": Network(overlays={"vxlan": _FLANNEL}, needs=("network",), newest="0.28", policies=False),
    "canal": Network(overlays={"vxlan": _FLANNEL}, needs=("network",), newest="0.28"),
    "k3s": Network(overlays={"vxlan": _FLANNEL}, needs=("network",)),
    "rke2-canal": Network(overlays={"vxlan": _FLANNEL_CHART}),
    "rke2-calico": Network(overlays={"vxlan": _CALICO_RKE2}),
    "rke2-cilium": Network(overlays=_CILIUM, newest="1.20"),
    "rke2-flannel": Network(
        policies=False,
        overlays={
            "vxlan": Made(
                port=4789,
                tunnel="flannel.4096",
                device="flannel.4096",
                device6="flannel-v6.4096",
                vni=4096,
                target="gateway",
            ),
        },
    ),
    "antrea": Network(overlays=_ANTREA),
    "kube-ovn": Network(overlays=_KUBE_OVN),
    "ovn-kubernetes": Network(overlays=_OVNKUBE),
    "openshift": Network(overlays=_OVNKUBE, headroom=100),
    "weave": Network(overlays=_WEAVE, newest="2.8"),
    "docker": Network(bridge="docker0", kubernetes=False),
    "docker-overlay": Network(overlays={"vxlan": Made(port=4789)}, kubernetes=False),
    "podman": Network(bridge="podman1", kubernetes=False),
    "multus": Network(refused=f"it adds further interfaces; name the network that carries the pods ({_PAST})"),
    "ovs": Network(overlays=_OVS, kubernetes=False),
}


def made(plugin: str, overlay: str) -> Made | None:
    """Return how a network makes an overlay of a type, None where the overlay is ours or it has no such type."""
    known = NETWORKS.get(plugin)
    return known.overlays.get(overlay) if known else None


def defaults(plugin: object, overlay: Mapping[str, object]) -> dict[str, object]:
    """Return the keys of ``overlay`` that a network decides, where the plan file leaves them out."""
    known = NETWORKS.get(plugin) if isinstance(plugin, str) else None
    if known is None:
        return {}
    if not known.overlays:
        return {"bridge": known.bridge} if known.bridge else {}
    kind = overlay.get("type", next(iter(known.overlays)))
    found = known.overlays.get(kind) if isinstance(kind, str) else None
    if found is None:
        return {}
    values: dict[str, object] = {"type": kind, "port": found.port}
    return {**values, "vni": found.vni} if found.vni is not None else values
