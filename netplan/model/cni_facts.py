"""Facts of the container networks: default ports, device names, headroom, versions; the only place that states them.

They are data, below the plan and the model, because the packet depends on them before anything is computed. The
adapters in :mod:`netplan.cni` know the rest: which field holds the MTU, what their program subtracts, how a change
becomes live. Device names and defaults are those of the versions in ``checked_against``. Ports are UDP, sizes in bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# IANA's ports, and WireGuard's and STT's usual ones
PORTS: Mapping[str, int] = {"vxlan": 4789, "geneve": 6081, "wireguard": 51820, "stt": 7471}
KERNEL_VXLAN = 8472  # what Linux uses without dstport, and the networks that leave it at that

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
class OverlayFacts:
    """An overlay as a network makes it. In names ``{vni}`` and ``{port}`` stand for the plan's."""

    port: int
    tunnel: str = ""  # the tunnel device in the host's namespace; empty: none can be seen from the host
    device: str = ""  # the device whose MTU bounds the pods
    device6: str = ""  # its name over IPv6 where that differs
    vni: int | None = None  # None: many of them, or none to be seen
    options: int = 0  # bytes of options in every Geneve header
    mtu_on: Literal["link", "route"] = "link"  # where the MTU stands: on ``device``, or on the routes over it
    # which address of a peer answers a probe: the gateway of the route to the peer's pods, a number that counts from
    # the start of the peer's pod subnet, or None for the host variable overlay_address
    target: Literal["gateway"] | int | None = None
    sends_pmtu_errors: bool = (
        True  # the host's IP stack tells a pod that its packet is too large; OVS drops it silently
    )
    pod_master: str = ""  # master of the host's ends of pods; empty: any veth may be one
    plan_may_set: frozenset[str] = frozenset()  # the keys of ``overlay`` that the network's own configuration accepts

    def names(self, family: str, vni: int, port: int) -> tuple[str, str]:
        """Return (tunnel device, device that has the pods' MTU) for an underlay family."""
        device = (self.device6 if family == "ipv6" else "") or self.device
        tunnel = device if self.tunnel == self.device else self.tunnel
        return tunnel.format(vni=vni, port=port), device.format(vni=vni)


@dataclass(frozen=True, slots=True, kw_only=True)
class CniFacts:
    """A container network as a plan sees it."""

    checked_against: str  # the versions or commits of which these facts and the adapter's fields are
    # overlay type -> how the network makes it, its default first; empty: the overlay is ours
    overlays: Mapping[str, OverlayFacts] = field(default_factory=dict)
    bridge: str = ""  # the bridge that the network attaches pods to where the overlay is ours
    refused: str = ""  # why a plan can't protect it
    # bytes that it insists on between link and pod MTU, more than the packet needs
    headroom: int = 0
    needs: tuple[str, ...] = ()  # options without which its files would be wrong
    newest: str = ""  # major and minor of the newest version checked; empty where the source has no numbered one
    kubernetes: bool = True  # namespaces mean something there
    policies: bool = True  # it enforces NetworkPolicies by itself


_ALL = frozenset({"port", "vni"})
_PORT = frozenset({"port"})
_PAST = "packets of its pods do not pass the host's IP stack, so IPsec between the hosts does not see them"

_OVS_PORTS = "ovs-system"  # the kernel datapath

_CALICO = OverlayFacts(
    port=PORTS["vxlan"],
    tunnel="vxlan.calico",
    device="vxlan.calico",
    device6="vxlan-v6.calico",
    vni=4096,
    target="gateway",
    plan_may_set=_PORT,
)
_CALICO_RKE2 = OverlayFacts(
    port=PORTS["vxlan"],
    tunnel="vxlan.calico",
    device="vxlan.calico",
    device6="vxlan-v6.calico",
    vni=4096,
    target="gateway",
)
_FLANNEL = OverlayFacts(
    port=KERNEL_VXLAN,
    tunnel="flannel.{vni}",
    device="flannel.{vni}",
    device6="flannel-v6.{vni}",
    vni=1,
    target="gateway",
    plan_may_set=_ALL,
)
_FLANNEL_CHART = OverlayFacts(
    port=KERNEL_VXLAN, tunnel="flannel.1", device="flannel.1", device6="flannel-v6.1", vni=1, target="gateway"
)
_CILIUM = {
    "vxlan": OverlayFacts(
        port=KERNEL_VXLAN, tunnel="cilium_vxlan", device="cilium_host", mtu_on="route", plan_may_set=_PORT
    ),
    "geneve": OverlayFacts(
        port=PORTS["geneve"], tunnel="cilium_geneve", device="cilium_host", mtu_on="route", plan_may_set=_PORT
    ),
}
_ANTREA = {
    kind: OverlayFacts(
        port=port,
        tunnel=f"{start}_sys_{{port}}",
        device="antrea-gw0",
        target=1,
        sends_pmtu_errors=False,
        pod_master=_OVS_PORTS,
        plan_may_set=_PORT,
    )
    for kind, start, port in (("geneve", "genev", PORTS["geneve"]), ("vxlan", "vxlan", PORTS["vxlan"]))
}
_OVNKUBE = {
    "geneve": OverlayFacts(
        port=PORTS["geneve"],
        tunnel="genev_sys_6081",
        device="ovn-k8s-mp0",
        options=8,
        target=2,
        sends_pmtu_errors=False,
        pod_master=_OVS_PORTS,
    ),
}
_KUBE_OVN = {
    "geneve": OverlayFacts(
        port=PORTS["geneve"],
        tunnel="genev_sys_6081",
        device="ovn0",
        options=8,
        sends_pmtu_errors=False,
        pod_master=_OVS_PORTS,
    ),
    "vxlan": OverlayFacts(
        port=PORTS["vxlan"], tunnel="vxlan_sys_4789", device="ovn0", sends_pmtu_errors=False, pod_master=_OVS_PORTS
    ),
}
_OVS = {
    "geneve": OverlayFacts(
        port=PORTS["geneve"],
        tunnel="genev_sys_{port}",
        device="br-int",
        options=8,
        sends_pmtu_errors=False,
        pod_master=_OVS_PORTS,
        plan_may_set=_PORT,
    ),
    "vxlan": OverlayFacts(
        port=PORTS["vxlan"],
        tunnel="vxlan_sys_{port}",
        device="br-int",
        sends_pmtu_errors=False,
        pod_master=_OVS_PORTS,
        plan_may_set=_PORT,
    ),
}
_WEAVE = {
    "vxlan": OverlayFacts(port=6784, tunnel="vxlan-6784", device="weave", sends_pmtu_errors=False, pod_master="weave")
}

_CNI_PLUGINS = "containernetworking/plugins 1.1.1 and 1.9.1 (ran); CNI 0.3.1 to 1.1.0"
_CALICO_AT = "Calico 3.32.1 and master 87c15906; tigera/operator 1.45.0-0.dev (40788b9b)"
_RKE2_AT = "RKE2 1.36.4-rc1 (6ce1a80), rke2-charts 262e21a: templates of calico, cilium, flannel, canal"

# the same names as netplan.cni.ADAPTERS; a contract test compares the two
NETWORKS: Mapping[str, CniFacts] = {
    "bridge": CniFacts(checked_against=_CNI_PLUGINS, bridge="cni0", newest="1.1", policies=False),
    "ptp": CniFacts(
        checked_against=_CNI_PLUGINS,
        refused="its pods hang on no bridge that tells them from other pods; bridge does",
        newest="1.1",
    ),
    "macvlan": CniFacts(checked_against=_CNI_PLUGINS, refused=_PAST),
    "ipvlan": CniFacts(checked_against=_CNI_PLUGINS, refused=_PAST),
    "vlan": CniFacts(checked_against=_CNI_PLUGINS, refused=_PAST),
    "host-device": CniFacts(checked_against=_CNI_PLUGINS, refused=_PAST),
    "calico": CniFacts(checked_against=_CALICO_AT, overlays={"vxlan": _CALICO}),
    "calico-manifest": CniFacts(checked_against=_CALICO_AT, overlays={"vxlan": _CALICO}),
    "cilium": CniFacts(
        checked_against="Cilium chart 1.20.0 (009b5e9); pkg/mtu/mtu.go, PR 45940", overlays=_CILIUM, newest="1.20"
    ),
    "flannel": CniFacts(
        checked_against="flannel 0.28.9 (cdf76059)",
        overlays={"vxlan": _FLANNEL},
        needs=("network",),
        newest="0.28",
        policies=False,
    ),
    "canal": CniFacts(
        checked_against="flannel 0.28.9 (cdf76059), Calico master 87c15906, rke2-charts PR 670",
        overlays={"vxlan": _FLANNEL},
        needs=("network",),
        newest="0.28",
    ),
    "k3s": CniFacts(
        checked_against="k3s 05f0cdf, pkg/agent/flannel/setup.go (Aug 2026)",
        overlays={"vxlan": _FLANNEL},
        needs=("network",),
    ),
    "rke2-canal": CniFacts(checked_against=_RKE2_AT, overlays={"vxlan": _FLANNEL_CHART}),
    "rke2-calico": CniFacts(checked_against=_RKE2_AT, overlays={"vxlan": _CALICO_RKE2}),
    "rke2-cilium": CniFacts(checked_against=_RKE2_AT, overlays=_CILIUM, newest="1.20"),
    "rke2-flannel": CniFacts(
        checked_against=_RKE2_AT,
        policies=False,
        overlays={
            "vxlan": OverlayFacts(
                port=PORTS["vxlan"],
                tunnel="flannel.4096",
                device="flannel.4096",
                device6="flannel-v6.4096",
                vni=4096,
                target="gateway",
            ),
        },
    ),
    "antrea": CniFacts(checked_against="Antrea 2.7.0 (fc70f2bb)", overlays=_ANTREA),
    "kube-ovn": CniFacts(
        checked_against="kube-ovn 1.16.2 (1533681d), charts kube-ovn and kube-ovn-v2", overlays=_KUBE_OVN
    ),
    "ovn-kubernetes": CniFacts(checked_against="ovn-kubernetes/ovn-kubernetes 1.3.0 (8871cd9c)", overlays=_OVNKUBE),
    "openshift": CniFacts(
        checked_against="openshift/api 2a3d7391; cluster-network-operator 2a6a57fe",
        overlays=_OVNKUBE,
        headroom=100,  # pkg/network/ovn_kubernetes.go
    ),
    "weave": CniFacts(
        checked_against="Weave Net 2.8.1 (8c847638, archived) and the fork rajch/weave 2.9.0 (83972220)",
        overlays=_WEAVE,
        newest="2.8",
    ),
    "docker": CniFacts(
        checked_against="Docker 28.5.2 (ran), moby 29.7.2 (read); default-network-opts needs 24.0 (--option version=)",
        bridge="docker0",
        kubernetes=False,
    ),
    "docker-overlay": CniFacts(
        checked_against="Docker 28.5.2 (ran), moby 29.7.2 (read)",
        overlays={"vxlan": OverlayFacts(port=PORTS["vxlan"])},
        kubernetes=False,
    ),
    "podman": CniFacts(
        checked_against="Podman 5.8.6 and 6.1.1, netavark 1.17.2 and 2.0.0 (ran)", bridge="podman1", kubernetes=False
    ),
    "multus": CniFacts(
        checked_against="network-attachment-definition-client 46fcc411; plugins as for CNI",
        refused=f"it adds further interfaces; name the network that carries the pods ({_PAST})",
    ),
    "ovs": CniFacts(checked_against="Open vSwitch 4.0.0, OVN 26.03.1 (ran)", overlays=_OVS, kubernetes=False),
}


def overlay_facts(plugin: str, overlay: str) -> OverlayFacts | None:
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
