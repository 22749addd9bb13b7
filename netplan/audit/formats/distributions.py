"""Settings of installers and of networks between sites: Kubespray, RKE1, kops, the AWS VPC CNI, Kilo, Liqo.

Read in their source on 30 Nov 2026: Kubespray's roles/network_plugin/calico, rke templates, kops' pkg/apis, the AWS VPC
CNI's cmd/routed-eni-cni-plugin, squat/kilo pkg/wireguard, liqotech/liqo pkg/liqo-controller-manager.
"""

from __future__ import annotations

from netplan.cni.adapter import Clue, Setting, argument, containers, environment, whole
from netplan.cni.adapters import conflist
from netplan.cni.yaml_document import Piece

KILO_MTU = 1420
_MODES = ("Always", "CrossSubnet")
# ConfigMaps with a CNI list that no network of our own reads
_LISTS = ("kilo", "kube-router-cfg")


def _pod(piece: Piece, at: tuple[str, ...], system: str, encap: str, change: str = "") -> list[Setting | Clue]:
    number = whole(piece.get(*at))
    if not number:
        return []
    shown = ".".join(at)
    return [
        Setting(
            system=system,
            field=shown,
            location=piece.location(*at),
            value=number,
            semantics="pod",
            encap=encap,
            change=change or f"set {shown}, and run the installer again",
        )
    ]


def kubespray(piece: Piece) -> list[Setting | Clue]:
    """Read Kubespray's variables of Calico: ``calico_veth_mtu``, or ``calico_mtu`` without it."""
    if piece.kind or not isinstance(piece.data, dict):
        return []
    key = "calico_veth_mtu" if whole(piece.get("calico_veth_mtu")) else "calico_mtu"
    said = piece.data.keys() & {"calico_ipip_mode", "calico_vxlan_mode", "calico_network_backend"}
    ipip = piece.text("calico_ipip_mode") in _MODES
    vxlan = piece.text("calico_vxlan_mode") in _MODES or (not ipip and piece.text("calico_network_backend") == "vxlan")
    encap = "ipip" if ipip and not vxlan else "vxlan" if vxlan else "none" if said else ""
    return _pod(piece, (key,), "calico", encap)


def rke1(piece: Piece) -> list[Setting | Clue]:
    """Read ``network`` of RKE1's cluster.yml."""
    network = piece.sub("network")
    if piece.kind or not isinstance(network.data, dict):
        return []
    plugin = network.text("plugin")
    encap = {"canal": "vxlan", "flannel": "vxlan", "calico": "ipip", "weave": "vxlan"}.get(plugin, "")
    if network.text("options", f"{plugin}_flannel_backend_type") == "host-gw":
        encap = "none"
    return _pod(piece, ("network", "mtu"), plugin, encap) if encap else []


def kops(piece: Piece) -> list[Setting | Clue]:
    """Read ``spec.networking`` of a kops Cluster."""
    if piece.kind != "Cluster" or piece.api not in ("kops.k8s.io", "kops"):
        return []
    found: list[Setting | Clue] = []
    for plugin, encap in (("calico", "ipip"), ("canal", "vxlan"), ("flannel", "vxlan"), ("weave", "vxlan")):
        at = ("spec", "networking", plugin)
        own = piece.text(*at, "encapsulationMode") or piece.text(*at, "backend")
        encap = own if own in ("vxlan", "ipip", "none") else encap
        found += _pod(piece, (*at, "mtu"), plugin, encap, f"kops edit cluster, set {'.'.join(at)}.mtu")
    return found


def aws_vpc(piece: Piece) -> list[Setting | Clue]:
    """Read the AWS VPC CNI: pods have addresses of the VPC, so their packets leave as they are."""
    if piece.kind != "DaemonSet" or piece.name != "aws-node":
        return []
    for container in containers(piece):
        for name in ("POD_MTU", "AWS_VPC_ENI_MTU"):
            value = environment(container, name)
            number = whole(value.data) if value is not None else None
            if value is not None and number:
                return [
                    Setting(
                        system="aws-vpc-cni",
                        field=name,
                        location=value.location(),
                        value=number,
                        semantics="pod",
                        encap="none",
                        family="ipv4",
                        needs_link="network cards of EC2 have 9001 or 1500: give --mtu, or `ip -d -j addr` of a node",
                        change=f"set {name} of ds/aws-node, then recreate the pods",
                    )
                ]
    return []


def kilo(piece: Piece) -> list[Setting | Clue]:
    """Read Kilo's WireGuard device, and CNI lists in ConfigMaps of networks that have no reader of their own."""
    if piece.kind == "ConfigMap" and piece.name in _LISTS and isinstance(piece.get("data"), dict):
        lists = [piece.nested("data", key) for key in piece.get("data") if isinstance(key, str)]
        return [found for each in lists if each is not None for found in conflist.audit(each)]
    if piece.kind != "DaemonSet" or not any("kilo" in c.text("image") for c in containers(piece)):
        return []
    for container in containers(piece):
        given, interface = argument(container, "--mtu"), argument(container, "--interface")
        number = whole(given[0]) if given else KILO_MTU
        if "kilo" not in container.text("image") or not container.has("args") or not number:
            continue
        return [
            Setting(
                system="kilo",
                field="--mtu",
                location=given[1].location() if given else container.location("args"),
                value=number,
                semantics="device",
                encap="wireguard",
                device=interface[0] if interface else "kilo0",
                change="set --mtu of ds/kilo and restart it",
                note="" if given else f"not set: Kilo uses {KILO_MTU}",
            )
        ]
    return []


def liqo(piece: Piece) -> list[Setting | Clue]:
    """Read the MTU of Liqo's WireGuard gateways."""
    if piece.api != "networking.liqo.io" or not piece.kind.endswith(("GatewayServer", "GatewayClient")):
        return []
    number = whole(piece.get("spec", "mtu"))
    if not number:
        return []
    return [
        Setting(
            system="liqo",
            field=f"{piece.kind} {piece.name}: spec.mtu",
            location=piece.location("spec", "mtu"),
            value=number,
            semantics="device",
            encap="wireguard",
            family="ipv4",
            change="set spec.mtu of both gateways",
        )
    ]
