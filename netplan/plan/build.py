"""Typed input to the frozen Plan: pure arithmetic, every number with its ledger.

The unit of arithmetic is a class of host pairs, never a pair: 1,000 hosts are 499,500 pairs but a handful of
classes. Pairs are generated when somebody asks for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from netplan.model.ids import identity
from netplan.model.node import Node
from netplan.model.planfile import SECOND, PlanFile, Underlay
from netplan.model.proposals import EspProposal, esp_proposal
from netplan.model.topology import CLEAR, Offer, common, joined, offer, protected, roles
from netplan.plan.types import NO_ESP, PairClass, Plan, Sized, _Kind, stack_text
from netplan.stack import parse, solve

_Key = tuple[int, bool, Offer]


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
