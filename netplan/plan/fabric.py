"""One network between the hosts, with the pairs and peers on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from netplan.model.ids import is_initiator, pair_id
from netplan.model.node import Node
from netplan.model.proposals import EspProposal
from netplan.plan.classes import HostKind, PairClass
from netplan.plan.neighbours import Neighbours, NeighbourTable
from netplan.stack import Stack, parse, solve


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One unordered pair of nodes: ``initiator`` opens IKE towards ``responder``."""

    id: str
    initiator: Node
    responder: Node
    pair_class: PairClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabric:
    """One network between the hosts. Bytes throughout.

    ``name`` is empty for the network that carries the overlay. ``nodes`` are the hosts that have an address on it, each
    with its address, link and IKE identity there. ``family`` is the address family, ``mode`` that of ESP.
    """

    name: str
    family: Literal["ipv4", "ipv6"]
    mode: Literal["transport", "tunnel", "iptfs"]
    nodes: tuple[Node, ...]
    classes: tuple[PairClass, ...]
    kinds: Mapping[str, HostKind]
    class_of_kinds: Mapping[tuple[HostKind, HostKind], PairClass]
    _table: list[NeighbourTable] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def table(self) -> NeighbourTable:
        """The neighbours of every host; made when it is first asked for."""
        if not self._table:
            self._table.append(NeighbourTable(self.name, self.nodes, self.kinds, self.class_of_kinds))
        return self._table[0]

    def at(self, node: Node) -> Node | None:
        """Return a host of the plan with its address on this network; None where it has none."""
        place = self.table.place(node)
        return None if place is None else self.nodes[place]

    @property
    def span(self) -> str:
        """The smallest IPv4 subnet that holds every host's address."""
        return self.table.span

    def neighbours(self, node: Node) -> Neighbours:
        """Return the IPsec peers of a node in columns: managed ones first, no clear pairs."""
        return self.table.of(node)

    def class_of(self, one: Node, other: Node) -> PairClass:
        """Return the class of a pair."""
        return self.class_of_kinds[self.kinds[one.id], self.kinds[other.id]]

    def host_mtu(self, pair_class: PairClass) -> tuple[int, int]:
        """Largest IP packet in bytes between two hosts of a class with ``protect: hosts``: by the proposal that leaves
        least, and by the one that leaves most. The kernel takes it from the SA; no route and no link is changed."""
        sizes = [
            solve(self.host_stack(s.proposal, pair_class.nat_t), pair_class.link_mtu).inner_mtu
            for s in pair_class.sized
        ]
        return min(sizes), max(sizes)

    def host_packet_limit(self, pair_class: PairClass) -> int:
        """Largest IP packet in bytes between two hosts of a class that always fits, protected or clear."""
        return self.host_mtu(pair_class)[0] if pair_class.protected else pair_class.link_mtu

    def host_stack(self, proposal: EspProposal, nat_t: bool) -> Stack:
        """Return the packet between two hosts with ``protect: hosts``."""
        outer = {"ipv4": "ip4", "ipv6": "ip6"}[self.family]
        inner = {"tunnel": f"/{outer}", "iptfs": f"/iptfs/{outer}"}.get(self.mode, "")
        return parse(f"{outer}/{'udp/' if nat_t else ''}esp:{proposal.suite}{inner}")

    def pairs(self) -> Iterator[Pair]:
        """Generate every pair, in a stable order."""
        for index, one in enumerate(self.nodes):
            for other in self.nodes[index + 1 :]:
                yield self.pair(one, other)

    def pair(self, one: Node, other: Node) -> Pair:
        """Return the pair of two nodes; towards an unmanaged peer, the managed node initiates."""
        first_starts = one.managed if one.managed != other.managed else is_initiator(one.id, other.id)
        first, second = (one, other) if first_starts else (other, one)
        return Pair(
            id=pair_id(one.id, other.id, self.name),
            initiator=first,
            responder=second,
            pair_class=self.class_of(one, other),
        )

    def others(self, node: Node) -> Iterator[Node]:
        """Generate the other nodes, which are all peers in the overlay."""
        for other in self.nodes:
            if other.id != node.id:
                yield other

    def peers(self, node: Node) -> Iterator[tuple[Node, Pair]]:
        """Generate the IPsec peers of a node with the pair that joins them: managed ones first, no clear pairs."""
        for peer, pair, initiates, pair_class in self.neighbours(node):
            first, second = (node, peer) if initiates else (peer, node)
            yield peer, Pair(id=pair, initiator=first, responder=second, pair_class=pair_class)

    def connections(self, node: Node) -> Iterator[Connection]:
        """Generate the IPsec connections that a host of the plan has on this network."""
        local = self.at(node)
        if local is not None:
            for peer, pair in self.peers(local):
                yield Connection(fabric=self, local=local, remote=peer, pair=pair)

    def as_json(self) -> dict[str, Any]:
        """Return an additional network as a JSON object: largest packets between hosts, and who is on it."""
        return {
            "name": self.name,
            "family": self.family,
            "classes": [
                {
                    "name": c.name,
                    "link_mtu": c.link_mtu,
                    "nat_t": c.nat_t,
                    "pairs": c.pairs,
                    "limited_by": c.limited_by,
                    "protected": c.protected,
                    "host_mtu": self.host_packet_limit(c),
                }
                for c in self.classes
            ],
            "nodes": [
                {
                    "id": n.id,
                    "name": n.name,
                    "address": n.address,
                    "link_mtu": n.link_mtu,
                    "nat": n.nat,
                    **({"identity": n.identity} if n.identity else {}),
                }
                for n in self.nodes
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One IPsec connection of a host: its two ends with their addresses and identities on ``fabric``."""

    fabric: Fabric
    local: Node
    remote: Node
    pair: Pair

    @property
    def initiates(self) -> bool:
        """Tell whether the local end opens IKE."""
        return self.pair.initiator.id == self.local.id
