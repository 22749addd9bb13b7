"""Objects of Kubernetes distributions that are judged but not rendered: Talos, Gardener, k0s, kube-router.

Read in their source on 28 Nov 2026: siderolabs/talos 1.14.0-rc.1, gardener-extension-networking-calico (Shoot of sapcc
helm-charts 12333), k0s documentation, cloudnativelabs/kube-router 7c2c277 (2.11.1).
"""

from __future__ import annotations

from netplan.cni.adapter import Clue, Family, Overhead, Setting, argument, containers, same, whole
from netplan.cni.adapters.flannel import PORT as FLANNEL_PORT
from netplan.cni.adapters.flannel import TAKES as FLANNEL_TAKES
from netplan.cni.yaml_document import Piece

KUBESPAN_MTU = 1420  # pkg/machinery/constants
K0S_CALICO_MTU = 1450  # where a calico section is given without mtu
_NOT_SET = "not set: KubeSpan uses 1420, whatever the link is"


def kubespan(enabled: Piece, mtu: Piece, field: str) -> list[Setting | Clue]:
    """Return KubeSpan's MTU, or its constant."""
    if enabled.data is not True:
        return []
    number = whole(mtu.data)
    return [
        Setting(
            system="talos",
            field=field,
            location=mtu.location() if number else enabled.location(),
            value=number or KUBESPAN_MTU,
            semantics="device",
            encap="wireguard",
            device="kubespan",
            change=f"set {field} on every node",
            note="" if number else _NOT_SET,
        )
    ]


def talos(piece: Piece) -> list[Setting | Clue]:
    """Read KubeSpan of a machine configuration, and the documents KubeSpanConfig and KubeFlannelCNIConfig."""
    if piece.kind == "KubeSpanConfig":
        return kubespan(piece.sub("enabled"), piece.sub("mtu"), "KubeSpanConfig mtu")
    if piece.kind == "KubeFlannelCNIConfig":
        return [_talos_flannel(piece)]
    span = piece.sub("machine", "network", "kubespan")
    if isinstance(span.data, dict):
        return kubespan(span.sub("enabled"), span.sub("mtu"), "machine.network.kubespan.mtu")
    return []


def _talos_flannel(piece: Piece) -> Setting:
    takes = Overhead(FLANNEL_TAKES)
    return Setting(
        system="talos-flannel",
        field="KubeFlannelCNIConfig backendMTU",
        location=piece.location("backendMTU" if piece.has("backendMTU") else "kind"),
        value=whole(piece.get("backendMTU")) or None,
        semantics="underlay",
        encap="vxlan",
        port=FLANNEL_PORT,
        overhead=takes,
        automatic=takes,
        change="set backendMTU (the underlay's size) in the machine configuration",
    )


def gardener(piece: Piece) -> list[Setting | Clue]:
    """Read the network of a Gardener Shoot: ``providerConfig`` of Calico or Cilium."""
    if piece.kind != "Shoot" or piece.api != "core.gardener.cloud":
        return []
    network = piece.sub("spec", "networking")
    config, kind = network.sub("providerConfig"), network.text("type")
    if kind == "calico":
        return _gardener_calico(config)
    if kind == "cilium" and config.get("mtu") is not None:
        change = "set spec.networking.providerConfig.mtu"
        tunnel = config.text("tunnel") or "vxlan"
        encap = "none" if tunnel == "disabled" or config.get("overlay", "enabled") is False else tunnel
        takes = Overhead({**same(("none",)), (encap, "ipv4"): 0 if encap == "none" else 50})
        number = whole(config.get("mtu")) or None
        return [
            Setting(
                system="cilium",
                field="providerConfig.mtu",
                location=config.location("mtu"),
                value=number,
                semantics="underlay",
                encap=encap,
                family="ipv4",
                overhead=takes,
                automatic=takes,
                change=change,
            )
        ]
    return []


def _gardener_calico(config: Piece) -> list[Setting | Clue]:
    pool = config.text("ipv4", "pool").lower()
    overlay = config.get("overlay", "enabled")
    vxlan = config.get("vxlan", "enabled") is True or pool == "vxlan"
    encap = "none" if overlay is False or config.text("ipv4", "mode") == "Never" else "vxlan" if vxlan else "ipip"
    number = whole(config.get("vethMTU")) or None
    takes = {("none", "ipv4"): 0, ("ipip", "ipv4"): 20, ("vxlan", "ipv4"): 50}
    return [
        Setting(
            system="calico",
            field="providerConfig.vethMTU",
            location=config.location("vethMTU" if config.has("vethMTU") else "kind"),
            value=number,
            semantics="pod",
            encap=encap,
            family="ipv4",
            automatic=Overhead(takes),
            change="set spec.networking.providerConfig.vethMTU (text in quotes); the nodes roll",
        )
    ]


def k0s(piece: Piece) -> list[Setting | Clue]:
    """Read the network of a k0s ClusterConfig; kube-router is its default."""
    if piece.kind != "ClusterConfig" or piece.api != "k0s.k0sproject.io":
        return []
    network = piece.sub("spec", "network")
    provider = network.text("provider") or "kuberouter"
    if provider == "kuberouter":
        automatic = network.get("kuberouter", "autoMTU") is not False
        number = None if automatic else whole(network.get("kuberouter", "mtu")) or None
        return [_router(network, ("kuberouter", "mtu"), "spec.network.kuberouter.mtu", number, "ipip")]
    if provider == "calico":
        mode = network.text("calico", "mode") or "vxlan"
        number = whole(network.get("calico", "mtu")) or K0S_CALICO_MTU
        return [
            Setting(
                system="k0s",
                field="spec.network.calico.mtu",
                location=network.location("calico", "mtu"),
                value=number,
                semantics="pod",
                encap={"vxlan": "vxlan", "ipip": "ipip"}.get(mode, "none"),
                family="ipv4",
                change="set spec.network.calico.mtu",
                note="" if whole(network.get("calico", "mtu")) else "not set: k0s writes 1450 beside a calico section",
            )
        ]
    return []


def kube_router(piece: Piece) -> list[Setting | Clue]:
    """Read the arguments of kube-router: ``--auto-mtu`` gives pods the link's MTU and subtracts nothing for IPIP."""
    if piece.kind != "DaemonSet" or piece.name != "kube-router":
        return []
    for container in containers(piece):
        if container.text("name") != "kube-router":
            continue
        overlay, automatic = argument(container, "--enable-overlay"), argument(container, "--auto-mtu")
        kind = argument(container, "--overlay-encap")
        encap = "none" if overlay and overlay[0] == "false" else "gue" if kind and kind[0] == "fou" else "ipip"
        if automatic and automatic[0] == "false":
            return [Clue(system="kube-router", location=container.location("name"), encap=encap, family="ipv4")]
        where = automatic[1] if automatic else container
        return [_router(where, () if automatic else ("name",), "--auto-mtu", None, encap)]
    return []


def _router(piece: Piece, at: tuple[str, ...], field: str, number: int | None, encap: str) -> Setting:
    family: Family = "ipv4"
    return Setting(
        system="kube-router",
        field=field,
        location=piece.location(*at),
        value=number,
        semantics="pod",
        encap=encap,
        family=family,
        automatic=Overhead(otherwise=0),
        change="switch auto-mtu off and set mtu in the CNI list (k0s: autoMTU: false and mtu)",
        note="" if number else "auto-mtu is the link's MTU; it subtracts nothing for IPIP",
    )


def user_defined_network(piece: Piece) -> list[Setting | Clue]:
    """Read the MTU of OVN-Kubernetes' UserDefinedNetwork and ClusterUserDefinedNetwork."""
    at: tuple[str, ...] = {"UserDefinedNetwork": ("spec",), "ClusterUserDefinedNetwork": ("spec", "network")}.get(
        piece.kind, ()
    )
    if not at or piece.api != "k8s.ovn.org":
        return []
    found: list[Setting | Clue] = []
    for kind, encap in (("layer2", "geneve:8"), ("layer3", "geneve:8"), ("localnet", "none")):
        number = whole(piece.get(*at, kind, "mtu"))
        if number:
            where = (*at, kind, "mtu")
            found.append(
                Setting(
                    system="ovn-kubernetes",
                    field=f"{piece.name}: {'.'.join(where)}",
                    location=piece.location(*where),
                    value=number,
                    semantics="pod",
                    encap=encap,
                    family=None if encap != "none" else "ipv4",
                    change=f"create the network anew with another {'.'.join(where)}: its spec can't be changed",
                )
            )
    return found
