"""`revert` decides by what the nodes say: which steps follow, what is asked before, and how each failure ends."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

import pytest

from netplan.problems import ExitCode, Problem
from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.nodes.lease import owner
from netplan.rollout.outcome import Failed, Options, Outcome
from netplan.rollout.record import journal as journal_module
from netplan.rollout.record.events import Event, Reverting, RunFinished, RunStarted
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.record.memory import Memory
from netplan.rollout.transport.reply import Answer
from netplan.rollout.verbs.apply import apply
from netplan.rollout.verbs.revert import revert
from tests.support.fake_nodes import IDS, Cluster, FakeNodes, failure, mesh, phases_sent, target

TX = "tx-20260102030405-abcd"
BACK = ["accept-both", "send-clear", "roll-back"]
RESTORE = ["restore-devices", "clean-up"]
Spoil = dict[tuple[str, str], Any]


class Reverted:
    """One revert: its outcome, its events, what it asked, and the names of the journals that it left."""

    def __init__(self, folder: Path, nodes: FakeNodes, agree: bool = True, targets: Any = None, **options: Any) -> None:
        self.events: list[Event] = []
        self.asked: list[Outcome] = []
        self.before: list[tuple[str, ExitCode]] = []

        def answer(outcome: Outcome) -> bool:
            self.asked.append(outcome)
            self.before.append((outcome.outcome, outcome.exit_code))
            return agree

        with ClusterState(folder, "lab") as state:
            at = targets or [target(i) for i in IDS]
            self.engine = Engine("lab", "d" * 64, at, nodes, state, self.events.append, Options(**options))
            self.outcome = revert(self.engine, answer)
            journals = state.folder / "journal"
            self.journals = [path.name for path in journals.iterdir()] if journals.exists() else []
        self.sent = phases_sent(nodes)

    def begun(self) -> RunStarted:
        """The run's first event, whatever was told before it."""
        first = self.events[0]
        assert isinstance(first, RunStarted)
        assert isinstance(self.events[-1], RunFinished)
        assert self.events[-1].outcome == self.outcome.outcome
        return first


def nodes(spoil: Spoil | None = None, **state: Any) -> FakeNodes:
    """Nodes that are all in this state; ``spoil``: (phase, node) -> what is said instead."""
    made = FakeNodes(lambda phase, node: (spoil or {}).get((phase, node)))
    made.state = {"state": "none", "tx": "", "release": "", "last": {}, **state}
    return made


def opened(spoil: Spoil | None = None, release: str = "") -> FakeNodes:
    return nodes(spoil, state="open", tx=TX, release=release)


def confirmed(spoil: Spoil | None = None) -> FakeNodes:
    return nodes(spoil, state="confirmed", tx=TX, release="0" * 64)


def messages(outcome: Outcome) -> list[str]:
    return [problem.message for problem in outcome.problems]


def test_nothing_changes_where_a_node_can_not_be_asked(tmp_path: Path) -> None:
    run = Reverted(tmp_path, opened({("status", IDS[1]): Answer(unreachable="no route")}))
    assert (run.outcome.outcome, run.outcome.exit_code) == ("failed", ExitCode.UNREACHABLE)
    assert messages(run.outcome) == ["b can't be reached: no route"]
    waited = re.fullmatch(
        r"waited (\d+) s for a connection, (\d+) s for a sign of life on one", str(run.outcome.problems[0].hint)
    )
    assert waited
    assert min(int(waited[1]), int(waited[2])) > 0
    assert (run.sent, run.asked, run.journals, run.begun().verb) == (["status"], [], [], "revert")


def test_where_nothing_is_there_nothing_is_asked(tmp_path: Path) -> None:
    run = Reverted(tmp_path, nodes())
    assert (run.outcome.outcome, run.outcome.exit_code, run.outcome.changes) == ("unchanged", ExitCode.OK, 0)
    assert (run.sent, run.asked, run.begun().verb) == (["status"], [], "revert")


def test_what_is_asked_says_what_will_be_touched(tmp_path: Path) -> None:
    fakes = opened()
    fakes.nodes[IDS[2]] = ({"state": "none", "tx": "", "release": "", "last": {}}, {"steps": [], "kind": ""})
    run = Reverted(tmp_path, fakes, agree=False)
    (asked,) = run.asked
    assert run.before == [("planned", ExitCode.OK)]
    assert (asked.changes, set(asked.nodes), asked.problems, asked.left_out) == (2, set(IDS), [], {})
    assert (run.outcome.outcome, run.sent, run.begun().transaction) == ("declined", ["status"], TX)
    assert set(run.outcome.still_open) <= {"a", "b"}
    assert [TX in name for name in run.journals] == [True]


def test_mtu_that_was_raised_before_the_tool_is_put_back_without_a_rollback(tmp_path: Path) -> None:
    """A node without a transaction, whose device has another MTU than before us."""
    run = Reverted(tmp_path, nodes({("status", i): {"mtu_before": {"ov0": 1450}} for i in IDS}))
    assert (run.outcome.outcome, run.outcome.changes) == ("removed", 3)
    assert run.sent == ["status", *RESTORE, "read-back"]


@pytest.mark.parametrize(("other", "same"), [(TX, True), ("tx-20260102030406-ef01", False)])
def test_the_run_has_the_transaction_that_the_nodes_have(tmp_path: Path, other: str, same: bool) -> None:
    fakes = opened()
    fakes.nodes[IDS[0]] = ({"state": "open", "tx": other, "release": "", "last": {}}, {"steps": [], "kind": ""})
    run = Reverted(tmp_path, fakes)
    assert run.outcome.outcome == "removed"
    assert run.begun().verb == "revert"
    assert (run.begun().transaction == TX, run.outcome.transaction == TX) == (same, same)
    assert run.sent == ["status", *BACK, *RESTORE, "read-back"]
    assert {request["tx"] for sent in fakes.requests[1:] for request in sent.values()} == {run.outcome.transaction}


def test_a_closed_transaction_is_not_the_one_of_the_run(tmp_path: Path) -> None:
    run = Reverted(tmp_path, confirmed())
    assert run.outcome.outcome == "removed"
    assert run.begun().transaction != TX


def test_of_an_open_transaction_the_other_nodes_go_on_to_the_read_back(tmp_path: Path) -> None:
    """MTUs stay low: one node is not back, and its peers would send it packets that are too large."""
    spoil = {("accept-both", IDS[0]): failure("IPP604"), ("read-back", IDS[1]): failure("IPP686")}
    run = Reverted(tmp_path, opened(spoil))
    assert (run.outcome.outcome, run.outcome.exit_code) == ("rollback-incomplete", ExitCode.REVERT_INCOMPLETE)
    assert run.sent == ["status", *BACK, "read-back"]
    assert [problem.code for problem in run.outcome.problems] == ["IPP604", "IPP686"]
    assert (messages(run.outcome), run.begun().verb) == (["a: no", "b: no"], "revert")


def test_a_node_that_is_away_is_named_once(tmp_path: Path) -> None:
    away = Answer(unreachable="no route")
    run = Reverted(tmp_path, opened({(phase, IDS[0]): away for phase in (*BACK, "read-back")}))
    assert run.sent == ["status", *BACK, "read-back"]
    assert messages(run.outcome) == ["a can't be reached: no route"]


def test_of_what_is_confirmed_nothing_more_is_taken_away_once_a_node_fails(tmp_path: Path) -> None:
    run = Reverted(tmp_path, confirmed({("accept-both", IDS[0]): failure("IPP604")}))
    assert run.outcome.outcome == "rollback-incomplete"
    assert run.sent == ["status", "accept-both"]


def test_an_upgrade_keeps_the_mtu_and_what_is_off(tmp_path: Path) -> None:
    fakes = opened(release="0" * 64)
    run = Reverted(tmp_path, fakes)
    assert (run.outcome.outcome, run.sent) == ("rolled-back", ["status", *BACK, "read-back"])
    assert {(r["off"], r["any"]) for sent in fakes.requests[1:] for r in sent.values()} == {(False, True)}
    away = Reverted(tmp_path / "b", fresh := opened())
    assert away.outcome.outcome == "removed"
    assert {(r["off"], r["any"]) for sent in fresh.requests[1:] for r in sent.values()} == {(True, True)}


def test_warnings_of_before_stay_beside_that_of_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal_module, "_reserve", full)
    held = {"owner": "f" * 32, "who": "eve@other", "epoch": 7, "left_s": 90, "until": 0.0, "boot": ""}
    run = Reverted(tmp_path, opened({("status", i): {"lease": held} for i in IDS}), steal=True)
    assert run.outcome.outcome == "removed"
    assert [(p.code, p.severity) for p in run.outcome.problems] == [("IPP671", "warning")] * 3 + [("IPP668", "warning")]
    assert run.outcome.problems[-1].hint is None
    assert (run.begun().verb, run.begun().transaction, run.journals) == ("revert", TX, [])


def test_what_can_not_be_forgotten_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forgot: list[set[str]] = []

    def forget(_: Memory, who: Any) -> None:
        forgot.append(set(who))
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Memory, "forget", forget)
    assert Reverted(tmp_path, confirmed()).outcome.outcome == "removed"
    assert forgot == [set(IDS)]


def test_nodes_that_others_protect_are_not_turned_off(tmp_path: Path) -> None:
    targets = mesh(5)
    fakes = Cluster()
    fakes.state = {"state": "confirmed", "tx": "tx-1", "release": "f" * 64, "last": {}}
    for at in (0, 1):
        held = {"state": "confirmed", "tx": "tx-1", "release": targets[at].digest, "last": {}}
        fakes.nodes[targets[at].id] = (held, {"steps": [], "kind": ""})
    run = Reverted(tmp_path, fakes, targets=targets, limit="h3,h4")
    (problem,) = run.outcome.problems
    assert (problem.code, problem.message) == ("IPP673", "h0, h1 still protect their pairs with h3, h4")
    assert problem.hint == "apply a bundle without the nodes that leave, then turn them off with this one"
    assert (run.outcome.outcome, run.outcome.exit_code) == ("failed", ExitCode.FAILURE)
    assert (run.sent, run.asked, run.journals, run.begun().verb) == (["status"], [], [], "revert")
    alone = Reverted(tmp_path / "b", fakes, targets=mesh(5), agree=False, limit="h3,h4", exclude="h4")
    assert alone.outcome.problems[0].message == "h0, h1 still protect their pairs with h3"


def test_of_a_part_of_the_nodes_only_these_are_looked_at(tmp_path: Path) -> None:
    targets = mesh(3)
    fakes = Cluster()
    fakes.state = {"state": "confirmed", "tx": "tx-1", "release": "f" * 64, "last": {}}
    run = Reverted(tmp_path, fakes, targets=targets, limit="h2")
    (asked,) = run.asked
    assert (set(asked.nodes), asked.changes) == ({targets[2].id}, 1)
    assert asked.left_out == {"h0": ["h2-h0"], "h1": ["h2-h1"]}
    assert run.outcome.outcome == "removed"


def test_the_lease_of_the_same_folder_is_taken_silently(tmp_path: Path) -> None:
    with ClusterState(tmp_path, "lab") as state:
        ours = owner(state.folder)
    held = {"owner": ours, "who": "me", "epoch": 7, "left_s": 90, "until": 0.0, "boot": ""}
    assert Reverted(tmp_path, opened({("status", i): {"lease": held} for i in IDS})).outcome.problems == []


LOST = Answer(unreachable="timed out")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({IDS[2]: LOST}, "not every node could be reached for it (c)"),
        ({IDS[1]: LOST, IDS[2]: LOST}, "not every node could be reached for it (b, c)"),
        ({IDS[0]: failure("IPP686"), IDS[1]: failure("IPP686")}, "something is left on a, b"),
        (
            {IDS[0]: failure("IPP686"), IDS[2]: LOST},
            "not every node could be reached for it (c); something is left on a",
        ),
    ],
)
def test_a_rollback_that_is_not_complete_says_where(tmp_path: Path, spoil: Spoil, words: str) -> None:
    fakes = FakeNodes(lambda phase, node: failure() if phase == "trap" else spoil.get(node) if phase in LATE else None)
    with ClusterState(tmp_path, "lab") as state:
        engine = Engine("lab", "d" * 64, [target(i) for i in IDS], fakes, state, lambda _: None, Options())
        outcome = apply(engine, lambda _: True)
    assert (outcome.outcome, outcome.exit_code) == ("rollback-incomplete", ExitCode.REVERT_INCOMPLETE)
    last = outcome.problems[-1]
    assert (last.code, last.message) == ("IPP663", f"rollback incomplete: {words}")
    away = f"an unreachable node rolls back by itself within {engine.timers.timer_s} s; "
    assert last.hint == f"{away if LOST in spoil.values() else ''}{GOES_ON}"
    rounds = 1 if LOST in spoil.values() else 2
    assert phases_sent(fakes).count("read-back") == rounds


def test_a_rollback_that_fails_here_and_on_no_node_says_what_is_above(tmp_path: Path) -> None:
    class Refused(FakeNodes):
        def step(self, requests: Any, targets: Any, **words: Any) -> Any:
            if "read-back" in next(iter(requests.values()))["phases"]:
                raise Failed([Problem(code="IPP302", message="Ansible can't be started")])
            return super().step(requests, targets, **words)

    fakes = Refused(lambda phase, _: failure() if phase == "trap" else None)
    with ClusterState(tmp_path, "lab") as state:
        engine = Engine("lab", "d" * 64, [target(i) for i in IDS], fakes, state, lambda _: None, Options())
        outcome = apply(engine, lambda _: True)
    assert messages(outcome)[-2:] == ["Ansible can't be started", "rollback incomplete: see above"]


def test_a_try_is_rolled_back_by_its_nodes_when_its_wait_is_over(tmp_path: Path) -> None:
    """What a step back said is said where something is left, once; and what was wrong before stays."""
    spoil = {("await-confirm", IDS[0]): failure(), ("send-clear", IDS[0]): failure("IPP604")}
    spoil |= {(phase, IDS[2]): LOST for phase in (*BACK, *LATE)} | {("roll-back", IDS[0]): failure("IPP604")}
    fakes = FakeNodes(lambda phase, node: spoil.get((phase, node)))
    events: list[Event] = []
    with ClusterState(tmp_path, "lab") as state:
        engine = Engine("lab", "d" * 64, [target(i) for i in IDS], fakes, state, events.append, Options(keep_s=900))
        outcome = apply(engine, lambda _: True, keep=lambda *_: None)
    assert outcome.outcome == "rollback-incomplete"
    assert [event.reason for event in events if isinstance(event, Reverting)] == ["a: no"]
    assert [(p.code, p.message) for p in outcome.problems] == [
        ("IPP614", "a: no"),
        ("IPP604", "a: no"),
        ("IPP604", "a: no"),
        ("IPP661", "c can't be reached: timed out"),
        ("IPP663", "rollback incomplete: not every node could be reached for it (c)"),
    ]
    assert str(outcome.problems[-1].hint).startswith("an unreachable node rolls back by itself within 900 s; ")


LATE = ("read-back",)
GOES_ON = "each node goes on until nothing is left; see `ipsecplan status`"


def test_the_steps_are_those_of_the_table() -> None:
    assert [p for step in phases.ROLL_BACK for p in step.phases] == BACK
    assert [p for step in phases.RESTORE for p in step.phases] == RESTORE
