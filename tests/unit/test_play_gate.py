"""The gate between a play and the engine: who waits for whom, what a task is told, and what nothing may wait for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.phase_table import PHASES, ROLL_BACK
from netplan.play.gate import UNGATED, Gate
from netplan.play.keeper import Keeper
from netplan.play.runs import Run
from netplan.play.wanted import PROTOCOL, Wanted, limit_of, parse
from netplan.problems import ExitCode, ProblemError
from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Failed, Options, Outcome
from netplan.rollout.record.events import NodeResult, PhaseFinished, PhaseStarted, Reverting
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.verbs.apply import apply
from tests.support.fake_nodes import IDS, FakeNodes, failure, phases_sent, target

HOSTS = [node[2] for node in IDS]


def always() -> bool:
    return True


def never() -> bool:
    return False


class Played:
    """An apply on the three nodes of FakeNodes, in a thread, behind a gate."""

    def __init__(self, folder: Path, nodes: FakeNodes) -> None:
        self.nodes, self.gate = nodes, Gate(threading.Event())
        self.outcome: Outcome | None = None
        self._folder = folder
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        with ClusterState(self._folder, "lab") as state:
            engine = Engine(
                "lab",
                "d" * 64,
                [target(i) for i in IDS],
                self.nodes,
                state,
                self.gate.take,
                Options(soak_s=0.0),
                self.gate.cancelled,
            )
            step = engine.step

            def gated(*words: Any, **more: Any) -> Any:
                self.gate.enter(words[0].phases)
                return step(*words, **more)

            engine.step = gated
            self.outcome = apply(engine, lambda _: True)
        self.gate.end()

    def ask(self, phase: str, task: str | None = None) -> None:
        self.gate.ask(task or phase, phase, always)

    def ended(self) -> Outcome:
        self.gate.until_over(always)
        self.thread.join(30)
        assert self.outcome
        return self.outcome


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Callable[..., Played]]:
    def make(nodes: FakeNodes | None = None) -> Played:
        made.append(Played(tmp_path, nodes or FakeNodes()))
        made[-1].gate.until_it_waits(always)
        return made[-1]

    made: list[Played] = []
    yield make
    for one in made:
        one.gate.free()
        one.thread.join(30)


def test_a_step_begins_when_its_task_asks_and_no_sooner(played: Callable[..., Played]) -> None:
    run = played()
    assert set(phases_sent(run.nodes)) <= UNGATED
    run.ask("arm")
    assert phases_sent(run.nodes)[-3:] == ["arm", "lower-senders", "stage"]
    run.ask("lower-senders")
    assert phases_sent(run.nodes)[-1] == "stage", "a phase of the same round trip began another one"
    run.ask("lower-devices")
    run.ask("permissive")
    run.ask("encrypt")
    run.ask("trap")
    assert phases_sent(run.nodes)[-2:] == ["trap", "soak"]


def test_waves_of_one_phase_pass_with_its_task(played: Callable[..., Played]) -> None:
    run = played()
    for phase in ("arm", "lower-devices", "encrypt"):
        run.ask(phase)
    sent = [call[0] for call in run.nodes.calls]
    assert sent[-1] == ("encrypt", "rekey"), "the last wave carries the rekey"
    assert sent[-2][0] == "encrypt"


def test_what_a_task_is_told_and_changed_once(played: Callable[..., Played]) -> None:
    run = played()
    run.ask("stage")
    for host in HOSTS:
        answer = run.gate.answer("stage", host)
        assert answer is not None
        assert answer.ok
        assert run.gate.has_changed("stage", host)
        assert not run.gate.has_changed("stage", host)
    assert run.gate.answer("trap", HOSTS[0]) is None


def test_a_phase_that_is_not_next_skips_and_the_end_lets_the_rest_through(played: Callable[..., Played]) -> None:
    run = played()
    run.ask("restore-devices")
    assert run.gate.answer("restore-devices", HOSTS[0]) is None
    assert "arm" not in phases_sent(run.nodes)
    run.gate.free()
    assert run.ended().outcome == "confirmed"


def test_a_failure_takes_all_back_without_being_asked(played: Callable[..., Played]) -> None:
    spoil = {"on": True}
    run = played(
        FakeNodes(lambda phase, node: failure() if phase == "trap" and node == IDS[1] and spoil["on"] else None)
    )
    for phase in ("arm", "lower-devices", "encrypt", "trap"):
        run.ask(phase)
    assert run.gate.over, "the task did not wait for the end"
    assert run.ended().exit_code == ExitCode.REVERTED
    assert set(ROLL_BACK) <= set(phases_sent(run.nodes))


def test_an_interrupted_task_takes_all_back(played: Callable[..., Played]) -> None:
    alone = Gate(threading.Event())
    alone.ask("task", "arm", never)
    assert alone.cancelled.is_set(), "who asked is gone before there was an answer"
    run = played()
    run.ask("arm")
    run.gate.cancelled.set()
    assert run.ended().exit_code == ExitCode.REVERTED


def test_a_play_that_is_late_has_all_taken_back() -> None:
    gate = Gate(threading.Event())
    gate.take(PhaseStarted(phase="arm", nodes=("a",), timer_s=0.001))  # type: ignore[arg-type]  # no test waits minutes
    with pytest.raises(Failed, match="did not ask for trap"):
        gate.enter(("trap",))
    gate.enter(("roll-back",))  # nothing waits any more


@pytest.mark.parametrize(
    "event",
    [Reverting(reason="x"), PhaseFinished(phase="trap", ok=False, seconds=0.1)],
    ids=lambda event: type(event).__name__,
)
def test_after_a_failure_nothing_waits(event: Any) -> None:
    gate = Gate(threading.Event())
    gate.take(event)
    gate.enter(("trap",))


def test_an_interruption_stops_before_a_step() -> None:
    gate = Gate(threading.Event())
    gate.cancelled.set()
    with pytest.raises(Failed, match="stopped by the operator"):
        gate.enter(("arm",))


def test_what_is_never_gated_is_known_and_confirm_is_among_it() -> None:
    assert PHASES.keys() >= UNGATED
    assert "confirm" in UNGATED, "once one node has decided, the others must not wait for a play"
    assert set(phases.CONFIRM.phases) <= UNGATED
    assert not {phase for step in phases.APPLY for phase in step.phases} & UNGATED
    assert not set(phases.PREPARE.phases) & UNGATED


ASKED: dict[str, Any] = {"protocol": PROTOCOL, "verb": "apply", "bundle": "b", "hosts": ["n1", "n2"], "watch": 1}
NAMES = {"n-1": "n1", "n-2": "n2", "n-3": "n3"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"protocol": 0}, "version 0"),
        ({"verb": "delete"}, "is none of"),
        ({"verb": "rotate"}, "what: one of"),
        ({"what": "ca"}, "what: one of"),
        ({"rollback_timeout": 1}, "rollback_timeout: 1 is not 30"),
        ({"confirm_timeout": 1}, "confirm_timeout: 1 is not 30"),
        ({"soak": -1.0}, "soak: -1"),
        ({"forks": 0}, "forks: 0"),
        ({"workers": ["w1", "-oProxyCommand=x"]}, "workers: '-oProxyCommand=x' is no SSH destination"),
        ({"wave_size": 0}, "wave_size: 0 is not 1 or more"),
        ({"verb": "try", "raise_mtu": True}, "raise_mtu works after"),
        ({"hosts": "n1"}, "hosts"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_request_that_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parse(json.dumps({**ASKED, **more}))
    (problem,) = caught.value.problems
    assert problem.code == "IPP658"
    assert words in problem.message


def test_no_json_is_refused() -> None:
    with pytest.raises(ProblemError):
        parse("{")


def wanted(**more: Any) -> Wanted:
    return parse(json.dumps({**ASKED, **more}))


def test_hosts_of_the_play_are_the_nodes_that_take_part() -> None:
    assert limit_of(wanted(), NAMES) == "n1,n2"
    assert limit_of(wanted(hosts=["n1", "n2", "n3", "other"]), NAMES) is None
    assert limit_of(wanted(verb="status"), NAMES) is None, "looking at more is no harm"
    for verb, more in (("rotate", {"what": "ca"}), ("verify", {})):
        with pytest.raises(ProblemError, match="not a host of this play: n3"):
            limit_of(wanted(verb=verb, **more), NAMES)
    with pytest.raises(ProblemError, match="no host of this play"):
        limit_of(wanted(hosts=["other"]), NAMES)


def test_a_host_hears_of_its_own_failure_and_of_the_end() -> None:
    gate = Gate(threading.Event())
    run = Run(wanted(), gate, names=NAMES)
    gate.take(NodeResult(phase="trap", node="n1", ok=True, changed=True, detail="2 traps", seconds=0.1))
    run.outcome = Outcome("rolled-back", ExitCode.REVERTED)
    gate.end()
    keeper = Keeper(run, None)  # type: ignore[arg-type]  # it serves nobody here
    told = keeper.answer({"act": "phase", "task": "t", "phase": "trap", "host": "n1"}, always)
    assert (told["known"], told["happened"], told["changed"], told["detail"]) == (True, True, True, "2 traps")
    assert (told["ended"]["failed"], told["ended"]["outcome"]) == (True, "rolled-back")
    other = keeper.answer({"act": "phase", "task": "t", "phase": "trap", "host": "stranger"}, always)
    assert (other["known"], other["happened"]) == (False, False)
