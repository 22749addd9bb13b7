"""The networks between the hosts: this node's own addresses on them, and the one that it has towards each peer.

A peer is listed once for each network. An entry with a ``plane`` is about packets between the hosts alone; the others,
on the main network, carry the overlay too.
"""

from __future__ import annotations

import json

from .core import Node, finding, run


def stations(node: Node) -> list[Node]:
    """Return this node's places on the networks, the main one first: dicts with address and mtu."""
    return [node["underlay"], *node.get("planes", ())]


def addresses(node: Node) -> list[str]:
    """Return this node's own addresses, the main one first."""
    return [station["address"] for station in stations(node)]


def local(node: Node, peer: Node) -> str:
    """Return this node's own address on the network of a peer's entry."""
    return str(peer.get("local") or node["underlay"]["address"])


def carriers(node: Node) -> list[Node]:
    """Return the peers on the main network."""
    return [peer for peer in node["peers"] if not peer.get("plane")]


def way_out(node: Node, peer: Node) -> list[Node]:
    """Return a finding when packets to a peer on a plane would leave from another address: no policy covers those."""
    if not peer.get("plane"):
        return []
    try:
        routes = json.loads(run("ip", "-j", "route", "get", peer["address"]).out or "[]")
    except ValueError:
        routes = []
    source = str(routes[0].get("prefsrc", "")) if routes else ""
    if source in ("", local(node, peer)):
        return []
    text = f"packets to {peer['name']} ({peer['address']}) leave from {source}, not from {local(node, peer)}"
    return [finding("IPP637", text, "the route to the plane needs its own address as source")]
