"""Hosts and pairs as a graph: files in tests/cases/graph, written anew with `make golden`."""

from __future__ import annotations

from pathlib import Path

import pytest

from netplan.plan import graph
from tests.support.golden import check
from tests.support.plans import make_planned

CASES = Path(__file__).parents[1] / "cases" / "graph"


@pytest.mark.parametrize("kind", graph.FORMATS)
@pytest.mark.parametrize("count", [3, 8, 24, 25])
def test_a_graph_has_every_host_or_kind(count: int, kind: str) -> None:
    """To 24 hosts one by one, and a number at each line while there are few lines; then kinds of hosts."""
    ipsec = {"topology": {"zones": ["zone_a", "zone_b"]}} if count == 8 else {}
    plan = make_planned(count, {2: {"underlay_mtu": 1450}}, ipsec=ipsec).plan
    drawn = graph.graph(plan)
    assert len(drawn.vertices) == (count if count <= 24 else 2)
    if count != 24 or kind == "d2":
        check(CASES / f"{count}.{kind}", graph.FORMATS[kind](drawn))


def test_a_name_in_a_graph_is_text() -> None:
    hostile = graph.Graph('a"; x [', (graph.Vertex("v", 'a"b\n${x}<script>'),), ())
    assert '\\"' in graph.dot(hostile)
    assert "$" not in graph.d2(hostile)
    assert "<script>" not in graph.svg(hostile)
    assert graph.d2(hostile).splitlines()[-1] == r'v: "a\"b\n_{x}<script>"'
    assert 'label="é"' in graph.dot(graph.Graph("t", (graph.Vertex("v", "é"),), ()))


@pytest.mark.parametrize(("lines", "numbered"), [(24, True), (25, False)])
def test_numbers_stand_at_the_lines_while_they_are_few(lines: int, numbered: bool) -> None:
    ends = tuple(graph.Vertex(name, name) for name in "ab")
    drawn = graph.Graph("t", ends, tuple(graph.Edge("a", "b", f"{at}", True) for at in range(lines)))
    assert (">7</text>" in graph.svg(drawn)) is numbered
