"""How far a step over many nodes is, in words: now and then, and not where each node has its own line."""

from __future__ import annotations

import pytest

from netplan.cli import progress
from netplan.cli.progress import Lines
from netplan.rollout.record.events import NodeResult, PhaseFinished, PhaseStarted, Progress, RunStarted


def far(done: int, nodes: int, waiting: int = 0, left_s: float | None = None) -> Progress:
    return Progress(phases=("enforce", "probe"), nodes=nodes, done=done, waiting=waiting, lacking=0, left_s=left_s)


def test_a_long_step_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = Lines()
    for done, seconds in ((10, 0.0), (20, 5.0), (340, 30.0)):
        now[0] = 100 + seconds
        lines(far(done, 1000, waiting=3 * (done > 300), left_s=None if done < 20 else 550.0))
    lines(far(1, 3))
    lines(far(1000, 1000, left_s=42.4))
    now[0] += 60
    lines(far(1000, 1000, left_s=42.4))
    assert capsys.readouterr().err.splitlines() == [
        "  probe: 10 of 1000 nodes",
        "  probe: 340 of 1000 nodes, 3 wait for peers; about 9 min left",
        "  probe: 1000 of 1000 nodes; about 42 s left",
    ]


def test_who_is_held_has_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    result = {"phase": "hold", "node": "n1", "changed": False, "detail": "", "seconds": 0.1}
    Lines()(NodeResult(**result, ok=True))  # type: ignore[arg-type]
    assert capsys.readouterr().err == ""
    Lines()(NodeResult(**result, ok=False))  # type: ignore[arg-type]
    assert "FAILED" in capsys.readouterr().err


def test_a_step_says_which_phases_of_how_many_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines(RunStarted(verb="apply", transaction="tx-1", cluster="lab", digest="d", nodes={"n-1": "n1"}))
    for phases, left_s in (
        (("status", "preflight"), None),
        (("arm", "lower-senders", "stage"), 80.0),
        (("hold",), 70.0),
    ):
        for phase in phases:
            lines(PhaseStarted(phase=phase, nodes=("n1",)))
        lines(Progress(phases=phases, nodes=1, done=1, waiting=0, lacking=0, left_s=left_s))
        for phase in phases:
            lines(PhaseFinished(phase=phase, ok=True, seconds=1.0))
    for phase in ("encrypt", "rekey"):
        lines(PhaseStarted(phase=phase, nodes=("n1",)))
    lines(Progress(phases=("encrypt", "rekey"), nodes=1, done=1, waiting=0, lacking=0, left_s=30.0))
    assert capsys.readouterr().err.splitlines() == [
        "apply tx-1: cluster lab, 1 node",
        "phases 1 to 2 of 17: status, preflight",
        "phases 3 to 5 of 17: arm, lower-senders, stage",
        "phases 10 to 11 of 17: encrypt, rekey; about 70 s left",
    ]
