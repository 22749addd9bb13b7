"""Rates from two looks at counters, and the verb ``top`` that shows them."""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netplan.bundle import reader, write
from netplan.cli import top
from netplan.rollout.engine import Engine
from netplan.rollout.nodes.targets import Target
from netplan.rollout.outcome import Options
from netplan.rollout.record.journal import ClusterState
from netplan.verify.traffic import traffic
from tests.support import replies
from tests.support.fake_nodes import FakeNodes
from tests.support.in_process import run
from tests.support.plans import make_planned

A, B = "n-a", "n-b"
NODES: Any = {
    A: {"id": A, "name": "a", "peers": [{"id": B, "name": "b"}]},
    B: {"id": B, "name": "b", "peers": [{"id": A, "name": "a"}]},
}


def look(at: float = 100.0, **rows: dict[str, Any]) -> Any:
    """Both nodes; ``rows``: what the one pair of a node (a, b) has other than the usual."""
    found = {}
    for node_id, node in NODES.items():
        answer = replies.counters(node, at=at)
        answer["pairs"][0].update(rows.get(node["name"], {}))
        found[node_id] = answer
    return found


def child(number: int, out: int, came: int = 0, size: int = 100) -> dict[str, int]:
    return {
        "id": number,
        "bytes_out": out * size,
        "packets_out": out,
        "bytes_in": came * size,
        "packets_in": came,
    }


def flow(before: Any, after: Any, source: str = "a") -> Any:
    return next(one for one in traffic(NODES, before, after).flows if one.source == source)


def test_a_rate_is_what_was_counted_between_two_looks() -> None:
    before = look(100.0, a={"children": [child(1, 10)]}, b={"children": [child(7, 0, 10)]})
    after = look(104.0, a={"children": [child(1, 50)]}, b={"children": [child(7, 0, 48)]})
    found = flow(before, after)
    assert (found.bytes_s, found.packets_s) == (1000.0, 10.0)
    assert flow({}, after).bytes_s is None, "one look tells no rate"
    assert flow({}, after).lost is None


def test_a_rekey_between_the_looks_loses_and_doubles_nothing() -> None:
    before = look(100.0, a={"children": [child(1, 10)]}, b={"children": [child(7, 0, 10)]})
    both = look(102.0, a={"children": [child(1, 14), child(2, 6)]}, b={"children": [child(7, 0, 14), child(8, 0, 6)]})
    after = look(104.0, a={"children": [child(2, 16)]}, b={"children": [child(8, 0, 16)]})
    assert flow(before, both).packets_s == 5.0
    assert flow(both, after).packets_s == 5.0


@pytest.mark.parametrize(
    ("sent", "came", "ids", "lost"),
    [
        (100, 100, (1, 1), 0),
        (100, 97, (1, 1), 3),
        (100, 400, (1, 1), 0),  # the receiver was asked long after the sender: nothing is missing
        (100, 2, (1, 2), None),  # a rekey: it counts other packets
    ],
)
def test_lost_is_what_was_sent_before_and_has_not_come_since(
    sent: int, came: int, ids: tuple[int, int], lost: int | None
) -> None:
    """Two nodes are not asked at one moment: of what the sender counts meanwhile nothing can be said."""
    before = look(100.0, a={"packets_out": sent, "children": [child(1, sent)]}, b={"children": [child(ids[0], 0)]})
    after = look(
        105.0,
        a={"packets_out": sent + 900, "children": [child(1, sent + 900)]},
        b={"packets_in": came, "children": [child(ids[1], 0, came)]},
    )
    assert flow(before, after).lost == lost


def test_after_a_boot_there_is_no_rate() -> None:
    assert flow(look(5000.0), look(3.0)).bytes_s is None


def test_who_does_not_answer_is_named_and_what_it_would_tell_is_not_known() -> None:
    before, after = look(100.0), look(105.0)
    del after[B]
    seen = traffic(NODES, before, after)
    assert (seen.silent, [one.lost for one in seen.flows]) == (("b",), [None])


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1000)), max_size=12),
    st.floats(0.5, 1000, allow_nan=False),
)
def test_rates_of_all_intervals_sum_up_to_what_was_sent(steps: list[tuple[int, int]], seconds: float) -> None:
    """Whatever rekeys come between: an SA is listed in the look after its end, as charon does for 5 s."""
    number, counted, sent, at = 1, 0, 0, 100.0
    looks = [look(at, a={"children": [child(1, 0)]})]
    for kind, more in steps:
        old = []
        if kind == 0:  # a rekey
            old, number, counted = [child(number, counted)], number + 1, 0
        counted, sent, at = counted + more, sent + more, at + seconds
        looks.append(look(at, a={"children": [*old, child(number, counted)]}))
    total = sum(flow(one, two).packets_s * seconds for one, two in itertools.pairwise(looks))
    assert total == pytest.approx(sent, rel=1e-6)


def test_a_node_tells_what_rose_in_the_interval() -> None:
    before, after = look(100.0), look(105.0)
    after[A]["ip"]["IpFragCreates"] = 6
    after[A]["xfrm"]["XfrmInNoStates"] = 2
    after[A]["devices"][0]["counters"]["tx_dropped"] = 3
    after[A]["guard"]["clear"]["clear_in"] = 1
    (a, b) = traffic(NODES, before, after).nodes
    assert a.rose == {"XfrmInNoStates": 2, "ov0 tx_dropped": 3, "IpFragCreates": 6, "clear_in": 1}
    assert (a.fragments, a.drops, a.xfrm_errors, a.clear, b.rose) == (6, 3, 2, 1, {})


@pytest.mark.parametrize(("order", "first"), [("rate", "a"), ("packets", "a"), ("lost", "b"), ("total", "b")])
def test_the_first_row_has_most_of_what_is_asked_for(order: str, first: str) -> None:
    before = look(100.0, a={"children": [child(1, 0)]}, b={"children": [child(7, 0, 0)], "packets_out": 90})
    after = look(105.0, a={"children": [child(1, 90, 1)]}, b={"children": [child(7, 9, 90)], "bytes_out": 10**9})
    assert traffic(NODES, before, after, order=order).flows[0].source == first


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.5, "0.5"), (999, "999"), (999.6, "1k"), (1234567, "1.23M"), (9.99e9, "9.99G"), (1e18, "1e+06T")],
)
def test_numbers_are_short(number: float, text: str) -> None:
    assert top.short(number) == text


# the verb


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A bundle of two nodes whose counters rise by 50 packets of 100 bytes a look; what is put in ends a node."""
    planned = make_planned(2)
    write.write(tmp_path / "bundle", planned.plan, planned.inventory)
    monkeypatch.chdir(tmp_path)
    looks: list[int] = []

    def answer(_phase: str, node_id: str) -> dict[str, Any]:
        read = reader.read(tmp_path / "bundle").node(node_id)
        if read["name"] == "n1":
            looks.append(1)
        found = copy.deepcopy(replies.counters(dict(read), at=100.0 + 5 * len(looks)))
        found["pairs"][0] |= {"packets_in": 20, "children": [child(1, 50 * len(looks), 50 * len(looks))]}
        return found

    @contextlib.contextmanager
    def opened(bundle: Path, *_: object, **__: object) -> Iterator[Engine]:
        read = reader.read(bundle)
        targets = [Target(i, at["name"], at["digest"], read.node(i), (), {}, {}) for i, at in read.nodes.items()]
        nodes: Any = FakeNodes(answer)
        state = ClusterState(tmp_path / "state", read.cluster, reading=True)
        yield Engine(read.cluster, read.digest, targets, nodes, state, lambda _: None, Options(), Unhurried())

    monkeypatch.setattr(top, "opened", opened)
    return looks


class Unhurried(threading.Event):
    """Nobody stops it, and no time passes while it waits."""

    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        return False


def test_once_is_two_looks_and_one_table(counting: list[int]) -> None:
    code, said = run(["top", "bundle", "--once"])
    assert (code, len(counting)) == (0, 2)
    heads, *rows = said.splitlines()[1:]
    assert heads == "FROM  TO  BIT/S  PACKETS/S  LOST  BYTES  PACKETS  SAS  SUITE           PATH MTU"
    assert rows[0].split() == ["n1", "n2", "8k", "10", "0", "2000", "20", "2/2", "AES_GCM_16-256", "-"]
    assert rows[2] == ""


def test_json_is_one_object_or_a_line_for_each_table(counting: list[int]) -> None:
    code, said = run(["top", "bundle", "--once", "--json"])
    found = json.loads(said)["result"]
    assert code == 0
    assert [(p["from"], p["to"], p["bytes_per_second"], p["lost"]) for p in found["pairs"]] == [
        ("n1", "n2", 1000.0, 0),
        ("n2", "n1", 1000.0, 0),
    ]
    code, said = run(["top", "bundle", "--count", "3", "--json"])
    assert [len(json.loads(line)["nodes"]) for line in said.splitlines()] == [2, 2, 2]
    assert len(counting) == 2 + 4


@pytest.mark.usefixtures("counting")
def test_few_rows_say_how_many_are_left() -> None:
    assert "... 1 more (--rows)" in run(["top", "bundle", "--once", "--rows", "1"])[1]
