"""The overlay of a plan: for the renderers, and for the agent on a node."""

from __future__ import annotations

from typing import Any

from netplan.host.overlay import Endpoint, Overlay, devices, kind
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


def overlay_facts(plan: Plan, node: Node) -> dict[str, Any]:
    """The overlay of one node: devices of ours, or those of a container network, which are read and never changed."""
    overlay, made = plan.file.overlay, plan.file.overlay_facts
    facts: dict[str, Any] = {
        "type": overlay.type,
        "kind": kind(overlay.type, plan.file.underlay.carrier),
        "port": overlay.udp_port,
        "vni": overlay.vni,
        "address": node.overlay_address,
        "pod_cidr": node.pod_cidr,
    }
    if made is None:
        links = []
        for name, reached in devices(overlay_of(plan), [endpoint(peer) for peer in plan.others(node)]):
            link: dict[str, Any] = {"name": name, "mtu": plan.pod_mtu}
            if overlay.type != "vxlan":
                link["peer"] = reached[0].id
            links.append(link)
        return {**facts, "devices": links, "bridge": overlay.bridge}
    tunnel, device = made.names(plan.file.underlay.carrier, overlay.vni, overlay.udp_port)
    return {
        **facts,
        "vni": overlay.vni if made.vni is not None else None,
        "made_by": plan.file.cni.plugin,
        "tunnel": tunnel,
        "devices": [{"name": device, "mtu": plan.pod_mtu}] if device else [],
        "mtu_on": made.mtu_on,
        "routed": made.sends_pmtu_errors,
        "pods_on": made.pod_master,
        "bridge": None,
    }
