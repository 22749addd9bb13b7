"""Builds ``node.json`` from a Plan: the data that the agent on a node needs. The agent makes no decision of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from netplan.agent.protocol.node_json import EspOptional, NodeJson, NodeJsonOptional, PeerOptional
from netplan.bundle.json_text import dump_lines
from netplan.bundle.overlay import overlay_facts
from netplan.bundle.peer_table import NODE_SCHEMA, hosts_of, whole
from netplan.ipsec import swanctl, trap_any
from netplan.ipsec.xfrm_interfaces import interfaces
from netplan.model.node import Node
from netplan.model.proposals import esp_proposal, ike_proposal
from netplan.plan.classes import PairClass
from netplan.plan.fabric import Fabric
from netplan.plan.types import Plan
from netplan.stack import wire_size


def node_facts(plan: Plan, node: Node) -> NodeJson:
    """Return ``node.json`` of one node as the agent gets it; :mod:`netplan.agent.protocol` says what each key means."""
    return whole(json.loads(node_text(plan, node)), hosts_of(plan.as_json()))


def node_text(plan: Plan, node: Node) -> str:
    """Return ``node.json`` of one node as the bundle holds it: peers as rows of pair, peer, class and initiator (1 or
    0), with route-based tunnels the interface's number, too; see :mod:`.peer_table`."""
    classes: dict[str, dict[str, Any]] = {}
    main = {c.name: c for c in plan.main.neighbours(node).classes}
    everywhere = {**main}
    for fabric in plan.additional:
        if (local := fabric.at(node)) is not None:
            everywhere |= {f"{fabric.name}/{c.name}": c for c in fabric.neighbours(local).classes}
    rows = _rows(plan, node, classes)
    document = {
        "schema": NODE_SCHEMA,
        "id": node.id,
        "name": node.name,
        "cluster": plan.file.name,
        "family": plan.file.underlay.carrier,
        "underlay": {"address": node.address, "mtu": node.link_mtu},
        **_networks(plan, node),
        "overlay": overlay_facts(plan, node),
        "mtu": {"pod": plan.pod_mtu},
        "auth": plan.file.ipsec.auth,
        "needs": _needs(main.values()),
        "protect": plan.file.ipsec.protect,
        **_wildcard(plan),
        "clear": plan.file.ipsec.clear if plan.file.ipsec.protect == "hosts" else [],
        "esp": {
            "negotiated": _negotiated(everywhere.values()),
            "mode": plan.file.ipsec.mode.upper(),
            **_rarer(plan),
        },
        "classes": list(classes.values()),
    }
    return dump_lines(document)[:-2] + f',\n"peers": {rows}}}\n'  # but for the last brace


def _rows(plan: Plan, node: Node, classes: dict[str, dict[str, Any]]) -> str:
    """Return a row a peer, as JSON: ids and numbers only, so no value needs an escape. Adds the classes of pairs that
    the rows refer to, by their place."""
    rows: list[str] = []
    inside = interfaces(plan, node)
    for fabric in plan.fabrics:
        local = fabric.at(node)
        if local is None:
            continue
        near = fabric.neighbours(local)
        ends = {}  # what a row of the class ends with: as responder, as initiator
        for name, found in {c.name: c for c in near.classes}.items():
            ends[name] = (f'",{len(classes)},0', f'",{len(classes)},1')
            classes[f"{fabric.name}/{name}"] = _on_network(plan, fabric, found) if fabric.name else _class(plan, found)
        if inside and not fabric.name:
            rows += [
                f'["{pair}","{peer.id}{ends[found.name][starts]},{inside[pair].number}]'
                for peer, pair, starts, found in near
            ]
        else:
            rows += [f'["{pair}","{peer.id}{ends[found.name][starts]}]' for peer, pair, starts, found in near]
    return "[" + ",\n".join(rows) + "]"


def _class(plan: Plan, found: PairClass) -> dict[str, Any]:
    """What the pairs of a class have in common on the main network."""
    common = {
        "encap": found.nat_t,
        "link_mtu": found.link_mtu,
        "inner_mtu": plan.pod_mtu,
        "outer_packet": plan.outer_packet(found),
        "packet": found.preferred.overlay_stack.text,
        "negotiated": _negotiated([found]),
        **_between_hosts(plan, found),
    }
    made = {"common": common, "children": _children(plan), "routed": bool(plan.file.overlay_facts)}
    return {**made, "device_mtu": plan.main.host_mtu(found)[0]} if plan.file.ipsec.xfrm_interface else made


def _children(plan: Plan) -> list[str]:
    return [name.removeprefix("-") for name in swanctl.child_suffixes(plan)]


def _networks(plan: Plan, node: Node) -> NodeJsonOptional:
    """The node's addresses on additional networks, and its IKE identities there that are not its id."""
    here = [(fabric.name, local) for fabric in plan.additional if (local := fabric.at(node)) is not None]
    identities = [local.identity for _, local in here if local.identity]
    found: NodeJsonOptional = {}
    if here:
        found["networks"] = [{"name": name, "address": local.address, "mtu": local.link_mtu} for name, local in here]
    if identities:
        found["identities"] = identities
    return found


def _wildcard(plan: Plan) -> NodeJsonOptional:
    return {"wildcard": trap_any.span(plan)} if trap_any.planned(plan) else {}


def _rarer(plan: Plan) -> EspOptional:
    found: EspOptional = {"route": True} if plan.file.ipsec.xfrm_interface else {}
    return {**found, "per_cpu_sas": True} if plan.file.ipsec.per_cpu_sas else found


def _on_network(plan: Plan, fabric: Fabric, found: PairClass) -> dict[str, Any]:
    """The same on an additional network: only packets between the hosts concern it, so its full packet is theirs."""
    sizes = _host_mtu(fabric, found)
    stack = fabric.host_stack(found.preferred.proposal, found.nat_t)
    common = {
        "encap": found.nat_t,
        "link_mtu": found.link_mtu,
        "inner_mtu": sizes["host_mtu"],
        "outer_packet": wire_size(stack, sizes["host_mtu"]),
        "negotiated": _negotiated([found]),
        **sizes,
    }
    return {"network": fabric.name, "common": common, "children": _children(plan)}


def _needs(classes: Iterable[PairClass]) -> list[str]:
    """Return charon's names of every algorithm that a node offers to its peers."""
    offers = {found.offer for found in classes}
    found: set[str] = set()
    for offer in offers:
        for text in offer.esp:
            found |= getattr(esp_proposal(text), "needs", frozenset())
        for text in offer.ike:
            found |= getattr(ike_proposal(text), "needs", frozenset())
    return sorted(found)


def _between_hosts(plan: Plan, pair_class: PairClass) -> PeerOptional:
    return _host_mtu(plan.main, pair_class) if plan.file.ipsec.protect == "hosts" else {}


def _host_mtu(fabric: Fabric, pair_class: PairClass) -> PeerOptional:
    """With ``protect: hosts``: the packet between the hosts that always fits, and one that is refused here.

    In transport mode over IPv6 Linux refuses none: it sends the ESP packet as fragments, as a source may (measured on
    6.1). TCP never gets that far, because it takes the path's MTU from the SA.
    """
    low, high = fabric.host_mtu(pair_class)
    refuses = fabric.family == "ipv4" or fabric.mode != "transport"
    return {"host_mtu": low, "host_over": high + 1} if refuses else {"host_mtu": low}


def _negotiated(classes: Iterable[PairClass]) -> list[str]:
    """Return what charon may report for these classes, the preferred first."""
    return list(dict.fromkeys(s.proposal.negotiated for c in classes for s in c.sized))
