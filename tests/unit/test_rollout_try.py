"""Try, confirm and resume against nodes that are played: who keeps what, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netplan.cli.outcome import still_open
from netplan.problems import ExitCode
from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Options, Outcome
from netplan.rollout.record.events import AwaitingConfirm, Event, PhaseStarted, RunStarted
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.verbs.confirm import confirm
from netplan.rollout.verbs.resume import resume
from tests.support.fake_nodes import IDS, STEPS, TX, FakeNodes, Run, closed, failure, opened, phases_sent, target


class Again:
    """A second control process, with the nodes as the first one left them."""

    def __init__(self, folder: Path, nodes: FakeNodes, *, agree: bool = True, keep: bool | None = True) -> None:
        self.events: list[Event] = []
        self.words: list[str] = []
        self.agree_, self.nodes = agree, nodes
        self.folder, self.keep = folder, keep

    def engine(self, state: ClusterState) -> Engine:
        return Engine("lab", "d", [target(i) for i in IDS], self.nodes, state, self.events.append, Options())

    def agree(self, outcome: Outcome, words: str) -> bool:
        assert outcome.nodes
        self.words.append(words)
        return self.agree_

    def resume(self) -> Outcome:
        with ClusterState(self.folder, "lab") as state:
            return resume(self.engine(state), self.agree, lambda *_: self.keep)

    def confirm(self) -> Outcome:
        with ClusterState(self.folder, "lab") as state:
            return confirm(self.engine(state))


@pytest.mark.parametrize(
    ("answer", "said", "last"),
    [(True, "confirmed", "confirm"), (False, "rolled-back", "read-back"), (None, "awaiting-confirm", "await-confirm")],
)
def test_a_try_asks_after_the_proof(tmp_path: Path, answer: bool | None, said: str, last: str) -> None:
    asked = []

    def keep(outcome: Outcome, seconds: int) -> bool | None:
        assert outcome.verdict
        assert outcome.verdict.ok
        asked.append(seconds)
        return answer

    nodes = FakeNodes()
    run = Run(tmp_path, nodes, keep=keep, keep_s=77)
    assert run.outcome.outcome == said
    assert asked[0] in (76, 77)
    assert run.outcome.exit_code == (ExitCode.REVERTED if answer is False else ExitCode.OK)
    assert phases_sent(nodes)[-1] == last
    hold = next(i for i, (sent, _) in enumerate(nodes.calls) if sent == ("await-confirm",))
    assert nodes.requests[hold][IDS[0]]["timer"] == 77
    assert nodes.fresh[hold], "that SSH still lets people in is part of the proof"
    assert [e.seconds for e in run.events if isinstance(e, AwaitingConfirm)] == asked
    arm = next(i for i, (sent, _) in enumerate(nodes.calls) if "arm" in sent)
    assert nodes.requests[arm][IDS[0]]["kind"] == "try"


def test_a_failed_proof_is_not_asked_about(tmp_path: Path) -> None:
    nodes = FakeNodes(lambda phase, node: {"rows": []} if (phase, node) == ("probe", IDS[0]) else None)
    run = Run(tmp_path, nodes, keep=lambda *_: pytest.fail("asked"))
    assert run.outcome.exit_code == ExitCode.REVERTED


def test_deadlines_can_be_derived_from_the_journal(tmp_path: Path) -> None:
    run = Run(tmp_path, FakeNodes(), keep=lambda *_: None, timer_s=60, soak_s=7, keep_s=99)
    assert next(e.timer_s for e in run.events if isinstance(e, RunStarted)) == 60
    timers = {e.phase: e.timer_s for e in run.events if isinstance(e, PhaseStarted)}
    assert timers["preflight"] is None
    assert (timers["arm"], timers["encrypt"], timers["soak"], timers["await-confirm"]) == (60, 60, 67, 99)


def test_confirm_proves_once_more(tmp_path: Path) -> None:
    nodes = FakeNodes()
    nodes.nodes = {i: opened([*STEPS, "await-confirm"], "try", proven=True) for i in IDS}
    outcome = Again(tmp_path, nodes).confirm()
    assert (outcome.outcome, outcome.transaction) == ("confirmed", TX)
    assert phases_sent(nodes) == ["status", "probe", "prepare", "confirm", "confirm"]
    assert {request["tx"] for request in nodes.requests[-1].values()} == {TX}


def test_confirm_takes_back_what_it_can_not_prove(tmp_path: Path) -> None:
    nodes = FakeNodes(lambda phase, node: {"rows": []} if (phase, node) == ("probe", IDS[0]) else None)
    nodes.nodes = {i: opened([*STEPS, "await-confirm"], "try", proven=True) for i in IDS}
    outcome = Again(tmp_path, nodes).confirm()
    assert outcome.exit_code == ExitCode.REVERTED
    assert phases_sent(nodes) == ["status", "probe", "accept-both", "send-clear", "roll-back", "read-back"]


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (closed("none", "reverted"), "c: rolled back by timer at 2026-01-02T03:09:00Z"),
        (closed("none", "reverted", "boot"), "c: rolled back by boot"),
        (opened(STEPS), "c: the transaction is not verified yet"),
        (closed("confirmed", "confirmed", "operator"), "c: confirmed already, and others are not"),
        (({"state": "open", "tx": "tx-9", "release": "", "last": {}}, opened(STEPS)[1]), "different transactions"),
    ],
)
def test_confirm_refuses(tmp_path: Path, node: tuple[dict[str, Any], dict[str, Any]], words: str) -> None:
    nodes = FakeNodes()
    nodes.nodes = {i: opened([*STEPS, "await-confirm"], "try", proven=True) for i in IDS[:2]} | {IDS[2]: node}
    outcome = Again(tmp_path, nodes).confirm()
    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.FAILURE)
    assert any(words in p.message for p in outcome.problems), outcome.problems
    assert phases_sent(nodes) == ["status"], "nothing was touched"
    left = {i[2]: 100 for i in IDS if (nodes.nodes[i][0]["state"] == "open")}
    assert outcome.still_open == left, "who waits for a timer, and for how long"


def test_confirm_of_what_is_confirmed_or_never_was(tmp_path: Path) -> None:
    nodes = FakeNodes()
    nodes.nodes = {i: closed("confirmed", "confirmed", "operator") for i in IDS}
    assert Again(tmp_path, nodes).confirm().outcome == "unchanged"
    nodes.nodes = {i: closed("none", "") for i in IDS}
    outcome = Again(tmp_path, nodes).confirm()
    assert [p.code for p in outcome.problems] == ["IPP665"]
    assert outcome.problems[0].hint == "nothing is applied: `ipsecplan apply` begins anew"


@pytest.mark.parametrize(
    ("done", "first"),
    [
        ((0, 0, 0), "arm"),
        ((1, 1, 0), "arm"),
        ((2, 1, 1), "arm"),  # needs what stage answered
        ((3, 3, 2), "encrypt"),
        ((5, 5, 4), "trap"),
        ((6, 6, 5), "enforce"),
    ],
)
def test_resume_goes_on_at_the_first_unfinished_step(tmp_path: Path, done: tuple[int, ...], first: str) -> None:
    keys = [STEPS[:n] for n in done]
    keys[2] = [key for key in keys[2] if not key.endswith("/canary")]  # which c took no part in
    nodes = FakeNodes()
    nodes.nodes = {i: opened(steps) for i, steps in zip(IDS, keys, strict=True)}
    again = Again(tmp_path, nodes)
    outcome = again.resume()
    assert (outcome.outcome, outcome.transaction) == ("confirmed", TX)
    assert phases_sent(nodes)[1] == first
    assert again.words == [f"go on at {first}; unless this goes on, the first node rolls back by itself in 100 s"]
    every = [phase for step in phases.APPLY for phase in step.phases]
    assert phases_sent(nodes)[1:-3] == every[every.index(first) :] or first == "encrypt"
    assert all(request["tx"] == TX for requests in nodes.requests[1:] for request in requests.values())


def test_resume_of_a_proven_transaction_proves_it_again(tmp_path: Path) -> None:
    nodes = FakeNodes()
    nodes.nodes = {i: opened(STEPS, "try") for i in IDS}
    assert Again(tmp_path, nodes, keep=None).resume().outcome == "awaiting-confirm"
    assert phases_sent(nodes) == ["status", "probe", "await-confirm"]


def test_resume_finishes_to_confirm(tmp_path: Path) -> None:
    nodes = FakeNodes()
    nodes.nodes = {i: opened(STEPS) for i in IDS} | {IDS[0]: closed("confirmed", "confirmed", "operator")}
    assert Again(tmp_path, nodes).resume().outcome == "confirmed"
    assert phases_sent(nodes) == ["status", "confirm"]


@pytest.mark.parametrize("others", [opened(STEPS), closed("confirmed", "confirmed", "operator")])
def test_resume_takes_back_what_one_node_took_back(
    tmp_path: Path, others: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    nodes = FakeNodes()
    nodes.nodes = dict.fromkeys(IDS, others) | {IDS[1]: closed("none", "reverted")}
    again = Again(tmp_path, nodes)
    outcome = again.resume()
    assert (outcome.outcome, outcome.exit_code) == ("rolled-back", ExitCode.REVERTED)
    assert phases_sent(nodes) == ["status", "accept-both", "send-clear", "roll-back", "read-back"]
    assert again.words == ["b rolled back; roll back the others"]
    assert any("rolled back by timer" in p.message for p in outcome.problems)


def test_resume_where_nothing_is_open(tmp_path: Path) -> None:
    nodes = FakeNodes()
    nodes.nodes = {i: closed("none", "reverted") for i in IDS}
    outcome = Again(tmp_path, nodes).resume()
    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.FAILURE)
    hint = outcome.problems[0].hint
    assert hint == "rolled back by timer at 2026-01-02T03:09:00Z: `ipsecplan apply` begins anew"
    nodes.nodes = {i: closed("confirmed", "confirmed", "operator") for i in IDS}
    nodes.differs = []
    assert Again(tmp_path, nodes).resume().outcome == "unchanged"


def test_resume_declined_touches_nothing(tmp_path: Path) -> None:
    nodes = FakeNodes()
    nodes.nodes = {i: opened(STEPS[:3]) for i in IDS}
    outcome = Again(tmp_path, nodes, agree=False).resume()
    assert (outcome.outcome, outcome.still_open) == ("declined", {"a": 100, "b": 100, "c": 100})
    assert phases_sent(nodes) == ["status"]


def left(state: tuple[dict[str, Any], dict[str, Any]], seconds: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """A node whose timer has so many seconds left."""
    return state[0], {**state[1], "left_s": seconds}


def test_timers_that_an_earlier_run_armed_are_armed_anew_before_they_fire(tmp_path: Path) -> None:
    nodes = FakeNodes()
    nodes.nodes = {i: left(opened(STEPS[:2]), seconds) for i, seconds in zip(IDS, (900.0, 900.0, 0.5), strict=True)}
    assert Again(tmp_path, nodes).resume().outcome == "confirmed"
    assert nodes.calls[1] == (("hold",), (IDS[2],)), "c takes no part in the first step, and would not last that long"
    assert nodes.requests[1][IDS[2]]["timer"] > 2


def test_a_timer_of_an_earlier_run_that_fired_is_named(tmp_path: Path) -> None:
    def gone(phase: str, node: str) -> dict[str, Any] | None:
        return failure("IPP603") if (phase, node) == ("trap", IDS[0]) else None

    nodes = FakeNodes(gone)
    nodes.nodes = {i: left(opened(STEPS[:4]), 0.5) for i in IDS}
    outcome = Again(tmp_path, nodes).resume()
    assert outcome.exit_code == ExitCode.REVERTED
    assert [p.code for p in outcome.problems] == ["IPP676"]
    said = "a rolled back during the run: its timer, of an earlier run and with 0 s left when this one began, fired"
    assert outcome.problems[0].message.startswith(said)


def test_what_is_left_open_is_said_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    still_open(Outcome("failed", ExitCode.FAILURE, still_open={"n1": 312, "n2": 290}))
    assert capsys.readouterr().out.splitlines() == [
        "still open on n1, n2: each rolls back by itself, the first within 290 s",
        "before that, `ipsecplan resume` goes on with it, and `ipsecplan revert` rolls it back at once",
    ]
    still_open(Outcome("failed", ExitCode.FAILURE, still_open={"n1": 0}))
    assert capsys.readouterr().out.startswith("still open on n1: rolls back by itself now\n")
    still_open(Outcome("confirmed", ExitCode.OK))
    assert capsys.readouterr().out == ""


def test_a_resumed_step_that_fails_is_taken_back(tmp_path: Path) -> None:
    spoil: Callable[[str, str], Any] = lambda phase, node: failure() if (phase, node) == ("trap", IDS[1]) else None  # noqa: E731
    nodes = FakeNodes(spoil)
    nodes.nodes = {i: opened(STEPS[:4]) for i in IDS}
    assert Again(tmp_path, nodes).resume().exit_code == ExitCode.REVERTED
