"""Builds ``node.json`` from a Plan: the data that the agent on a node needs. The agent makes no decision of its own."""

from __future__ import annotations

from collections.abc import Iterable

from netplan.agent.protocol.node_json import EspOptional, NodeJson, NodeJsonOptional, Peer, PeerOptional
from netplan.bundle.overlay import overlay_facts
from netplan.ipsec import swanctl, trap_any
from netplan.ipsec.xfrm_interfaces import Interface, interfaces
from netplan.model.node import Node
from netplan.model.proposals import esp_proposal, ike_proposal
from netplan.plan.fabric import Connection, Fabric, Pair, PairClass
from netplan.plan.types import Plan
from netplan.stack import wire_size

SCHEMA = 1


def node_facts(plan: Plan, node: Node) -> NodeJson:
    """Return ``node.json`` of one node; :mod:`netplan.agent.protocol` says what each key means."""
    inside = interfaces(plan, node)
    return {
        "schema": SCHEMA,
        "id": node.id,
        "name": node.name,
        "cluster": plan.file.name,
        "family": plan.file.underlay.carrier,
        "underlay": {"address": node.address, "mtu": node.link_mtu},
        **_networks(plan, node),
        "overlay": overlay_facts(plan, node),
        "mtu": {"pod": plan.pod_mtu},
        "auth": plan.file.ipsec.auth,
        "needs": _needs(plan, node),
        "protect": plan.file.ipsec.protect,
        **_wildcard(plan),
        "clear": plan.file.ipsec.clear if plan.file.ipsec.protect == "hosts" else [],
        "esp": {
            "negotiated": _negotiated(c.pair.pair_class for c in plan.connections(node)),
            "mode": plan.file.ipsec.mode.upper(),
            **_route(plan),
        },
        "peers": [
            *(_peer(plan, node, peer, pair, inside.get(pair.id)) for peer, pair in plan.peers(node)),
            *(_on_network(plan, c) for fabric in plan.additional for c in fabric.connections(node)),
        ],
    }


def _peer(plan: Plan, node: Node, peer: Node, pair: Pair, interface: Interface | None) -> Peer:
    """A peer on the main network."""
    return {
        "id": peer.id,
        "pair": pair.id,
        "name": peer.name,
        "address": peer.address,
        "overlay_address": peer.overlay_address,
        **_pod_cidr(plan, peer),
        "initiator": pair.initiator.id == node.id,
        "encap": pair.pair_class.nat_t,
        "link_mtu": pair.pair_class.link_mtu,
        "inner_mtu": plan.pod_mtu,
        "outer_packet": plan.outer_packet(pair.pair_class),
        "packet": pair.pair_class.preferred.overlay_stack.text,
        "children": swanctl.children(plan, pair),
        "negotiated": _negotiated([pair.pair_class]),
        **_between_hosts(plan, pair.pair_class),
        **_interface(interface),
    }


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


def _route(plan: Plan) -> EspOptional:
    return {"route": True} if plan.file.ipsec.xfrm_interface else {}


def _pod_cidr(plan: Plan, peer: Node) -> PeerOptional:
    return {"pod_cidr": peer.pod_cidr} if plan.file.overlay_facts else {}


def _on_network(plan: Plan, connection: Connection) -> Peer:
    """A peer on an additional network: only the packets between the hosts concern it, so its full packet is theirs."""
    fabric, local, remote, pair = connection.fabric, connection.local, connection.remote, connection.pair
    sizes, found = _host_mtu(fabric, pair.pair_class), pair.pair_class
    stack = fabric.host_stack(found.preferred.proposal, found.nat_t)
    identities: PeerOptional = {"identity": remote.identity, "own_identity": local.identity} if remote.identity else {}
    return {
        "id": remote.id,
        "pair": pair.id,
        "network": fabric.name,
        "name": f"{remote.name} ({fabric.name})",
        "address": remote.address,
        "local": local.address,
        **identities,
        "initiator": connection.initiates,
        "encap": found.nat_t,
        "link_mtu": found.link_mtu,
        "inner_mtu": sizes["host_mtu"],
        "outer_packet": wire_size(stack, sizes["host_mtu"]),
        "children": swanctl.children(plan, pair),
        "negotiated": _negotiated([found]),
        **sizes,
    }


def _needs(plan: Plan, node: Node) -> list[str]:
    """Return charon's names of every algorithm that a node offers to its peers."""
    offers = {pair.pair_class.offer for _, pair in plan.peers(node)}
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
    refuses = fabric.family == "ipv4" or fabric.mode == "tunnel"
    return {"host_mtu": low, "host_over": high + 1} if refuses else {"host_mtu": low}


def _interface(found: Interface | None) -> PeerOptional:
    """With ``xfrm_interface``: the XFRM interface towards the peer."""
    return {"if_id": found.number, "device": found.name, "device_mtu": found.mtu} if found else {}


def _negotiated(classes: Iterable[PairClass]) -> list[str]:
    """Return what charon may report for these classes, the preferred first."""
    return list(dict.fromkeys(s.proposal.negotiated for c in classes for s in c.sized))
