"""A worker that is lost in any step costs time, and no node its timer; played nodes under a played clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netplan.problems import ExitCode
from netplan.rollout import phases
from netplan.rollout.pace import Pace
from netplan.rollout.record.events import Paced, WorkerLost
from netplan.rollout.transport.reply import Answer
from tests.support import many_nodes
from tests.support.many_nodes import ManyNodes, Rollout, ring


class Shared(ManyNodes):
    """Two workers with the forks of one machine each. In step ``lose`` one falls silent with half of the nodes."""

    lose = -1
    number, left = 0, 2

    def step(self, requests: Any, targets: Any, *, arrived: Any, **more: Any) -> dict[str, Answer]:
        self.number += 1
        nodes = list(requests)
        if self.number != self.lose or len(nodes) < 2:
            return self._by(self.left, requests, targets, arrived=arrived, **more)
        begin = self.clock.now
        mine, theirs = ({i: requests[i] for i in nodes[n::2]} for n in range(2))
        answers = self._by(1, theirs, targets, arrived=arrived, **more)
        self.clock.now = max(self.clock.now, begin + self.limits.alive_s)
        self.left = 1
        names = tuple(f"h{nodes.index(i)}" for i in mine)
        self.told(WorkerLost(worker="w1", reason="nothing came from it", nodes=names, by=("w2",), left=1))
        again = self._by(1, mine, targets, arrived=arrived, **more)
        return answers | {i: Answer(a.results, clock=a.clock, wall=a.wall, again=True) for i, a in again.items()}

    def _by(self, machines: int, requests: Any, targets: Any, **more: Any) -> dict[str, Answer]:
        one, before = self.limits.forks, self.limits
        self.limits = type(before)(step_s=before.step_s, alive_s=before.alive_s, forks=one * machines)
        try:
            return super().step(requests, targets, **more)
        finally:
            self.limits = before


def rollout(
    monkeypatch: pytest.MonkeyPatch, folder: Path, lose: int, nodes: int, forks: int, trip_s: float, **more: object
) -> Rollout:
    monkeypatch.setattr(many_nodes, "ManyNodes", Shared)
    monkeypatch.setattr("os.fsync", lambda _: None)  # no journal of these has to survive a cut of power
    monkeypatch.setattr(Shared, "lose", lose)
    return Rollout(monkeypatch, folder, ring(nodes, 2), forks=forks, workers=2, trip_s=trip_s, **more)


@pytest.mark.parametrize(
    ("nodes", "forks", "trip_s"), [(8, 50, 1.0), (8, 50, 20.0), pytest.param(30, 5, 1.0, marks=pytest.mark.slow)]
)
def test_a_worker_is_lost_in_every_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nodes: int, forks: int, trip_s: float
) -> None:
    whole = rollout(monkeypatch, tmp_path / "whole", -1, nodes, forks, trip_s)
    assert (whole.outcome.outcome, whole.nodes.fired) == ("confirmed", [])
    steps = len(whole.nodes.steps)
    assert steps > 10
    for lose in range(1, steps + 1):
        run = rollout(monkeypatch, tmp_path / str(lose), lose, nodes, forks, trip_s)
        assert (run.outcome.outcome, run.nodes.fired) == ("confirmed", []), (lose, run.outcome.problems[:3])
        lost = [problem for problem in run.outcome.problems if problem.code == "IPP677"]
        assert (run.outcome.exit_code, len(lost)) == (ExitCode.OK, run.nodes.left == 1)  # type: ignore[attr-defined]
        assert run.engine.timers.pace.workers == run.nodes.left  # type: ignore[attr-defined]
        assert run.engine.timers.pace.trip_s <= whole.engine.timers.pace.trip_s * 1.1, "a long silence is no long trip"


@pytest.mark.parametrize(
    ("nodes", "forks", "trip_s"),
    [(8, 50, 3.0), pytest.param(30, 5, 1.0, marks=pytest.mark.slow), pytest.param(30, 5, 12.0, marks=pytest.mark.slow)],
)
def test_the_smallest_timer_that_is_taken_outlasts_a_lost_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nodes: int, forks: int, trip_s: float
) -> None:
    whole = rollout(monkeypatch, tmp_path / "whole", -1, nodes, forks, trip_s)
    smallest = next(event.smallest_s for event in whole.events if isinstance(event, Paced))
    for lose in range(3, len(whole.nodes.steps) + 1):
        run = rollout(monkeypatch, tmp_path / str(lose), lose, nodes, forks, trip_s, timer_s=smallest)
        assert (run.outcome.outcome, run.nodes.fired) == ("confirmed", []), (lose, run.outcome.problems[:3])


def test_workers_make_fewer_rounds_and_longer_timers() -> None:
    alone, shared = (Pace(trip_s=2, work_s=4, nodes=100, forks=10, workers=n) for n in (0, 4))
    assert (alone.rounds, shared.rounds) == (10, 3)
    assert Pace(nodes=100, forks=10, workers=1).rounds == 10
    assert alone.spare(phases.PREPARE) == 0
    one = Pace(trip_s=2, work_s=4, nodes=10, forks=10, workers=1)
    assert one.spare(phases.PREPARE) == one.limits().alive_s + one.turn(phases.PREPARE)
    assert one.reach(phases.PREPARE) - one.assumed_s == one.spare(phases.PREPARE)
