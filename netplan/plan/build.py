"""Typed input to the frozen Plan: pure arithmetic, every number with its ledger.

The unit of arithmetic is a class of host pairs, never a pair: 1,000 hosts are 499,500 pairs but a handful of
classes. Pairs are generated when somebody asks for them. Each network between the hosts is planned as if it were the
only one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from netplan.model.ids import identity
from netplan.model.node import Node
from netplan.model.planfile import SECOND, PathRule, PlanFile
from netplan.model.proposals import EspProposal, esp_proposal
from netplan.model.topology import CLEAR, Offer, common, joined, offer, protected, roles
from netplan.plan.classes import UNPROTECTED, HostKind, PairClass, Sized
from netplan.plan.fabric import Fabric
from netplan.plan.types import Plan
from netplan.problems import counted
from netplan.stack import parse, solve

Family = Literal["ipv4", "ipv6"]
NAMED = 4  # hosts that are named in what limits a class


class _ClassKey(NamedTuple):
    """What the pairs of one class have in common."""

    link_mtu: int
    nat_t: bool
    offer: Offer


@dataclass(slots=True)
class _KindPairs:
    """Pairs of host kinds, by class: ``key_of`` each two kinds, ``count`` of host pairs, ``narrow`` the kinds of hosts
    and the paths that limit them."""

    key_of: dict[tuple[HostKind, HostKind], _ClassKey] = field(default_factory=dict)
    count: Counter[_ClassKey] = field(default_factory=Counter)
    narrow: dict[_ClassKey, dict[HostKind | str, None]] = field(default_factory=dict)


def make_plan(file: PlanFile, nodes: tuple[Node, ...], existing: Mapping[str, str] | None = None) -> Plan:
    """Compute the plan of validated input; pure and total."""
    main = _fabric(file, "", file.underlay.families, file.underlay.paths, nodes)
    additional = []
    for network in file.additional_networks:
        there = (node.on(network.name, _identity(node, network.name)) for node in nodes)
        present = tuple(node for node in there if node is not None)
        additional.append(_fabric(file, network.name, (network.family,), network.paths, present))
    return Plan(file=file, fabrics=(main, *additional), existing=existing or {})


def _identity(node: Node, network: str) -> str:
    """Return the IKE identity of a host on an additional network; empty where its id serves."""
    return "" if network == SECOND else identity(node.id, network)


def _fabric(
    file: PlanFile, name: str, families: tuple[Family, ...], paths: Sequence[PathRule], nodes: tuple[Node, ...]
) -> Fabric:
    """Compute one network; its MTU is safe for all ``families``, and packets between hosts are of the first."""
    kinds = _group_hosts(file, paths, nodes)
    pairs = _pair_kinds(file, paths, Counter(kinds.values()))
    classes = _size_classes(file, families, pairs, _Limits(nodes, kinds))
    return Fabric(
        name=name,
        family=families[0],
        mode=file.ipsec.mode,
        nodes=nodes,
        classes=tuple(classes.values()),
        kinds=kinds,
        class_of_kinds={two: classes[key] for two, key in pairs.key_of.items()},
    )


def _group_hosts(file: PlanFile, paths: Sequence[PathRule], nodes: tuple[Node, ...]) -> dict[str, HostKind]:
    """Return node id -> kind: hosts of one kind are interchangeable for the arithmetic."""
    return {
        node.id: HostKind(
            link_mtu=node.link_mtu,
            nat=node.nat,
            path_ends=frozenset(
                (index, end)
                for index, rule in enumerate(paths)
                for end, name in enumerate(rule.between)
                if name in node.groups
            ),
            topology_ends=roles(file.ipsec.topology, node),
            capabilities=node.capabilities,
            managed=node.managed,
        )
        for node in nodes
    }


def _pair_kinds(file: PlanFile, paths: Sequence[PathRule], counts: Counter[HostKind]) -> _KindPairs:
    """Return the class of each two kinds, with how many host pairs each class has."""
    # one connection for every peer has one list of proposals: what all hosts know
    trap_any = file.ipsec.topology.shape == "trap-any"
    everyone = common(file, {kind.capabilities for kind in counts}) if trap_any else None
    found = _KindPairs()
    ordered = sorted(counts, key=_order)
    for index, one in enumerate(ordered):
        for other in ordered[index:]:
            number = counts[one] * (counts[one] - 1) // 2 if one == other else counts[one] * counts[other]
            if not number:
                continue
            mtu, limits = _link(paths, one, other)
            agreed = everyone or _offer(file, one, other)
            key = _ClassKey(mtu, agreed.protected and _nat_t(file, one, other), agreed)
            found.key_of[one, other] = found.key_of[other, one] = key
            found.count[key] += number
            found.narrow.setdefault(key, {}).update(dict.fromkeys(limits))
    return found


def _order(kind: HostKind) -> tuple[Any, ...]:
    return (*kind[:2], sorted(kind.path_ends), sorted(kind.topology_ends), repr(kind.capabilities), kind.managed)


class _Limits:
    """What limits a class, in words that name the hosts or the path."""

    def __init__(self, nodes: tuple[Node, ...], kinds: Mapping[str, HostKind]) -> None:
        self._hosts = len(nodes)
        self._names: dict[HostKind, list[str]] = {}
        for node in nodes:
            self._names.setdefault(kinds[node.id], []).append(node.name)

    def of(self, narrow: Iterable[HostKind | str]) -> str:
        """Return the words for kinds of hosts with a narrow link, and for paths (which are words already)."""
        paths = [limit for limit in narrow if isinstance(limit, str)]
        kinds = [self._names[limit] for limit in narrow if not isinstance(limit, str)]
        number = sum(map(len, kinds))
        if number == self._hosts and not paths:
            return "the link of every host"
        first = sorted(name for names in kinds for name in names[:NAMED])[:NAMED]
        more = f" and {number - NAMED} more" if number > NAMED else ""
        hosts = [f"{number} of {counted(self._hosts, 'host')}: {', '.join(first)}{more}"] if kinds else []
        return "; ".join([*hosts, *paths])


def _size_classes(
    file: PlanFile, families: tuple[Family, ...], pairs: _KindPairs, limits: _Limits
) -> dict[_ClassKey, PairClass]:
    """Return the classes with their solved packets, the largest link first."""
    classes: dict[_ClassKey, PairClass] = {}
    ordered = sorted(pairs.count, key=lambda k: (-k.link_mtu, k.nat_t, not k.offer.protected, k.offer))
    for number, key in enumerate(ordered, 1):
        proposals = [p for p in (esp_proposal(text) for text in key.offer.esp) if p is not None] or [UNPROTECTED]
        classes[key] = PairClass(
            name=f"c{number}",
            link_mtu=key.link_mtu,
            nat_t=key.nat_t,
            pairs=pairs.count[key],
            limited_by=limits.of(pairs.narrow[key]),
            sized=tuple(_size(file, families, proposal, key) for proposal in proposals),
            offer=key.offer,
        )
    return classes


def _size(file: PlanFile, families: tuple[Family, ...], proposal: EspProposal, key: _ClassKey) -> Sized:
    stacks = [parse(_overlay_stack(file, proposal.suite, key.nat_t, family)) for family in families]
    solutions = [solve(stack, key.link_mtu) for stack in stacks]
    worst = min(solutions, key=lambda s: s.inner_mtu)
    return Sized(proposal=proposal, stack=worst.stack, solution=worst, overlay_stack=stacks[0])


def _overlay_stack(file: PlanFile, suite: str, nat_t: bool, family: Family) -> str:
    """Return a pod's packet in the stack notation, outermost header first; no suite: without ESP."""
    outer = {"ipv4": "ip4", "ipv6": "ip6"}[family]
    inner = {"gre": "gre/ip4", "ipip": "ip4"}.get(file.overlay.type, f"udp/{file.encapsulation}/eth/ip4")
    if not suite:
        return f"{outer}/{inner}"
    udp = "udp/" if nat_t else ""
    tunnel = {"tunnel": f"{outer}/", "iptfs": f"iptfs/{outer}/"}.get(file.ipsec.mode, "")
    return f"{outer}/{udp}esp:{suite}/{tunnel}{inner}"


def _offer(file: PlanFile, one: HostKind, other: HostKind) -> Offer:
    """What a pair offers; nothing where the topology leaves it out, or where neither end is managed."""
    if not (one.managed or other.managed):
        return CLEAR
    if not protected(file.ipsec.topology, one.topology_ends, other.topology_ends):
        return CLEAR
    return offer(file, one.capabilities, other.capabilities)


def _link(paths: Sequence[PathRule], one: HostKind, other: HostKind) -> tuple[int, Sequence[HostKind | str]]:
    """The IP MTU between two kinds in bytes, and what sets it: the kinds with that link, or a path in words."""
    best = min(one.link_mtu, other.link_mtu)
    limits: Sequence[HostKind | str] = [kind for kind in (one, other) if kind.link_mtu == best]
    for index, rule in enumerate(paths):
        if rule.mtu < best and joined(index, one.path_ends, other.path_ends):
            best, limits = rule.mtu, [f"the path {rule.between[0]} - {rule.between[1]}"]
    return best, limits


def _nat_t(file: PlanFile, one: HostKind, other: HostKind) -> bool:
    """``auto`` means: decided here, for each pair, by whether an end is said to be behind NAT; never left open."""
    wanted = file.ipsec.nat_traversal
    return wanted == "always" or (wanted == "auto" and (one.nat or other.nat))
