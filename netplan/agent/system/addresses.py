"""The networks between the hosts: this node's own addresses on them, and the one that it has towards each peer.

A peer is listed once for each network. An entry with a ``network`` is about packets between the hosts alone; the
others, on the main network, carry the overlay too.
"""

from __future__ import annotations

from .core import finding, run_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson, Peer, Station
    from ..protocol.reply import Finding
    from ..protocol.words import Json


def stations(node: NodeJson) -> list[Station]:
    """Return this node's places on the networks, the main one first: dicts with address and mtu."""
    return [node["underlay"], *node.get("networks", ())]


def addresses(node: NodeJson) -> list[str]:
    """Return this node's own addresses, the main one first."""
    return [station["address"] for station in stations(node)]


def local(node: NodeJson, peer: Peer) -> str:
    """Return this node's own address on the network of a peer's entry."""
    return str(peer.get("local") or node["underlay"]["address"])


def carriers(node: NodeJson) -> list[Peer]:
    """Return the peers on the main network."""
    return [peer for peer in node["peers"] if not peer.get("network")]


def route_mtu(route: Json) -> int:
    """Return the MTU in bytes that a route carries as a metric, as ``ip -j route`` prints it; 0 without one."""
    return next((int(metric["mtu"]) for metric in route.get("metrics", ()) if "mtu" in metric), 0)


def way_out(node: NodeJson, peer: Peer) -> list[Finding]:
    """Return a finding when packets to a peer on a network would leave from another address: no policy covers those."""
    if not peer.get("network"):
        return []
    routes = run_json("ip", "-j", "route", "get", peer["address"])
    source = str(routes[0].get("prefsrc", "")) if routes else ""
    if source in ("", local(node, peer)):
        return []
    text = f"packets to {peer['name']} ({peer['address']}) leave from {source}, not from {local(node, peer)}"
    return [finding("IPP637", text, "the route to the network needs its own address as source")]
