"""The engine against nodes that are played: gates, reverts, exit codes, and what is never sent."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from netplan.problems import ExitCode, ProblemError
from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Options
from netplan.rollout.record import journal as journal_module
from netplan.rollout.record.events import Event, NodeResult, PhaseFinished, silent
from netplan.rollout.record.journal import ClusterState, Journal, read
from netplan.rollout.transport.reply import Answer
from netplan.rollout.verbs.apply import apply
from netplan.rollout.verbs.revert import revert
from tests.lab.rollout_steps import LINES
from tests.support import replies
from tests.support.fake_nodes import IDS, FakeNodes, Run, failure, phases_sent, target


def test_every_phase_in_order_and_confirmed_last(tmp_path: Path) -> None:
    nodes = FakeNodes()
    run = Run(tmp_path, nodes)
    assert (run.outcome.outcome, run.outcome.exit_code) == ("confirmed", ExitCode.OK)
    assert phases_sent(nodes) == [
        "status",
        "preflight",
        "arm",
        "lower-senders",
        "stage",
        "lower-devices",
        "credentials",
        "ike-check",
        "permissive",
        "encrypt",
        "encrypt",
        "encrypt",
        "rekey",
        "trap",
        "soak",
        "enforce",
        "probe",
        "prepare",
        "confirm",
        "confirm",
    ]
    assert nodes.fresh == [False] * 8 + [True, False, False], "prepare needs a connection opened after the change"
    prepared, decides, follow = nodes.requests[-3:]
    assert {i: request["witness"] for i, request in prepared.items()} == {IDS[0]: None, IDS[1]: IDS[0], IDS[2]: IDS[0]}
    assert [request["timer"] for request in prepared.values()] == [166, 176, 176]
    assert (list(decides), list(follow)) == ([IDS[0]], IDS[1:])
    canary, second, rest = (i for i, (sent, _) in enumerate(nodes.calls) if "encrypt" in sent)
    assert nodes.calls[canary][1] == (IDS[0], IDS[1])
    assert nodes.requests[canary][IDS[0]]["pairs"] == ["pair-ab"]
    assert [nodes.requests[second][i]["pairs"] for i in IDS] == [["pair-ac"], [], ["pair-ac"]]
    assert "pairs" not in nodes.requests[rest][IDS[2]], "the last time it is every pair's turn"
    assert run.outcome.verdict
    assert len(run.outcome.verdict.pairs) == 6
    assert run.journal[0] == "RunStarted"
    assert run.journal[-1] == "RunFinished"


def test_the_timer_counts_from_sending(tmp_path: Path) -> None:
    nodes = FakeNodes()
    Run(tmp_path, nodes, timer_s=60, soak_s=7)
    first, *later = nodes.requests
    assert "sent" not in first[IDS[0]]
    assert "lease" not in first[IDS[0]]
    leases = [request["lease"] for requests in later for request in requests.values()]
    assert {lease["epoch"] for lease in leases} == {1}
    assert all("sent" in request for requests in later for request in requests.values())
    timers = {request["phases"][0]: request["timer"] for requests in later for request in requests.values()}
    assert timers["trap"] == 67
    assert timers["enforce"] == 60
    assert all(request["patience"] < 60 for requests in later for request in requests.values())


def test_nothing_to_change(tmp_path: Path) -> None:
    nodes = FakeNodes()
    nodes.differs = []
    run = Run(tmp_path, nodes)
    assert (run.outcome.outcome, run.outcome.changes) == ("unchanged", 0)
    assert phases_sent(nodes) == ["status", "preflight"]
    assert run.asked == []


def test_preflight_fails_and_nothing_is_changed(tmp_path: Path) -> None:
    nodes = FakeNodes(lambda phase, node: failure("IPP634") if (phase, node) == ("preflight", IDS[2]) else None)
    run = Run(tmp_path, nodes)
    assert (run.outcome.outcome, run.outcome.exit_code) == ("failed", ExitCode.FAILURE)
    assert [p.message for p in run.outcome.problems] == ["c: no"]
    assert len(nodes.calls) == 1


def test_unreachable_before_any_change(tmp_path: Path) -> None:
    nodes = FakeNodes(lambda _, node: Answer(unreachable="Connection refused") if node == IDS[1] else None)
    run = Run(tmp_path, nodes)
    assert run.outcome.exit_code == ExitCode.UNREACHABLE
    assert "b can't be reached: Connection refused" in run.outcome.problems[0].message


def test_a_clock_that_is_ahead_is_found_before_any_change(tmp_path: Path) -> None:
    nodes = FakeNodes()
    nodes.ahead[IDS[1]] = 3600
    run = Run(tmp_path, nodes)
    assert run.outcome.exit_code == ExitCode.FAILURE
    assert [(p.code, p.message[:13]) for p in run.outcome.problems] == [("IPP632", "b: the clock ")]
    assert len(nodes.calls) == 1


@pytest.mark.parametrize("phase", [p for step in (*phases.APPLY, phases.PREPARE, phases.CONFIRM) for p in step.phases])
def test_a_failure_on_one_node_takes_every_node_back(tmp_path: Path, phase: str) -> None:
    nodes = FakeNodes(lambda now, node: failure() if (now, node) == (phase, IDS[1]) else None)
    run = Run(tmp_path, nodes)
    assert (run.outcome.outcome, run.outcome.exit_code) == ("rolled-back", ExitCode.REVERTED)
    undone = nodes.calls[-len(phases.ROLL_BACK) - 1 :]
    assert [sent for sent, _ in undone] == [("accept-both",), ("send-clear",), ("roll-back",), ("read-back",)]
    assert all(set(who) == set(IDS) for _, who in undone)
    failed = next(i for i, (sent, who) in enumerate(nodes.calls) if phase in sent and IDS[1] in who)
    tries = 2 if phase == "confirm" else 1
    assert len(nodes.calls) == failed + tries + len(phases.ROLL_BACK) + 1, "nothing goes on behind a failed exit test"
    assert "Reverting" in run.journal
    finished = [e for e in run.events if isinstance(e, PhaseFinished) and e.phase == phase]
    assert finished[-1].ok is False


def test_a_lost_answer_to_confirm_is_asked_for_again(tmp_path: Path) -> None:
    lost = [Answer(unreachable="broken pipe")]
    nodes = FakeNodes(lambda phase, node: lost.pop() if phase == "confirm" and node == IDS[1] and lost else None)
    run = Run(tmp_path, nodes)
    assert run.outcome.outcome == "confirmed"
    assert [sent for sent, _ in nodes.calls[-2:]] == [("confirm",), ("confirm",)]


def test_a_failed_proof_is_taken_back(tmp_path: Path) -> None:
    nodes = FakeNodes(lambda phase, node: {"rows": []} if (phase, node) == ("probe", IDS[0]) else None)
    run = Run(tmp_path, nodes)
    assert run.outcome.exit_code == ExitCode.REVERTED
    assert run.outcome.verdict
    assert not run.outcome.verdict.ok
    assert "confirm" not in phases_sent(nodes)


def test_who_can_not_be_taken_back_is_said(tmp_path: Path) -> None:
    def spoil(phase: str, node: str) -> dict[str, Any] | Answer | None:
        if phase in ("trap", "accept-both", "send-clear", "roll-back", "read-back") and node == IDS[2]:
            return Answer(unreachable="timed out")
        return None

    run = Run(tmp_path, FakeNodes(spoil))
    assert (run.outcome.outcome, run.outcome.exit_code) == ("rollback-incomplete", ExitCode.REVERT_INCOMPLETE)
    assert any("c can't be reached" in p.message for p in run.outcome.problems)
    assert any(p.hint and "rolls back by itself within" in p.hint for p in run.outcome.problems)


def test_the_operator_stops_at_a_phase_boundary(tmp_path: Path) -> None:
    run: list[Run] = []

    def spoil(phase: str, node: str) -> None:
        if phase == "ike-check":
            cancelled.set()

    nodes = FakeNodes(spoil)
    events: list[Event] = []
    cancelled = threading.Event()
    with ClusterState(tmp_path, "lab") as state:
        engine = Engine("lab", "d", [target(i) for i in IDS], nodes, state, events.append, Options(), cancelled)
        outcome = apply(engine, lambda _: True)
    del run
    assert outcome.exit_code == ExitCode.REVERTED
    assert phases_sent(nodes)[-6:] == ["ike-check", "permissive", "accept-both", "send-clear", "roll-back", "read-back"]


def test_declined(tmp_path: Path) -> None:
    nodes = FakeNodes()
    with ClusterState(tmp_path, "lab") as state:
        engine = Engine("lab", "d", [target(i) for i in IDS], nodes, state, silent)
        assert apply(engine, lambda _: False).outcome == "declined"
    assert len(nodes.calls) == 1


def test_certificates_go_to_their_own_node_and_nowhere_else(tmp_path: Path) -> None:
    nodes = FakeNodes()
    run = Run(tmp_path, nodes)
    carried = next(r for r in nodes.requests if "credentials" in r[IDS[0]]["phases"])
    for node_id, request in carried.items():
        leaf = x509.load_pem_x509_certificate(request["certificate"].encode())
        assert leaf.subject.rfc4514_string() == f"CN={node_id}"
    ca_key = next((run.path / "ca").glob("*/ca-key.pem")).read_text().splitlines()[1]
    assert ca_key not in repr(nodes.requests)
    text = "".join(p.read_text() for p in (run.path / "journal").iterdir())
    assert "BEGIN" not in text, "the journal holds states, not payloads"


def test_what_a_node_says_is_made_harmless(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07[red]"
    nodes = FakeNodes(lambda phase, _: {"detail": evil} if phase == "preflight" else None)
    run = Run(tmp_path, nodes)
    details = [e.detail for e in run.events if isinstance(e, NodeResult) and e.phase == "preflight"]
    assert details
    assert not any("\x1b" in detail or "\x07" in detail for detail in details)


def test_off_raises_the_mtu_last(tmp_path: Path) -> None:
    nodes = FakeNodes()
    nodes.state = {"state": "confirmed", "tx": "tx-1", "release": "0", "last": {}}
    with ClusterState(tmp_path, "lab") as state:
        engine = Engine("lab", "d", [target(i) for i in IDS], nodes, state, silent)
        outcome = revert(engine, lambda _: True)
    assert outcome.outcome == "removed"
    assert phases_sent(nodes) == [
        "status",
        "accept-both",
        "send-clear",
        "roll-back",
        "restore-devices",
        "clean-up",
        "read-back",
    ]
    assert all(request["off"] for request in nodes.requests[1].values())


def test_an_open_upgrade_goes_back_to_its_release_and_keeps_the_mtu(tmp_path: Path) -> None:
    nodes = FakeNodes()
    nodes.state = {"state": "open", "tx": "tx-2", "release": "0" * 64, "last": {}}
    with ClusterState(tmp_path, "lab") as state:
        engine = Engine("lab", "d", [target(i) for i in IDS], nodes, state, silent)
        outcome = revert(engine, lambda _: True)
    assert outcome.outcome == "rolled-back"
    assert phases_sent(nodes) == ["status", "accept-both", "send-clear", "roll-back", "read-back"]


def test_a_journal_can_be_read_back(tmp_path: Path) -> None:
    run = Run(tmp_path, FakeNodes())
    (journal,) = (run.path / "journal").iterdir()
    records = list(read(journal))
    assert records[0]["nodes"] == {i: i[2] for i in IDS}
    assert all("at" in record for record in records)


def test_a_journal_that_can_not_be_written_ends_the_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Journal.write

    def full(journal: Journal, record: dict[str, Any]) -> None:
        if record.get("phase") == "ike-check":
            raise OSError(28, "No space left on device")
        write(journal, record)

    monkeypatch.setattr(Journal, "write", full)
    nodes = FakeNodes()
    run = Run(tmp_path, nodes)
    assert run.outcome.exit_code == ExitCode.REVERTED
    assert [p.code for p in run.outcome.problems] == ["IPP668"]
    assert phases_sent(nodes)[-5:] == ["permissive", "accept-both", "send-clear", "roll-back", "read-back"]


def test_the_drills_know_every_line_of_the_journal(tmp_path: Path) -> None:
    assert len(Run(tmp_path, FakeNodes()).journal) == LINES


def test_a_full_disk_stops_an_apply_and_not_a_revert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal_module, "_reserve", full)
    nodes = FakeNodes()
    with pytest.raises(ProblemError, match="no room for the journal"):
        Run(tmp_path, nodes)
    assert nodes.calls == []
    nodes.state = {"state": "confirmed", "tx": "tx-1", "release": "0", "last": {}}
    with ClusterState(tmp_path, "lab") as state:
        engine = Engine("lab", "d", [target(i) for i in IDS], nodes, state, silent)
        outcome = revert(engine, lambda _: True)
    assert outcome.outcome == "removed"
    assert [(p.code, p.severity) for p in outcome.problems] == [("IPP668", "warning")]


@pytest.mark.parametrize("said", ["\x1b[2J", "\r\nverified: 6 directions measured"])
def test_what_a_node_measured_is_printed_without_its_escapes(tmp_path: Path, said: str) -> None:
    spoil = {"rows": [replies.row(peer=i, passes=False, said=said, unlike=[said], modes=[said]) for i in IDS]}
    run = Run(tmp_path, FakeNodes(lambda phase, node: spoil if (phase, node) == ("probe", IDS[1]) else None))
    assert run.outcome.outcome == "rolled-back"
    assert all(problem.message.isprintable() for problem in run.outcome.problems)


@pytest.mark.parametrize("size", [1, 67, 68, 575])
def test_mtu_below_which_no_cluster_is_held_is_refused_by_name(tmp_path: Path, size: int) -> None:
    def spoil(phase: str, node: str) -> dict[str, Any] | None:
        live = {"devices": {"ov0": size}, "bridge": None, "pods": [], "unknown_ports": []}
        return {"mtu": live, "to_raise": size} if (phase, node) == ("status", IDS[1]) else None

    nodes = FakeNodes(spoil)
    run = Run(tmp_path, nodes, soak_s=0.0)
    assert (run.outcome.outcome, run.outcome.exit_code, run.asked) == ("failed", ExitCode.FAILURE, [])
    (problem,) = run.outcome.problems
    assert problem.message == f"b: ov0 has an MTU of {size} bytes; no cluster is held below 576"
    assert "arm" not in phases_sent(nodes)
