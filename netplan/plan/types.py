"""The frozen plan: classes of host pairs with their solved packets, and the numbers that follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from netplan.model.cni_facts import NETWORKS
from netplan.model.ids import initiates, pair_id
from netplan.model.node import Node
from netplan.model.planfile import PlanFile
from netplan.model.proposals import EspProposal
from netplan.model.proposals.capabilities import Capabilities
from netplan.model.topology import CLEAR, Offer, Roles
from netplan.stack import Solution, Stack, parse, solve, wire_size

NO_ESP = EspProposal("none (stays clear)", "", "", None, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """What one ESP proposal makes of one link, in the worst address family; ``NO_ESP`` is for pairs that stay clear.

    ``carried`` is the packet of the family that the overlay runs over.
    """

    proposal: EspProposal
    stack: Stack
    solution: Solution
    carried: Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class PairClass:
    """Host pairs that are alike for the arithmetic: same link MTU (bytes), same NAT traversal, same proposals.

    ``sized`` has one entry for each offered proposal, in the order offered; ``worst`` is the one that leaves least,
    and its inner MTU is what is safe whatever the two ends negotiate.
    """

    name: str
    link_mtu: int
    nat_t: bool
    pairs: int
    limited_by: str
    sized: tuple[Sized, ...]
    offer: Offer = CLEAR

    @property
    def protected(self) -> bool:
        """Tell whether these pairs encrypt, or are left out by the mesh."""
        return self.offer.protected

    @property
    def worst(self) -> Sized:
        """The offered proposal that leaves the smallest inner packet."""
        return min(self.sized, key=lambda s: s.solution.inner_mtu)

    @property
    def inner_mtu(self) -> int:
        """Largest inner IP packet in bytes that every offered proposal carries whole over this class's link."""
        return self.worst.solution.inner_mtu

    @property
    def preferred(self) -> Sized:
        """The proposal offered first, which two ends that both know it will negotiate."""
        return self.sized[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One unordered pair of nodes: ``initiator`` opens IKE towards ``responder``."""

    id: str
    initiator: Node
    responder: Node
    pair_class: PairClass


# (link MTU, behind NAT, ends of the path rules, ends of the mesh's rules, strongSwan, managed by us): hosts of one kind
# are interchangeable for the arithmetic
_Kind = tuple[int, bool, Roles, Roles, Capabilities, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every number and choice, ready to print. Bytes throughout.

    ``existing`` is what the container network's configuration says now: keys of ConfigMaps and files, with their texts.
    ``planes`` are the further networks between the hosts, each a plan of its own for the hosts as they stand on it;
    only the packets between the hosts concern it. ``plane`` is the name of such a one.
    """

    file: PlanFile
    nodes: tuple[Node, ...]
    classes: tuple[PairClass, ...]
    kinds: dict[str, _Kind]
    class_of_kinds: dict[tuple[_Kind, _Kind], PairClass]
    existing: Mapping[str, str] = field(default_factory=dict)
    planes: tuple[Plan, ...] = ()
    plane: str = ""

    @property
    def limiting(self) -> PairClass:
        """The class that sets the pod MTU of the whole cluster."""
        return min(self.classes, key=lambda c: (c.inner_mtu, c.link_mtu))

    @property
    def pod_mtu(self) -> int:
        """IP MTU in bytes of every pod and every overlay device: the smallest of all classes, and what the container
        network insists on."""
        return min(self.limiting.inner_mtu, self.insisted)

    @property
    def insisted(self) -> int:
        """The largest pod MTU in bytes that the container network takes on the smallest link, whatever would fit."""
        known = NETWORKS.get(self.file.cni.plugin)
        return min(c.link_mtu for c in self.classes) - (known.headroom if known else 0)

    def class_of(self, one: Node, other: Node) -> PairClass:
        """Return the class of a pair."""
        return self.class_of_kinds[self.kinds[one.id], self.kinds[other.id]]

    def outer_packet(self, pair_class: PairClass) -> int:
        """Size in bytes of the outer IP packet that carries a full pod packet over a pair of this class, with the
        preferred proposal."""
        return wire_size(pair_class.preferred.carried, self.pod_mtu)

    def host_mtu(self, pair_class: PairClass) -> tuple[int, int]:
        """Largest IP packet in bytes between two hosts of a class with ``protect: hosts``: by the proposal that leaves
        least, and by the one that leaves most. The kernel takes it from the SA; no route and no link is changed."""
        family = self.file.underlay.carrier
        sizes = [
            solve(
                parse(host_stack(self.file, s.proposal.suite, pair_class.nat_t, family)), pair_class.link_mtu
            ).inner_mtu
            for s in pair_class.sized
        ]
        return min(sizes), max(sizes)

    def room(self, pair_class: PairClass) -> int:
        """Largest IP packet in bytes between two hosts of a class that always fits, protected or clear."""
        return self.host_mtu(pair_class)[0] if pair_class.protected else pair_class.link_mtu

    def pairs(self) -> Iterator[Pair]:
        """Generate every pair, in a stable order."""
        for index, one in enumerate(self.nodes):
            for other in self.nodes[index + 1 :]:
                yield self.pair(one, other)

    def pair(self, one: Node, other: Node) -> Pair:
        """Return the pair of two nodes; towards a far end that we don't manage, we initiate."""
        starts = one.managed if one.managed != other.managed else initiates(one.id, other.id)
        first, second = (one, other) if starts else (other, one)
        return Pair(
            id=pair_id(one.id, other.id, self.plane),
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
        for other in sorted(self.others(node), key=lambda n: not n.managed):
            if self.class_of(node, other).protected:
                yield other, self.pair(node, other)

    def links(self, node: Node) -> Iterator[tuple[Plan, Node, Node, Pair]]:
        """Generate the IPsec connections of a node over all networks, the one that carries the overlay first.

        Each is (plan of that network, the node as it stands on it, the peer as it stands on it, the pair).
        """
        for there in (self, *self.planes):
            for own in there.nodes:
                if own.id == node.id:
                    yield from ((there, own, peer, pair) for peer, pair in there.peers(own))

    def as_json(self) -> dict[str, Any]:
        """Return the plan as a JSON object: classes with ledgers, nodes; pairs are derivable and not listed."""
        return {
            "cluster": self.file.name,
            "pod_mtu": self.pod_mtu,
            "limiting_class": self.limiting.name,
            "network": self.file.cni.plugin,
            "overlay": {
                "type": self.file.overlay.type,
                "port": self.file.overlay.udp_port,
                "vni": self.file.overlay.vni,
                "device_mtu": self.pod_mtu,
            },
            "classes": [
                {
                    "name": c.name,
                    "link_mtu": c.link_mtu,
                    "nat_t": c.nat_t,
                    "pairs": c.pairs,
                    "limited_by": c.limited_by,
                    "protected": c.protected,
                    "ike": list(c.offer.ike),
                    "downgrades": list(c.offer.downgrades),
                    "inner_mtu": c.inner_mtu,
                    "worst_proposal": c.worst.proposal.text,
                    "outer_packet_of_pod_mtu": self.outer_packet(c),
                    "proposals": [
                        {"proposal": s.proposal.text, "stack": s.stack.text, **s.solution.as_json()} for s in c.sized
                    ],
                }
                for c in self.classes
            ],
            "nodes": [
                {
                    "id": n.id,
                    "name": n.name,
                    "address": n.address,
                    "link_mtu": n.link_mtu,
                    "pod_cidr": n.pod_cidr,
                    "nat": n.nat,
                    "strongswan": n.capabilities.text,
                    "managed": n.managed,
                }
                for n in self.nodes
            ],
            **({"planes": [plane.plane_json() for plane in self.planes]} if self.planes else {}),
        }

    def plane_json(self) -> dict[str, Any]:
        """Return what :meth:`as_json` says of a further network: room of packets between hosts, and who is on it."""
        return {
            "name": self.plane,
            "family": self.file.underlay.family,
            "classes": [
                {
                    "name": c.name,
                    "link_mtu": c.link_mtu,
                    "nat_t": c.nat_t,
                    "pairs": c.pairs,
                    "limited_by": c.limited_by,
                    "protected": c.protected,
                    "host_mtu": self.room(c),
                }
                for c in self.classes
            ],
            "nodes": [
                {"id": n.id, "name": n.name, "address": n.address, "link_mtu": n.link_mtu, "nat": n.nat}
                for n in self.nodes
            ],
        }


def stack_text(file: PlanFile, suite: str, nat_t: bool, family: str | None = None) -> str:
    """Return the packet of this plan in the stack notation, outermost header first; no suite: without ESP.

    ``family`` is the underlay's, by default the one that the overlay runs over.
    """
    outer = {"ipv4": "ip4", "ipv6": "ip6"}[family or file.underlay.carrier]
    inner = {"gre": "gre/ip4", "ipip": "ip4"}.get(file.overlay.type, f"udp/{file.encapsulation}/eth/ip4")
    if not suite:
        return f"{outer}/{inner}"
    udp = "udp/" if nat_t else ""
    tunnel = f"{outer}/" if file.ipsec.esp_mode == "tunnel" else ""
    return f"{outer}/{udp}esp:{suite}/{tunnel}{inner}"


def host_stack(file: PlanFile, suite: str, nat_t: bool, family: str) -> str:
    """Return a packet between two hosts with ``protect: hosts`` in the stack notation."""
    outer = {"ipv4": "ip4", "ipv6": "ip6"}[family]
    tunnel = f"/{outer}" if file.ipsec.esp_mode == "tunnel" else ""
    return f"{outer}/{'udp/' if nat_t else ''}esp:{suite}{tunnel}"
