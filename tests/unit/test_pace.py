"""Timers that follow from what a round trip takes: the arithmetic, against rollouts that are played."""

from __future__ import annotations

import heapq
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netplan.rollout import pace as arithmetic
from netplan.rollout import phases
from netplan.rollout.nodes.witness import deadlines_of, witnesses
from netplan.rollout.pace import (
    LEAST_TIMER_S,
    LONGEST_TIMER_S,
    SPREAD,
    USUAL_TIMER_S,
    Limits,
    Pace,
    Timing,
    automatic,
    least_deadline_s,
    look_work,
    smallest,
    trip,
)
from netplan.rollout.phases import Step
from netplan.rollout.timers import Timers

ENDING = (phases.PREPARE, phases.CONFIRM)
APPLY = (*phases.in_waves(phases.APPLY, 4), *ENDING)
TRY = (*phases.in_waves(phases.APPLY, 4), phases.AWAIT_CONFIRM, *ENDING)


@pytest.mark.parametrize(
    ("trip_s", "work_s", "nodes", "least", "auto"),
    [
        (0.5, 1.5, 3, 30, 180),  # servers in one room
        (1.5, 4.0, 3, 30, 180),
        (3.0, 8.0, 3, 45, 180),  # the lab on a quiet machine
        (23.0, 91.0, 3, 379, 480),  # the lab under load: its nodes reverted at 180 s
        (1.5, 4.0, 50, 64, 180),
        (1.5, 4.0, 100, 97, 218),  # forks are filled twice
        (1200.0, 91.0, 3, 6777, LONGEST_TIMER_S),  # nothing up to an hour will do
    ],
)
def test_timers(trip_s: float, work_s: float, nodes: int, least: int, auto: int) -> None:
    pace = Pace(trip_s=trip_s, work_s=work_s, nodes=nodes, peers=nodes - 1)
    assert (smallest(pace, APPLY), automatic(pace, APPLY)) == (least, auto)


def test_what_nothing_was_measured_for_is_as_it_always_was() -> None:
    assert (smallest(Pace(), APPLY), automatic(Pace(), APPLY)) == (LEAST_TIMER_S, USUAL_TIMER_S)
    assert Pace(trip_s=0.5, work_s=1).full_patience_s == 45
    quick = Pace(trip_s=1)
    assert (quick.apart_s, quick.again_s, quick.keep_margin_s, quick.revert_timer_s) == (10, 25, 10, 120)
    assert quick.lease_s(180) == 195
    assert quick.limits(180) == Limits(step_s=900, connect_s=10, alive_s=15, prompt_s=60)
    assert least_deadline_s(quick) == 16


def test_slow_nodes_are_waited_for() -> None:
    slow = Pace(trip_s=30, work_s=90, nodes=3, peers=2)
    assert (slow.limits(2000).connect_s, slow.limits(2000).alive_s) == (90, 45), "a new connection takes longer"
    assert slow.limits(2000).step_s > 2000 + 45
    assert slow.revert_timer_s > 3 * 30
    assert slow.apart_s == 36
    assert slow.keep_margin_s > 45
    assert slow.again_s == 90
    assert slow.lease_s(180) == 225
    assert slow.least_keep_s > 45 + slow.keep_margin_s
    gone = Pace(trip_s=500).limits()
    assert (gone.connect_s, gone.alive_s) == (120, 60), "a node that is gone is noticed"


def played(sent: list[str], forks: int, took: dict[str, float], start: float) -> tuple[dict[str, float], float]:
    """Let ``forks`` workers do one thing a node after the other; return when each was begun, and the end."""
    free = [0.0] * forks
    begun = {}
    for node in sent:
        begun[node] = heapq.heappop(free)
        heapq.heappush(free, begun[node] + took[node])
    return begun, start + max(free)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[Pace, st.DrawFn]:
    nodes = draw(st.integers(2, 9))
    pace = Pace(
        trip_s=draw(st.floats(0, 60)),
        work_s=draw(st.floats(0, 120)),
        nodes=nodes,
        peers=draw(st.integers(1, 20)),
        soak_s=draw(st.floats(0, 100)),
        forks=draw(st.integers(nodes, 9)),  # nobody is held; test_many_nodes.py has fewer
    )
    return pace, draw


@settings(max_examples=150, deadline=None)
@given(clusters(), st.sampled_from([APPLY, TRY, APPLY[3:], (phases.PROBE, *ENDING)]), st.booleans())
def test_no_timer_fires_under_a_run_whose_trips_are_as_long_as_is_reckoned_with(
    made: tuple[Pace, st.DrawFn], steps: tuple[Step, ...], auto: bool
) -> None:
    pace, draw = made
    nodes = [f"n{i}" for i in range(pace.nodes)]
    roles = witnesses({node: [other for other in nodes if other != node] for node in nodes})
    timer = automatic(pace, steps) if auto else smallest(pace, steps)
    if timer >= LONGEST_TIMER_S:
        return
    waits = pace.least_patience_s
    first = min(
        deadlines_of(roles, timer, least_s=least_deadline_s(pace), apart_s=pace.apart_s).values(),
    )
    now, ends = 0.0, dict.fromkeys(nodes, float("inf"))
    for step in steps:
        there = {node: draw(st.floats(0, SPREAD * pace.trip_s)) for node in nodes}
        share = draw(st.floats(0, 1))
        busy = share * (pace.work(step) + (waits if {"ike-check", "encrypt"} & set(step.phases) else 0))
        sent = nodes[:2] if step.pairs == "canary" else nodes
        began = now
        begun, now = played(
            sent, pace.forks, {n: max(there[n], share * SPREAD * pace.trip_s) + busy for n in sent}, now
        )
        for node in sent:
            assert began + begun[node] + there[node] <= ends[node] + 1e-6, (step.key, timer)
            if step.rearm or "arm" in step.phases:
                extra = pace.soak_s if "soak" in step.phases else 0
                ends[node] = began + (first if step == phases.PREPARE else timer + extra)
                if step == phases.AWAIT_CONFIRM:
                    ends[node] = began + pace.least_keep_s
        now += pace.between_s
        if step == phases.AWAIT_CONFIRM:
            now = min(ends.values()) - pace.keep_margin_s  # the last moment for a yes


def test_the_longest_gap_is_that_of_a_node_that_the_first_pair_does_not_concern() -> None:
    found = arithmetic.gaps(Pace(trip_s=10, work_s=0, nodes=3), APPLY, 20)
    assert max(found, key=found.__getitem__) == phases.APPLY[1].key
    assert found[phases.APPLY[1].key] == pytest.approx(15 + 20 + 15 + 20 + 15, abs=2.1)


def test_a_trip_is_what_was_not_work() -> None:
    seen = {"a": Timing(3.0, 1.0), "b": Timing(9.0, 1.0)}
    assert trip(["a", "b"], seen, 9.5) == pytest.approx(8.5)
    assert trip(["a", "b"], {}, 9.5) == 0.0, "who did not answer says nothing"
    assert trip(["a", "b", "c"], {"a": Timing(3, 0), "b": Timing(4, 0)}, 90) > 80, "what others were waited for counts"


def test_who_waits_for_a_fork_has_no_long_trip() -> None:
    nodes = [f"n{i}" for i in range(120)]
    begun, end = played(nodes, 50, dict.fromkeys(nodes, 10.0), 0)
    seen = {node: Timing(begun[node] + 10.0, 7.0) for node in nodes}
    assert trip(nodes, seen, end) == pytest.approx(3.0)


def test_how_fast_a_node_is_is_told_by_what_waits_for_nobody() -> None:
    assert look_work([("status", 35.0), ("preflight", 65.0)]) == pytest.approx(100)
    assert look_work([("status", 35.0)]) == pytest.approx(100)
    assert look_work([("lower-devices", 30.0), ("credentials", 20.0), ("ike-check", 400.0)]) < 100
    assert look_work([("ike-check", 40.0), ("soak", 86400.0)]) == 0.0
    assert look_work([("await-confirm", 3.0)]) == 0.0, "a hiccup in a phase that does nothing"


@pytest.mark.parametrize("forks", [1, 5, 50])
@pytest.mark.parametrize("nodes", [60, 200, 1000, 10000])
def test_every_number_of_nodes_has_a_timer_with_any_forks(nodes: int, forks: int) -> None:
    peers = min(nodes - 1, 200)
    pace = Pace(trip_s=1, work_s=2, nodes=nodes, peers=peers, directions=nodes * peers, forks=forks)
    least, auto = smallest(pace, APPLY), automatic(pace, APPLY)
    assert least <= auto <= pace.longest_timer_s
    assert auto >= arithmetic.held(pace, APPLY) - 1 or auto >= arithmetic.longest(pace, APPLY, pace.full_patience_s)
    assert auto < 3600 or pace.rounds > 200, "longer than an hour only where arming every node anew takes as long"


def test_asking_again_gets_slower_and_not_too_slow() -> None:
    for trip_s in (0.0, 0.5, 3.0, 40.0):
        pauses = [Pace(trip_s=trip_s).pause(number) for number in range(100)]
        assert pauses == sorted(pauses)
        assert arithmetic.PAUSE_S <= pauses[0] <= pauses[-1] <= arithmetic.MOST_PAUSE_S
        assert sum(pauses[:10]) >= min(10.0, 4 * trip_s)


def test_a_node_looks_again_itself_only_where_all_are_asked_at_once() -> None:
    assert Pace(nodes=50, forks=50).linger_s == 8
    assert Pace(nodes=50, forks=50, trip_s=3).linger_s == 3
    assert Pace(nodes=51, forks=50, trip_s=3).linger_s == 0


def test_forks_follow_from_processors_memory_and_what_a_request_takes() -> None:
    gib = 2**30
    assert [arithmetic.forks(2, 8 * gib, latency) for latency in (0.0, 0.1, 5.0, 60.0)] == [50, 20, 59, 100]
    assert arithmetic.forks(64, 8 * gib) == 170, "no more than fit into the memory"
    assert arithmetic.forks(1, 0) == 1


def test_work_of_less_than_nothing_makes_no_trip_longer() -> None:
    result: Any = {"phase": "arm", "seconds": -1e12}
    timers = Timers(None, 600, Pace())
    timers.learn(["n-a"], {"n-a": 0.5}, {"n-a": [result]}, 0.5)
    assert timers.pace.trip_s == 0.5
