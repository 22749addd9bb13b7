"""Plan arithmetic by classes of host pairs, as a share of a plain loop over all pairs.

10,000 hosts with 64 different link MTUs are 49,995,000 pairs. The loop does as little as a loop can: the smaller link
of the two, one solve. It is run over a slice of the pairs and scaled; ``FULL=1`` runs it over all of them.
"""

from __future__ import annotations

import itertools
import os

from benchmarks.result import Result, cpu
from netplan.model.node import Node
from netplan.model.planfile import PlanFile
from netplan.plan.build import make_plan
from netplan.stack import largest_inner, parse

HOSTS, CLASSES = 10_000, 64
SLICE = 500_000
GOAL = 0.05


def hosts() -> tuple[Node, ...]:
    return tuple(
        Node(
            id=f"n{n}",
            name=f"n{n}",
            address=f"10.{n >> 8}.{n & 255}.1",
            link_mtu=1500 + n % CLASSES * 100,
            pod_cidr="10.0.0.0/24",
            overlay_address="10.0.0.1",
            nat=False,
            groups=frozenset(),
        )
        for n in range(HOSTS)
    )


def measure() -> list[Result]:
    nodes = hosts()
    file = PlanFile.model_validate({"name": "bench", "inventory": "none"})
    ours = min(cpu(lambda: make_plan(file, nodes)) for _ in range(3))
    plan = make_plan(file, nodes)
    stack = plan.classes[0].preferred.stack if plan.classes else parse("ip4")
    links = [node.link_mtu for node in nodes]
    pairs = HOSTS * (HOSTS - 1) // 2
    number = pairs if os.environ.get("FULL") else SLICE
    smallest = [1 << 20]

    def loop() -> None:
        least = smallest[0]
        for one, other in itertools.islice(itertools.combinations(links, 2), number):
            inner = largest_inner(stack, min(one, other))
            least = min(least, inner)
        smallest[0] = least

    plain = cpu(loop) * pairs / number
    assert sum(c.pairs for c in plan.classes) == pairs
    assert plan.limiting.inner_mtu == smallest[0]
    how = "all of them" if number == pairs else f"{number:,} of them, scaled"
    return [
        Result(
            name=f"plan of {HOSTS:,} hosts in {CLASSES} classes, against a loop",
            value=ours / plain,
            goal=GOAL,
            unit="",
            detail=f"{ours:.3f} s against {plain:.1f} s CPU for {pairs:,} pairs ({how})",
        )
    ]
