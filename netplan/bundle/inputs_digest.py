"""What a bundle was made from, as digests: one of everything, and one for each host of what its own files depend on.

A host's files depend on the plan file, on the classes of pairs, on the host, and on a few values of each of its peers.
Hosts of one kind have the same peers, so the digest over the peers is made once a kind. What all nodes have in common
is not in a host's digest: it is compared by its text.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netplan
from netplan.bundle.overlay import overlay_of
from netplan.host.overlay import tabled
from netplan.inputs.inventory import Inventory
from netplan.model.node import Node
from netplan.plan.classes import HostKind
from netplan.plan.fabric import Fabric
from netplan.plan.notes import sum_of
from netplan.plan.types import Plan


@dataclass(frozen=True, slots=True)
class Inputs:
    """``whole``: digest of all that a bundle is made from; ``nodes``: of each host (by id) alone."""

    whole: str
    nodes: dict[str, str]


def inputs(plan: Plan, inventory: Inventory) -> Inputs:
    """Return the digests of a plan."""
    shared = _digest(
        [_program(), plan.file.model_dump_json(), plan.pod_mtu, sum_of(plan), _classes(plan), _lists(plan)]
    )
    kinds: dict[tuple[str, HostKind], str] = {}
    found = {}
    for node in plan.nodes:
        parts: list[Any] = [shared, _own(node)]
        for fabric in plan.fabrics:
            local = fabric.at(node)
            if local is not None:
                kind = fabric.name, fabric.kinds[node.id]
                if kind not in kinds:
                    kinds[kind] = _peers(fabric, local)
                parts += [_own(local), kinds[kind]]
        found[node.id] = _digest(parts)
    about = (str(inventory.path.resolve()), inventory.pattern, inventory.digest)
    counts = [(c.name, c.pairs, c.limited_by) for fabric in plan.fabrics for c in fabric.classes]
    return Inputs(_digest([about, counts, sorted(plan.existing.items()), *found.items()]), found)


def _digest(parts: Iterable[Any]) -> str:
    return hashlib.sha256("\0".join(map(repr, parts)).encode()).hexdigest()


def _program() -> list[tuple[str, int, int]]:
    """What this program is: the sizes and times of its files; a version alone says nothing while one works on it."""
    found = []
    for folder, _, names in os.walk(Path(netplan.__file__).parent):
        for name in names:
            if name.endswith((".py", ".j2", ".sh")):
                at = Path(folder) / name
                about = at.stat()
                found.append((str(at), about.st_size, about.st_mtime_ns))
    return sorted(found)


def _classes(plan: Plan) -> list[Any]:
    """What files say of classes; how many pairs a class has is in none of them."""
    return [
        (fabric.name, fabric.family, fabric.mode, c.name, c.link_mtu, c.nat_t, c.offer, [s.stack.text for s in c.sized])
        for fabric in plan.fabrics
        for c in fabric.classes
    ]


def _lists(plan: Plan) -> list[Any]:
    """What the files of every node list: all hosts in an overlay without a table, and the subnet of a wildcard."""
    spanned = [plan.main.span] if plan.file.ipsec.topology.shape == "trap-any" else []
    if plan.file.overlay_facts is not None or tabled(overlay_of(plan), len(plan.nodes)):
        return spanned
    return [*spanned, [(n.id, n.address, n.overlay_address, n.pod_cidr) for n in plan.nodes]]


def _own(node: Node) -> tuple[Any, ...]:
    return (
        *(node.id, node.name, node.address, node.link_mtu, node.pod_cidr, node.overlay_address, node.nat),
        *(node.managed, node.identity, node.capabilities, node.network_addresses),
    )


def _peers(fabric: Fabric, node: Node) -> str:
    """Return the digest over what the peers of a node contribute to its files; itself may be among them."""
    places, classes = fabric.table.of_kind(node)
    peers = ((fabric.nodes[place], found.name) for place, found in zip(places, classes, strict=True))
    return _digest((peer.id, peer.name, peer.address, peer.identity, peer.managed, name) for peer, name in peers)
