"""Rollouts over slow nodes: the timer grows, one that is too short is refused, a node that reverted is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from netplan.problems import ExitCode
from netplan.rollout import step_loop
from netplan.rollout.engine import Engine
from netplan.rollout.nodes.targets import Target
from netplan.rollout.outcome import Options, Outcome
from netplan.rollout.record.events import Event, Paced, PhaseStarted, RunStarted
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.transport.reply import Answer
from netplan.rollout.verbs.apply import apply
from netplan.rollout.verbs.confirm import confirm
from netplan.rollout.verbs.resume import resume
from tests.support.fake_nodes import IDS, FakeNodes, Run
from tests.support.killed import MESH, dies
from tests.support.simulated import Nodes

SLOW = {"n-c": (18.0, 9.0)}  # seconds there and back


class Slow(Nodes):
    """Nodes whose timers fire while requests are under way, and trips that can change behind each step."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path, trips: dict[str, tuple[float, float]]) -> None:
        super().__init__(patch, folder, MESH)
        self.trips, self.lively = dict(trips), True
        self.sent: list[str] = []
        self.later: dict[str, dict[str, tuple[float, float]]] = {}  # phase -> trips from its step on

    def step(
        self,
        requests: Mapping[str, dict[str, Any]],
        targets: Mapping[str, Target],
        *,
        payload: bool,
        fresh: bool,
        arrived: Callable[[str, Answer], None],
    ) -> dict[str, Answer]:
        for phase in next(iter(requests.values()))["phases"]:
            self.sent.append(phase)
            self.trips.update(self.later.get(phase, {}))
        return super().step(requests, targets, payload=payload, fresh=fresh, arrived=arrived)


class Go:
    """One apply and what it told."""

    def __init__(self, nodes: Slow, state: Path, **options: Any) -> None:
        self.events: list[Event] = []
        self.asked = 0
        with ClusterState(state, "lab") as cluster:
            engine = Engine("lab", "d" * 64, nodes.targets, nodes, cluster, self.events.append, Options(**options))
            self.outcome = apply(engine, self.agree)
        self.paced = [event for event in self.events if isinstance(event, Paced)]
        self.timers = {e.phase: e.timer_s for e in self.events if isinstance(e, PhaseStarted)}
        self.said = "\n".join(f"{p.code} {p.message}\n{p.hint}" for p in self.outcome.problems)

    def agree(self, _: Outcome) -> bool:
        self.asked += 1
        return True


def test_where_round_trips_are_short_nothing_is_new(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = Go(Slow(monkeypatch, tmp_path / "nodes", {}), tmp_path / "state")
    assert run.outcome.outcome == "confirmed", run.said
    assert [event.timer_s for event in run.paced] == [180]
    assert (run.timers["arm"], run.timers["preflight"]) == (180, None)
    assert next(e.timer_s for e in run.events if isinstance(e, RunStarted)) is None


def test_the_timer_grows_with_the_slowest_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = Slow(monkeypatch, tmp_path / "nodes", SLOW)
    run = Go(nodes, tmp_path / "state")
    assert run.outcome.outcome == "confirmed", run.said
    (paced,) = run.paced
    assert paced.trip_s == 29.0, "the others are asked before it, one after the other"
    assert paced.timer_s > paced.smallest_s > 3 * 29
    assert run.timers["arm"] == run.timers["encrypt"] == paced.timer_s == run.outcome.timer_s
    assert set(nodes.words().values()) == {"new"}


def test_too_short_a_timer_is_refused_and_the_smallest_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = Slow(monkeypatch, tmp_path / "nodes", SLOW)
    refused = Go(nodes, tmp_path / "state", timer_s=60)
    assert (refused.outcome.outcome, refused.outcome.exit_code) == ("failed", ExitCode.FAILURE)
    assert refused.said.startswith(
        "IPP675 --rollback-timeout 60 is too short: a round trip to the slowest node takes 29.0 s"
    )
    assert (refused.asked, nodes.sent) == (0, ["status", "preflight"]), "refused before anything is changed"
    assert set(nodes.words().values()) == {"old"}
    assert nodes.wait() == [], "no timer was armed"
    least = int(re.findall(r"--rollback-timeout (\d+) is the smallest that will do", refused.said)[0])
    again = Go(nodes, tmp_path / "state", timer_s=least - 1)
    assert f"--rollback-timeout {least} is the smallest" in again.said
    done = Go(nodes, tmp_path / "state", timer_s=least)
    assert done.outcome.outcome == "confirmed", done.said
    assert done.timers["encrypt"] == least, "what was promised, and no more"


def test_a_wait_for_a_yes_that_is_too_short_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = Slow(monkeypatch, tmp_path / "nodes", SLOW)
    with ClusterState(tmp_path / "state", "lab") as state:
        engine = Engine("lab", "d", nodes.targets, nodes, state, lambda _: None, Options(keep_s=60))
        outcome = apply(engine, lambda _: True, keep=lambda *_: None)
    assert [p.code for p in outcome.problems] == ["IPP675"]
    assert nodes.sent == ["status", "preflight"]
    least = int(re.findall(r"--confirm-timeout (\d+) is the smallest", str(outcome.problems[0].hint))[0])
    with ClusterState(tmp_path / "state", "lab") as state:
        engine = Engine("lab", "d", nodes.targets, nodes, state, lambda _: None, Options(keep_s=least))
        outcome = apply(engine, lambda _: True, keep=lambda *_: True)
    assert outcome.outcome == "confirmed", outcome.problems
    assert outcome.keep_margin_s > 29


def test_nothing_up_to_an_hour_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = Slow(monkeypatch, tmp_path / "nodes", {"n-c": (600.0, 600.0)})
    run = Go(nodes, tmp_path / "state")
    assert run.outcome.exit_code == ExitCode.FAILURE
    assert "IPP675 no timer up to 3600 s is long enough" in run.said
    (problem,) = run.outcome.problems
    assert problem.hint == (
        "find out what makes the nodes, this machine or the way between them slow; or take fewer nodes (--limit)"
    )
    assert nodes.sent == ["status", "preflight"]


@pytest.mark.parametrize("chosen", [None, 60])
def test_nodes_that_get_slower_get_longer_timers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chosen: int | None
) -> None:
    nodes = Slow(monkeypatch, tmp_path / "nodes", {})
    nodes.later = {"arm": {"n-c": (12.0, 12.0)}}
    run = Go(nodes, tmp_path / "state", timer_s=chosen)
    assert run.outcome.outcome == "confirmed", run.said
    told = [event.timer_s for event in run.paced]
    assert told == sorted(told)
    assert (told[0], run.timers["arm"]) == (chosen or 180, chosen or 180)
    assert len(told) == (2 if chosen else 1) or told[-1] > 180
    assert run.timers["enforce"] == told[-1] >= run.paced[-1].smallest_s


@pytest.mark.parametrize("chosen", [None, 60])
def test_a_node_whose_timer_fired_under_the_run_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chosen: int | None
) -> None:
    nodes = Slow(monkeypatch, tmp_path / "nodes", {})
    nodes.later = {"lower-devices": {"n-c": (200.0, 1.0)}, "accept-both": {"n-c": (1.0, 0.0)}}
    run = Go(nodes, tmp_path / "state", timer_s=chosen)
    assert run.outcome.exit_code == ExitCode.REVERTED
    first = run.outcome.problems[0]
    assert first.code == "IPP676"
    assert re.match(
        rf"c rolled back during the run: its timer of {chosen or 180} s, which counts from the sending of "
        r"arm\+lower-senders\+stage, fired before lower-devices was done, 20\d s later; a round trip to the slowest "
        r"node takes 20\d\.",
        first.message,
    ), first.message
    assert "IPP603" not in run.said, "that is its sign, not another fault"
    hint = str(first.hint)
    assert re.match(r"give --rollback-timeout \d{3,4} or more", hint) if chosen else hint.startswith("apply again"), (
        hint
    )
    nodes.wait()
    assert set(nodes.words().values()) == {"old"}


def test_a_node_whose_agent_the_timer_ended_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = [1000.0]
    monkeypatch.setattr(step_loop.time, "monotonic", lambda: now[0])

    def spoil(phase: str, node: str) -> Answer | None:
        if (phase, node) == ("credentials", IDS[1]):
            now[0] += 64
            return Answer(broken="exit 137: ")
        return None

    run = Run(tmp_path, FakeNodes(spoil), timer_s=60)
    assert [p.code for p in run.outcome.problems] == ["IPP676"]
    assert "b rolled back during the run: its timer of 60 s" in run.outcome.problems[0].message
    sent = "lower-devices+credentials+ike-check+permissive"
    assert f"{sent}, fired before lower-devices was done, 64 s later" in run.outcome.problems[0].message


def test_no_answer_before_the_timer_is_no_timer(tmp_path: Path) -> None:
    gone = FakeNodes(lambda phase, node: Answer(broken="exit 1: oh") if (phase, node) == ("trap", IDS[1]) else None)
    assert [p.code for p in Run(tmp_path, gone, timer_s=60).outcome.problems] == ["IPP662"]


def test_resume_and_confirm_refuse_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = Slow(monkeypatch, tmp_path / "nodes", {})
    nodes.lively = False
    dies(nodes, "PhaseFinished:permissive:1", monkeypatch, tmp_path / "state")
    nodes.trips = dict(SLOW)
    nodes.sent.clear()
    with ClusterState(tmp_path / "state", "lab") as state:
        engine = Engine("lab", "d", nodes.targets, nodes, state, lambda _: None, Options(timer_s=40))
        outcome = resume(engine, lambda *_: pytest.fail("asked"), lambda *_: True)
        assert (outcome.outcome, [p.code for p in outcome.problems]) == ("failed", ["IPP675"])
        assert nodes.sent == ["status"]
        engine = Engine("lab", "d", nodes.targets, nodes, state, lambda _: None, Options())
        assert resume(engine, lambda *_: True, lambda *_: True).outcome == "confirmed"
    nodes.stale = True
    with ClusterState(tmp_path / "state", "lab") as state:
        engine = Engine("lab", "d", nodes.targets, nodes, state, lambda _: None, Options())
        assert apply(engine, lambda _: True, keep=lambda *_: None).outcome == "awaiting-confirm"
        nodes.sent.clear()
        engine = Engine("lab", "d", nodes.targets, nodes, state, lambda _: None, Options(timer_s=40))
        outcome = confirm(engine)
        assert (outcome.outcome, [p.code for p in outcome.problems]) == ("failed", ["IPP675"])
        assert nodes.sent == ["status"]
