"""The timers of a run over more nodes than are talked to at once: in which parts they are asked, who is armed then."""

from __future__ import annotations

import math

import pytest

from netplan.rollout import phases
from netplan.rollout.pace import Limits, Pace
from netplan.rollout.phases import Step
from netplan.rollout.timers import Armed, Timers

# 25 rounds of 4 nodes: a round is asked for 5 s, all of a step for 126.3 s, and whoever is held is so after 85.9 s
PACE = Pace(trip_s=2.0, work_s=8.0, nodes=100, peers=99, forks=4)
ENCRYPT, ARM, BACK = Step(phases=("encrypt",)), phases.APPLY[0], Step(phases=("roll-back",), rearm=False)


def test_the_numbers_below_are_those_of_the_pace() -> None:
    assert (PACE.rounds, PACE.turn(ENCRYPT), PACE.work(ENCRYPT), PACE.assumed_s) == (25, 5.0, 2.0, 3.0)
    held = PACE.between_s + PACE.reach(phases.HOLD)
    assert (round(PACE.wall(ENCRYPT), 6), round(PACE.hold_s, 6), round(held, 6)) == (126.3, 85.9, 85.9)


@pytest.mark.parametrize(
    ("timer", "step", "nodes"),
    [
        (60, ENCRYPT, 4),  # a round at least
        (180, ENCRYPT, 4),  # 180 - 2 * 85.9 s is one round
        (182, ENCRYPT, 8),
        (200, ENCRYPT, 20),
        (212, ENCRYPT, 32),
        (213, ENCRYPT, None),  # 126.3 + 85.9 s: all of them
        (200, ARM, 12),  # arms, although it is no step that arms anew
        (200, BACK, None),  # arms nobody
        (200, phases.PREPARE, None),  # has timers of its own
    ],
)
def test_so_many_nodes_do_a_step_before_the_others_are_held(timer: int, step: Step, nodes: int | None) -> None:
    assert Timers(timer, 600, PACE).slice(step) == nodes


def test_where_all_are_asked_at_once_there_are_no_parts() -> None:
    assert Timers(60, 600, Pace(trip_s=2.0, work_s=8.0, nodes=4, forks=4)).slice(ENCRYPT) is None
    assert Timers(20, 600, Pace(trip_s=2.0, work_s=8.0, nodes=4, forks=4)).slice(ENCRYPT) is None


@pytest.mark.parametrize(
    ("rounds", "now", "due"),
    [
        (1, 0.0, []),
        (1, 109.0, []),
        (1, 109.2, ["n-b"]),  # 200 - 90.9: a round of 5 s, then it is held within 85.9 s
        (1, 111.0, ["n-b"]),
        (1, 111.2, ["n-a", "n-b"]),  # who is asked has 3 s to hear of it, and is armed with the others below 88.9 s
        (2, 104.0, []),
        (2, 104.2, ["n-b"]),
        (2, 106.2, ["n-a", "n-b"]),
        (3, 99.2, ["n-b"]),
        (3, 101.2, ["n-a", "n-b"]),
        (3, 300.0, ["n-a", "n-b"]),
    ],
)
def test_who_would_not_outlast_the_next_rounds_is_armed_first(rounds: int, now: float, due: list[str]) -> None:
    clock = Timers(200, 600, PACE, armed={i: [Armed("trap", 0.0, 200.0)] for i in ("n-a", "n-b")})
    assert clock.due(ENCRYPT, ["n-a"], now, rounds) == due


def test_at_the_very_second_a_timer_is_long_enough() -> None:
    """``need`` of a node that is asked is 3 s, of another one 10 s and what holding takes."""
    clock = Timers(200, 600, PACE, armed={"n-a": [Armed("trap", 0.0, 200.0)]})
    assert clock.due(ENCRYPT, ["n-a"], 197.0, 1) == []
    assert clock.due(ENCRYPT, ["n-a"], 197.5, 1) == ["n-a"]
    held = PACE.hold_s
    limit = Timers(200, 600, PACE, armed={"n-a": [Armed("t", 0.0, 2.5)], "n-b": [Armed("t", 0.0, 3.0 + held)]})
    assert limit.due(ENCRYPT, ["n-a", "n-b"], 0.0, 1) == ["n-a"], "exactly so much more than needed is enough"


def test_what_is_left_is_that_of_the_last_timer() -> None:
    clock = Timers(None, 600, PACE)
    assert clock.left("n-a", 5.0) == math.inf
    clock.take_over("n-a", 1e9, 5.0)
    assert clock.left("n-a", 5.0) == 86400
    clock.take_over("n-a", -7.0, 5.0)
    assert clock.left("n-a", 5.0) == 0, "a later word of an earlier run's timer counts"
    for begin in (10.0, 20.0, 30.0):
        clock.sent({"n-a": {"timer": 60}}, "trap", begin)  # type: ignore[misc]
    assert clock.left("n-a", 40.0) == 50
    assert len(clock.armed["n-a"]) == 2, "the one before may be what fired"
    clock.take_over("n-a", 5.0, 40.0)
    assert clock.left("n-a", 40.0) == 50, "what this run has armed, it knows itself"
    clock.take_over("n-b", 5.0, 40.0)
    assert clock.left("n-b", 41.0) == 4


def test_before_anything_is_measured_the_transport_is_patient() -> None:
    unknown = Timers(None, 600, Pace(nodes=9, forks=3))
    assert unknown.limits(None) == unknown.limits(180) == Limits(step_s=Pace(nodes=9, forks=3).limits().step_s, forks=3)
    known = Timers(None, 600, PACE)
    assert known.limits(180) == PACE.limits(180)
    assert known.limits(None) == PACE.limits(0)


def test_how_long_a_run_goes_on_is_known_once_a_trip_was_measured() -> None:
    plan = (ENCRYPT, Step(phases=("trap", "soak")))
    assert Timers(None, 600, Pace(), plan=plan).left_of_run(ENCRYPT, 0) is None
    known = Timers(None, 600, PACE, plan=plan)
    assert known.left_of_run(ARM, 0) is None
    whole, rest = known.left_of_run(ENCRYPT, 0), known.left_of_run(ENCRYPT, 1)
    assert (whole, rest) == (PACE.usual(ENCRYPT) + PACE.usual(plan[1]), PACE.usual(plan[1]))
    assert known.left_of_run(plan[1], 0.5) == PACE.usual(plan[1]) / 2
