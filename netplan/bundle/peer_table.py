"""The peers of a node in the bundle's ``node.json``: a short row each, because there is one for each end of each pair.

What a row leaves out is said once: of its class under ``classes`` in the same file, of the other host in ``plan.json``.
:func:`whole` puts it together again: the agent and the rollout see ``node.json`` with all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, cast

from netplan.agent.protocol.node_json import NodeJson, Peer
from netplan.problems import Location, fail

NODE_SCHEMA = 1  # of a node.json, as the agent gets it
Hosts = Mapping[str, Mapping[str, Mapping[str, Any]]]  # network -> node id -> the host as plan.json has it


class CommonOptional(TypedDict, total=False):
    packet: str
    host_mtu: int
    host_over: int


class Common(CommonOptional):
    """What the pairs of a class say in common; the same keys as of a peer in the whole ``node.json``."""

    encap: bool
    link_mtu: int
    inner_mtu: int
    outer_packet: int
    negotiated: list[str]


class KindOptional(TypedDict, total=False):
    network: str  # name of the additional network that it is about
    routed: bool  # on the main network: a container network makes the overlay, and its peers have a pod subnet
    device_mtu: int  # of an XFRM interface, in bytes


class Kind(KindOptional):
    """A class of pairs in the bundle's ``node.json``; ``children``: words that the names of CHILD_SAs end in."""

    common: Common
    children: list[str]


def hosts_of(plan: Mapping[str, Any]) -> Hosts:
    """Return the hosts of a parsed ``plan.json`` by network (``""``: the main one) and id."""
    networks = {"": plan["nodes"], **{network["name"]: network["nodes"] for network in plan.get("networks", ())}}
    return {name: {host["id"]: host for host in hosts} for name, hosts in networks.items()}


def whole(document: Mapping[str, Any], hosts: Hosts, where: str = "node.json") -> NodeJson:
    """Return ``node.json`` with every peer written out. Raises ProblemError for rows that name nothing we know."""
    rest = {key: value for key, value in document.items() if key not in ("classes", "peers")}
    try:
        own = {network["name"]: network["address"] for network in document.get("networks", ())}
        classes = document["classes"]
        made = [_peer(document["id"], row, classes[row[2]], hosts, own) for row in document["peers"]]
    except (KeyError, IndexError, TypeError, ValueError):
        fail(
            "IPP502",
            "a node.json of this bundle has a peer that its classes or plan.json don't know",
            location=Location(where),
        )
    return cast(NodeJson, {**rest, "peers": made})


def _peer(own_id: str, row: list[Any], found: Mapping[str, Any], hosts: Hosts, own: Mapping[str, str]) -> Peer:
    pair, peer_id, _, initiator, *number = row
    network = found.get("network", "")
    host = hosts[network][peer_id]
    peer: dict[str, Any] = {
        "id": peer_id,
        "pair": pair,
        "name": f"{host['name']} ({network})" if network else host["name"],
        "address": host["address"],
        "initiator": bool(initiator),
        **found["common"],
        "children": [f"{pair}-{word}" for word in found["children"]],
    }
    if network:
        peer |= {"network": network, "local": own[network]}
        if host.get("identity"):
            peer |= {"identity": host["identity"], "own_identity": hosts[network][own_id]["identity"]}
    else:
        peer["overlay_address"] = host["overlay_address"]
        if found.get("routed"):
            peer["pod_cidr"] = host["pod_cidr"]
    if number:
        peer |= {"if_id": number[0], "device": f"xi-{number[0]:08x}", "device_mtu": found["device_mtu"]}
    return cast(Peer, peer)
