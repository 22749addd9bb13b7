"""Typed input to the frozen Plan: pure arithmetic, every number with its ledger.

The unit of arithmetic is a class of host pairs, never a pair: 1,000 hosts are 499,500 pairs but a handful of
classes. Pairs are generated when somebody asks for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from netplan.ids import identity, initiates, pair_id
from netplan.model import SECOND, Node, PlanFile, Underlay
from netplan.networks import NETWORKS
from netplan.pairing import CLEAR, Offer, Roles, common, joined, offer, protected, roles
from netplan.proposals import EspProposal, esp_proposal
from netplan.proposals.capabilities import Capabilities
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
_Key = tuple[int, bool, Offer]


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
            id=pair_id(one.id, other.id, self.plane), initiator=first, responder=second,
            pair_class=self.class_of(one, other),
        )  # fmt: skip

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
                    "name": c.name, "link_mtu": c.link_mtu, "nat_t": c.nat_t, "pairs": c.pairs,
                    "limited_by": c.limited_by, "protected": c.protected,
                    "host_mtu": self.room(c),
                }
                for c in self.classes
            ],
            "nodes": [
                {"id": n.id, "name": n.name, "address": n.address, "link_mtu": n.link_mtu, "nat": n.nat}
                for n in self.nodes
            ],
        }  # fmt: skip


def make_plan(file: PlanFile, nodes: tuple[Node, ...], existing: Mapping[str, str] | None = None) -> Plan:
    """Compute the plan of validated input; pure and total."""
    kinds = {node.id: _kind(file, node) for node in nodes}
    counts = Counter(kinds.values())
    links: dict[_Key, tuple[int, str]] = {}  # class key -> pairs, what limits it
    key_of: dict[tuple[_Kind, _Kind], _Key] = {}
    # one connection for every peer has one list of proposals: what all hosts know
    everyone = common(file, {n.capabilities for n in nodes}) if file.ipsec.mesh.shape == "trap-any" else None
    members = sorted(counts, key=lambda k: (k[0], k[1], sorted(k[2]), sorted(k[3]), repr(k[4]), k[5]))
    for index, one in enumerate(members):
        for other in members[index:]:
            number = counts[one] * (counts[one] - 1) // 2 if one == other else counts[one] * counts[other]
            if not number:
                continue
            mtu, limit = _link(file, one, other)
            agreed = everyone or _offer(file, one, other)
            key = (mtu, agreed.protected and _nat_t(file, one, other), agreed)
            key_of[one, other] = key_of[other, one] = key
            before, why = links.get(key, (0, limit))
            links[key] = (before + number, why)
    classes: dict[_Key, PairClass] = {}
    for number, key in enumerate(sorted(links, key=lambda k: (-k[0], k[1], not k[2].protected, k[2])), 1):
        mtu, nat_t, agreed = key
        count, limit = links[key]
        proposals = [p for p in (esp_proposal(text) for text in agreed.esp) if p is not None] or [NO_ESP]
        sized = tuple(_size(file, proposal, mtu, nat_t) for proposal in proposals)
        classes[key] = PairClass(
            name=f"c{number}", link_mtu=mtu, nat_t=nat_t, pairs=count, limited_by=limit, sized=sized, offer=agreed
        )
    return Plan(
        file=file,
        nodes=nodes,
        classes=tuple(classes.values()),
        kinds=kinds,
        class_of_kinds={kinds_pair: classes[key] for kinds_pair, key in key_of.items()},
        existing=existing or {},
        planes=tuple(_plane(file, plane.name, nodes) for plane in file.planes),
    )


def _plane(file: PlanFile, name: str, nodes: tuple[Node, ...]) -> Plan:
    """Compute a further network between the hosts, as if it were the only one."""
    plane = next(plane for plane in file.planes if plane.name == name)
    underlay = Underlay(mtu=plane.mtu, family=plane.family, paths=plane.paths)
    stations = (node.on(name, "" if name == SECOND else identity(node.id, name)) for node in nodes)
    made = make_plan(file.model_copy(update={"underlay": underlay}), tuple(n for n in stations if n is not None))
    return replace(made, plane=name)


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


def _size(file: PlanFile, proposal: EspProposal, link_mtu: int, nat_t: bool) -> Sized:
    stacks = [parse(stack_text(file, proposal.suite, nat_t, family)) for family in file.underlay.families]
    solutions = [solve(stack, link_mtu) for stack in stacks]
    worst = min(solutions, key=lambda s: s.inner_mtu)
    return Sized(proposal=proposal, stack=worst.stack, solution=worst, carried=stacks[0])


def _kind(file: PlanFile, node: Node) -> _Kind:
    rules = frozenset(
        (index, end)
        for index, rule in enumerate(file.underlay.paths)
        for end, name in enumerate(rule.between)
        if name in node.groups
    )
    return (node.link_mtu, node.nat, rules, roles(file.ipsec.mesh, node), node.capabilities, node.managed)


def _offer(file: PlanFile, one: _Kind, other: _Kind) -> Offer:
    """What a pair offers; nothing where the mesh leaves it out, or where both ends are somebody else's."""
    ours = one[5] or other[5]
    return offer(file, one[4], other[4]) if ours and protected(file.ipsec.mesh, one[3], other[3]) else CLEAR


def _link(file: PlanFile, one: _Kind, other: _Kind) -> tuple[int, str]:
    """The IP MTU between two kinds in bytes, and what sets it."""
    best = min(one[0], other[0])
    why = "the link of every host" if one[0] == other[0] else f"the slower host's link of {best}"
    for index, rule in enumerate(file.underlay.paths):
        if rule.mtu < best and joined(index, one[2], other[2]):
            best, why = rule.mtu, f"the path {rule.between[0]} - {rule.between[1]}"
    return best, why


def _nat_t(file: PlanFile, one: _Kind, other: _Kind) -> bool:
    """``auto`` means: decided here, for each pair, by whether an end is said to be behind NAT; never left open."""
    wanted = file.ipsec.nat_traversal
    return wanted == "always" or (wanted == "auto" and (one[1] or other[1]))
