"""The overlay of a plan: for the renderers, and for the agent on a node."""

from __future__ import annotations

from netplan.agent.protocol.node_json import Device, OverlayOptional
from netplan.agent.protocol.node_json import Overlay as NodeOverlay
from netplan.host.overlay import Endpoint, Overlay, kind
from netplan.model.ids import peer_device
from netplan.model.node import Node
from netplan.plan.notes import sum_of
from netplan.plan.types import Plan


def overlay_of(plan: Plan) -> Overlay:
    """Return the overlay of a plan as the renderers take it."""
    overlay = plan.file.overlay
    return Overlay(
        type=overlay.type,
        vni=overlay.vni,
        port=overlay.udp_port,
        device=overlay.device,
        mtu=plan.pod_mtu,
        why=sum_of(plan),
    )


def endpoint(node: Node) -> Endpoint:
    """Return a node as its peers see it."""
    return Endpoint(id=node.id, address=node.address, overlay_address=node.overlay_address, pod_cidr=node.pod_cidr)


def overlay_facts(plan: Plan, node: Node) -> NodeOverlay:
    """The overlay of one node: devices of ours, or those of a container network, which are read and never changed."""
    overlay, made = plan.file.overlay, plan.file.overlay_facts
    tunnel, device, links = "", "", list[Device]()
    if made is not None:
        tunnel, device = made.names(plan.file.underlay.carrier, overlay.vni, overlay.udp_port)
        links = [{"name": device, "mtu": plan.pod_mtu}] if device else []
    else:
        if overlay.type == "vxlan":
            links.append({"name": overlay.device, "mtu": plan.pod_mtu})
        else:
            links += [
                {"name": peer_device(overlay.type, peer.id), "mtu": plan.pod_mtu, "peer": peer.id}
                for peer in plan.others(node)
            ]
    maker: OverlayOptional = {}
    traits: OverlayOptional = {}
    if made is not None:
        maker = {"made_by": plan.file.cni.plugin, "tunnel": tunnel}
        traits = {"mtu_on": made.mtu_on, "routed": made.sends_pmtu_errors, "pods_on": made.pod_master}
    return {
        "type": overlay.type,
        "kind": kind(overlay.type, plan.file.underlay.carrier),
        "port": overlay.udp_port,
        "vni": overlay.vni if made is None or made.vni is not None else None,
        "address": node.overlay_address,
        "pod_cidr": node.pod_cidr,
        **maker,
        "devices": links,
        **traits,
        "bridge": overlay.bridge if made is None else None,
    }
