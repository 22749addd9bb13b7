"""A bundle's nodes fitted to the run: without the pairs of nodes left out, at the size that the cluster has. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from netplan.agent.protocol.limits import least_mtu
from netplan.agent.protocol.node_json import Device, Later, NodeJson, Peer
from netplan.agent.protocol.reply import Status
from netplan.problems import Problem
from netplan.rollout.nodes.targets import Target
from netplan.rollout.nodes.waves import Pair, Wave, waves
from netplan.stack import parse, wire_size


@dataclass(frozen=True, slots=True)
class Hold:
    """The size in bytes that all nodes keep, and because of which device (node name and device)."""

    size: int
    because: str


def fitted(node: NodeJson, left_out: Collection[str], size: int | None) -> NodeJson:
    """Return ``node.json`` without peers that are left out and, with ``size``, as if pods had that MTU in bytes."""
    peers: list[Peer] = [peer for peer in node["peers"] if peer["id"] not in left_out]
    if not size:
        return node if len(peers) == len(node["peers"]) else {**node, "peers": peers}
    peers = [
        p if p.get("network") else {**p, "inner_mtu": size, "outer_packet": wire_size(parse(p["packet"]), size)}
        for p in peers
    ]
    devices: list[Device] = [{**device, "mtu": size} for device in node["overlay"]["devices"]]
    return {**node, "peers": peers, "mtu": {"pod": size}, "overlay": {**node["overlay"], "devices": devices}}


def deferred_peers(node: NodeJson, left_out: Collection[str]) -> list[Later]:
    """Return the peers of a node that are left out, with what the node must know of them."""
    return [
        {"pair": p["pair"], "id": p["id"], "address": p["address"], "children": p["children"]}
        for p in node["peers"]
        if p["id"] in left_out
    ]


def psk_owners(node: NodeJson) -> tuple[dict[str, str], dict[str, tuple[str, str, str]]]:
    """Return (pair -> peer id) of the keys that a node shares, and for pairs on networks with identities of their own
    (the pair whose key it is, own identity, the peer's). A host pair has one key, whatever networks are between."""
    main = {peer["id"]: peer["pair"] for peer in node["peers"] if not peer.get("network")}
    more = {
        peer["pair"]: (main[peer["id"]], peer["own_identity"], peer["identity"])
        for peer in node["peers"]
        if "identity" in peer
    }
    return {pair: peer for peer, pair in main.items()}, more


def unmanaged_pairs(node: NodeJson, known: Collection[str]) -> list[str]:
    """Return the pairs whose other end nobody in this run asks for anything: hosts that are managed elsewhere."""
    return [peer["pair"] for peer in node["peers"] if peer["id"] not in known]


def order(targets: Mapping[str, Target], limit: int | None) -> tuple[Wave, ...]:
    """Return the waves in which the pairs of these nodes switch."""
    pairs = {
        peer["pair"]: Pair(id=peer["pair"], ends=(target.id, peer["id"]))
        for target in targets.values()
        for peer in target.node["peers"]
    }
    last = [target.id for target in targets.values() if target.control_plane]
    return waves(list(targets), list(pairs.values()), last=last, limit=limit)


def turns(targets: Mapping[str, Target], ordered: Sequence[Wave]) -> list[dict[str, list[str]]]:
    """Return for each wave: node id -> the pairs of that node which switch in it, in the order of the wave."""
    ends: dict[str, list[str]] = {}
    for node_id, target in targets.items():
        for peer in target.node["peers"]:
            ends.setdefault(peer["pair"], []).append(node_id)
    found: list[dict[str, list[str]]] = []
    for wave in ordered:
        mine: dict[str, list[str]] = {}
        for pair in wave.pairs:
            for node_id in ends.get(pair, ()):
                mine.setdefault(node_id, []).append(pair)
        found.append(mine)
    return found


def smallest_live_mtu(nodes: Sequence[NodeJson], found: Mapping[str, Status]) -> tuple[Hold | None, list[Problem]]:
    """Return the size that the cluster must keep because a live device is smaller than planned (None: no device is),
    and a Problem for each device that is too small for any cluster to be held at.

    ``found``: what each node (by id) answered to ``status``. A device larger than planned is no obstacle; nor is a pod
    that wants to be smaller than the bridge: what it sends fits.
    """
    small: list[Hold] = []
    problems = []
    for node in nodes:
        # a network that makes the overlay sets its MTU, and preflight judges it
        if node["overlay"].get("made_by") or node["id"] not in found:
            continue
        live = found[node["id"]]["mtu"]
        for name, size in {**live["devices"], node["overlay"]["bridge"] or "the bridge": live["bridge"]}.items():
            if size is None or size >= node["mtu"]["pod"]:
                continue
            small.append(Hold(size, f"{node['name']}: {name}"))
            if size < least_mtu(node):
                text = f"{small[-1].because} has an MTU of {size} bytes; no cluster is held below {least_mtu(node)}"
                hint = f"`ip link set dev {name} mtu {node['mtu']['pod']}` there, or --exclude {node['name']}"
                problems.append(Problem(code="IPP639", message=text, hint=hint))
    return min(small, key=lambda hold: hold.size, default=None), problems


def agreed_hold(nodes: Sequence[NodeJson], found: Mapping[str, Status]) -> int | None:
    """Return the size in bytes at which the cluster waits to be raised, by what at least two nodes say of themselves.

    One node alone says nothing about the others. ``found``: what each node (by id) answered to ``status``.
    """
    said = Counter(
        found[node["id"]]["to_raise"]
        for node in nodes
        if node["id"] in found and least_mtu(node) <= found[node["id"]]["to_raise"] < node["mtu"]["pod"]
    )
    return min((size for size, times in said.items() if times > 1), default=None)


def deferred_by_both(targets: Mapping[str, Target], found: Mapping[str, Status]) -> set[str]:
    """Return the ids of nodes that another one waits for, and that say themselves that they don't have the release.

    ``found``: what each node (by id) answered to ``status``; who did not answer is not among them.
    """
    waited = {late for i, node in found.items() for late in node["deferred"] if late != i}
    return {i for i in waited & targets.keys() & found.keys() if not has_release(targets[i], found[i])}


def has_release(target: Target, node: Status) -> bool:
    """Tell whether a node has the release of this bundle, confirmed or open."""
    open_there = node["state"]["state"] == "open"
    release = node["transaction"]["release"] if open_there else node["state"]["release"]
    return node["state"]["state"] != "none" and release == target.digest


def missing_devices(targets: Mapping[str, Target], found: Mapping[str, Status], held_mtu: int | None) -> list[Problem]:
    """Return a Problem for each node that lacks a planned device while the cluster keeps ``held_mtu`` bytes.

    The files that make a device wait for the raise together with all others, so nothing would make it (IPP622 in the
    middle of the change). ``found``: what each node (by id) answered to ``status``.
    """
    problems = []
    for node_id, target in targets.items() if held_mtu else ():
        live = found[node_id]["mtu"]["devices"] if node_id in found else {}
        missing = [name for name, size in live.items() if size is None]
        if missing and not target.node["overlay"].get("made_by"):
            text = f"{target.name}: {', '.join(missing[:4])} would be new, while every node stays at {held_mtu} bytes"
            hint = (
                "a new peer and a raise don't go together: `apply --raise-mtu` a bundle without the new nodes first, "
                "then apply this one"
            )
            problems.append(Problem(code="IPP639", message=text, hint=hint))
    return problems
