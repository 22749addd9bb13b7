"""The law of growth: what a render does is proportional to the ends of tunnels, counted in calls and not in time."""

from __future__ import annotations

import cProfile
import math
import pstats
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, SupportsIndex

import pytest

from netplan.bundle.inputs_digest import inputs
from netplan.bundle.node_files import NodeFiles
from netplan.host import overlay
from netplan.model.node import Node
from netplan.plan.types import Plan
from tests.support.plans import make_planned

LAW = 1.1  # exponent by ends of tunnels; what a node costs without any makes it smaller at small sizes
SIZES = {"full-mesh": (40, 80, 160), "hub": (60, 120, 240), "zones": (40, 80, 160), "trap-any": (40, 80, 160)}
IPSEC: dict[str, dict[str, Any]] = {
    "full-mesh": {},
    "hub": {"topology": {"hub": "n1"}},
    "zones": {"topology": {"zones": ["zone_a", "zone_b"]}},
    "trap-any": {"topology": "trap-any", "nat_traversal": "never"},
}


class Counted(tuple[Node, ...]):
    """Hosts that count how often somebody looks at one of them."""

    looks = 0

    def __iter__(self) -> Iterator[Node]:
        for node in super().__iter__():
            Counted.looks += 1
            yield node

    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        Counted.looks += 1
        return super().__getitem__(at)


def counted(plan: Plan) -> tuple[int, int, int, int]:
    """Return ends of tunnels, calls, looks at hosts, and bytes of the files that nodes alone have."""
    main = replace(plan.main, nodes=Counted(plan.main.nodes))
    plan = replace(plan, fabrics=(main,))
    ends = 2 * sum(c.pairs for c in plan.classes if c.protected)
    made = NodeFiles(plan)
    nodes = tuple(plan.nodes)
    made.of(nodes[0])
    made.of(nodes[1])  # every kind of stanza is read back
    profile, size = cProfile.Profile(), 0
    Counted.looks = 0
    profile.enable()
    for node in nodes:
        size += sum(len(file.text) for file in made.of(node) if not file.common)
    profile.disable()
    return ends, pstats.Stats(profile).total_calls, Counted.looks, size  # type: ignore[attr-defined]


def exponent(points: list[tuple[int, int]]) -> float:
    (first, low), (last, high) = points[0], points[-1]
    return math.log(high / low) / math.log(last / first)


@pytest.mark.parametrize("shape", SIZES)
def test_render_of_more_hosts_grows_with_the_ends_of_tunnels(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "FLOODED", 3)  # a large cluster has a table
    found = [counted(make_planned(count, ipsec=IPSEC[shape]).plan) for count in SIZES[shape]]
    ends = [row[0] for row in found]
    grown = {
        word: exponent(list(zip(ends, [row[column] for row in found], strict=True)))
        for column, word in ((1, "calls"), (2, "looks"), (3, "bytes"))
    }
    assert max(grown.values()) <= LAW, grown


def test_inputs_of_more_hosts_grow_with_the_hosts() -> None:
    points = []
    for count in SIZES["hub"]:
        planned = make_planned(count, ipsec=IPSEC["hub"])
        profile = cProfile.Profile()
        inputs(planned.plan, planned.inventory)
        profile.enable()
        inputs(planned.plan, planned.inventory)
        profile.disable()
        points.append((count, pstats.Stats(profile).total_calls))  # type: ignore[attr-defined]
    assert exponent(points) <= LAW, points
