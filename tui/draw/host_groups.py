"""Groups hosts that the plan's arithmetic treats alike, and finds pairs that differ from most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from netplan.model.node import Node
from netplan.plan.classes import PairClass
from netplan.plan.types import Plan

Measured = dict[tuple[str, str], dict[str, Any]]  # (from, to) by name -> a pair of `verify --json`
MANY = 24  # above this, a map of hosts is no longer readable: zones and outliers first


@dataclass(frozen=True, slots=True)
class Zone:
    """Hosts that are interchangeable for the arithmetic."""

    name: str
    nodes: tuple[Node, ...]
    short: str = ""


def zones(plan: Plan) -> tuple[Zone, ...]:
    """Return the zones, largest first."""
    members: dict[object, list[Node]] = {}
    for node in plan.nodes:
        members.setdefault(plan.main.kinds[node.id], []).append(node)
    made = [(_name(plan, tuple(nodes)), tuple(nodes)) for nodes in members.values()]
    made.sort(key=lambda z: (-len(z[1]), z[0]))
    letters = [a + b for a in ("", *ascii_uppercase) for b in ascii_uppercase]
    return tuple(
        Zone(f"{letter} {name}, {len(n)}", n, letter) for letter, (name, n) in zip(letters, made, strict=False)
    )


def _name(plan: Plan, nodes: tuple[Node, ...]) -> str:
    first = nodes[0]
    ends = {name for rule in plan.file.underlay.paths for name in rule.between if name in first.groups}
    nat = ["NAT"] if first.nat else []
    return " ".join([*sorted(ends), str(first.link_mtu), *nat])


def between(plan: Plan, one: Zone, other: Zone) -> PairClass | None:
    """Return the class between two zones; None where a zone of one host meets itself."""
    if one is other:
        return plan.class_of(one.nodes[0], one.nodes[1]) if len(one.nodes) > 1 else None
    return plan.class_of(one.nodes[0], other.nodes[0])


def usual(plan: Plan) -> PairClass:
    """Return the class that most pairs are in."""
    return max(plan.classes, key=lambda c: (c.pairs, c.inner_mtu))


def outliers(plan: Plan, limit: int) -> list[tuple[Node, Node, PairClass]]:
    """Return pairs outside the usual class, smallest inner MTU first, at most ``limit``."""
    all_zones = zones(plan)
    meetings: list[tuple[PairClass, Zone, Zone]] = []
    for index, one in enumerate(all_zones):
        for other in all_zones[index:]:
            found = between(plan, one, other)
            if found is not None and found is not usual(plan):
                meetings.append((found, one, other))
    meetings.sort(key=lambda m: (m[0].inner_mtu, m[0].name))
    out: list[tuple[Node, Node, PairClass]] = []
    for pair_class, one, other in meetings:
        for first, second in _pairs(one, other):
            if len(out) == limit:
                return out
            out.append((first, second, pair_class))
    return out


def measured_wrong(plan: Plan, measured: Measured) -> list[tuple[Node, Node, PairClass]]:
    """Return the pairs of which a direction was measured otherwise than planned, each once."""
    nodes = {node.name: node for node in plan.nodes}
    wrong = {tuple(sorted(pair)) for pair, seen in measured.items() if not seen["ok"] and nodes.keys() >= set(pair)}
    return [(nodes[a], nodes[b], plan.class_of(nodes[a], nodes[b])) for a, b in sorted(wrong)]


def seen(measured: Measured, one: Node, other: Node) -> str:
    """Return in a word how the two directions of a pair were measured; empty when neither was."""
    both = [found for pair in ((one.name, other.name), (other.name, one.name)) if (found := measured.get(pair))]
    if not both:
        return ""
    return f"={both[0]['inner_mtu']}" if all(found["ok"] for found in both) else f"x{both[0]['inner_mtu']}"


def _pairs(one: Zone, other: Zone) -> Iterator[tuple[Node, Node]]:
    for index, first in enumerate(one.nodes):
        for second in one.nodes[index + 1 :] if one is other else other.nodes:
            yield first, second
