"""An exception that nobody foresaw, amid a change: every node is rolled back, and the journal has an end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netplan.cli import session
from netplan.problems import ExitCode, Problem, ProblemError
from netplan.rollout import phases
from netplan.rollout.record.events import Event
from netplan.rollout.record.journal import read
from netplan.rollout.timers import Timers
from netplan.rollout.verbs.apply import apply
from netplan.rollout.verbs.confirm import confirm
from netplan.rollout.verbs.revert import revert
from tests.support.fake_nodes import IDS, FakeNodes, Run, engine, opened, phases_sent, target, yes

ROLL_BACK = ["accept-both", "send-clear", "roll-back"]
STEPS = [step.key for step in phases.APPLY]


class Breaks(FakeNodes):
    """The transport raises when a phase is asked for."""

    def __init__(self, phase: str, error: Exception) -> None:
        super().__init__()
        self.phase, self.error = phase, error

    def step(self, requests: Any, *args: Any, **words: Any) -> Any:
        if self.phase in next(iter(requests.values()))["phases"]:
            self.calls.append((tuple(next(iter(requests.values()))["phases"]), tuple(requests)))
            raise self.error
        return super().step(requests, *args, **words)


ERRORS = [
    (ZeroDivisionError("oh"), "IPP699"),
    (OSError(28, "No space left on device", "/x"), "IPP212"),
    (ProblemError(Problem("IPP605", "a file just changed")), "IPP605"),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: str(value)[:7])
@pytest.mark.parametrize("phase", ["arm", "credentials", "encrypt", "probe", "prepare", "confirm"])
def test_apply_rolls_back_whatever_is_raised(tmp_path: Path, phase: str, error: Exception, code: str) -> None:
    nodes = Breaks(phase, error)
    run = Run(tmp_path, nodes, soak_s=0.0)
    assert (run.outcome.outcome, run.outcome.exit_code) == ("rolled-back", ExitCode.REVERTED)
    assert [problem.code for problem in run.outcome.problems] == [code]
    assert phases_sent(nodes)[-4:] == [*ROLL_BACK, "read-back"]
    assert run.journal[-1] == "RunFinished"
    assert run.engine.run.defects[:1] == ([error] if code == "IPP699" else [])


@pytest.mark.parametrize("phase", ["accept-both", "send-clear", "roll-back"])
def test_a_step_back_that_breaks_does_not_stop_the_others(tmp_path: Path, phase: str) -> None:
    nodes = Breaks(phase, ZeroDivisionError("oh"))
    nodes.spoil = lambda asked, _: {"ok": False} if asked in ("trap", "read-back") else None
    run = Run(tmp_path, nodes, soak_s=0.0)
    assert (run.outcome.outcome, run.outcome.exit_code) == ("rollback-incomplete", ExitCode.REVERT_INCOMPLETE)
    assert phases_sent(nodes)[-4:] == [*ROLL_BACK, "read-back"]
    assert run.journal[-1] == "RunFinished"


def test_an_observer_that_raises_is_told_nothing_more_and_nothing_is_rolled_back(tmp_path: Path) -> None:
    told: list[Event] = []

    def observer(event: Event) -> None:
        told.append(event)
        raise BrokenPipeError

    run = engine(tmp_path, [target(i) for i in IDS], FakeNodes())
    run.recorder.observer = observer
    assert apply(run, yes).outcome == "confirmed"
    assert len(told) == 1
    assert isinstance(run.recorder.unheard, BrokenPipeError)


@pytest.mark.parametrize("verb", [confirm, lambda run: revert(run, yes)], ids=["confirm", "revert"])
@pytest.mark.parametrize("broken", ["probe", "roll-back"])
def test_other_verbs_end_with_an_outcome(tmp_path: Path, verb: Any, broken: str) -> None:
    nodes = Breaks(broken, ZeroDivisionError("oh"))
    nodes.nodes = {i: opened(STEPS, "try", proven=True) for i in IDS}
    run = engine(tmp_path, [target(i) for i in IDS], nodes)
    outcome = verb(run)
    run.state.__exit__()
    assert outcome.outcome in ("confirmed", "rolled-back", "rollback-incomplete", "removed")
    assert next(reversed(run.state.last()))["event"] == "RunFinished"


def test_a_run_that_an_exception_ends_has_an_end_in_its_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nobody:
        def __init__(self, _: object) -> None:
            pass

        def __enter__(self) -> FakeNodes:
            return FakeNodes()

        def __exit__(self, *_: object) -> None:
            pass

    class Read:
        cluster, digest = "lab", "d" * 64

    monkeypatch.setattr(session, "login_passwords", lambda *_: {})
    monkeypatch.setattr(session, "AnsibleTransport", Nobody)
    monkeypatch.setattr(session.reader, "read", lambda _: Read)
    monkeypatch.setattr(session, "read_inventory", lambda *_: None)
    monkeypatch.setattr(session, "targets", lambda *_: [target(i) for i in IDS])
    monkeypatch.setattr(Timers, "fit", lambda *_: {}["x"])  # outside every step, before the first change
    with (
        pytest.raises(KeyError),
        session.opened(tmp_path, None, str(tmp_path), session.Options(), quiet=True) as run,
    ):
        apply(run, yes)
    (journal,) = tmp_path.glob("clusters/lab/journal/*")
    last = list(read(journal))[-1]
    assert (last["event"], last["outcome"]) == ("RunFinished", "failed")
