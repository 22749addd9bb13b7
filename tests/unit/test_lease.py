"""The lease, both halves: one control process at a time, and none that is older than the last."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.system.core import Stop
from netplan.agent.transaction import lease
from netplan.problems import ExitCode
from netplan.rollout.engine import Engine
from netplan.rollout.nodes.lease import owner, who
from netplan.rollout.outcome import Options
from netplan.rollout.record.events import silent
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.verbs import apply as apply_module
from netplan.rollout.verbs.apply import apply
from netplan.rollout.verbs.resume import resume
from netplan.rollout.verbs.revert import revert
from tests.support.fake_nodes import IDS, FakeNodes, opened, phases_sent, target

A, B = "a" * 16, "b" * 16


def asks(owner_: str, epoch: int, *, steal: bool = False, seconds: int = 100) -> dict[str, Any]:
    return {"owner": owner_, "who": f"{owner_[0]}@host", "epoch": epoch, "seconds": seconds, "steal": steal}


@pytest.mark.parametrize(
    ("held", "asked", "refusal"),
    [
        (None, asks(A, 1), None),
        (asks(A, 1), asks(A, 1), None),
        (asks(A, 1), asks(A, 2), None),
        (asks(A, 2), asks(A, 1), "older than a@host's"),
        (asks(A, 1), asks(B, 2), "a@host holds this node for 100 s"),
        (asks(A, 1), asks(B, 1), "a@host holds this node for 100 s"),
        (asks(A, 1), asks(B, 2, steal=True), None),
        (asks(A, 2), asks(B, 1, steal=True), "older than"),
        (asks(A, 1), asks(B, 1, steal=True), "older than"),
    ],
)
def test_who_gets_a_node(home: Path, held: dict[str, Any] | None, asked: dict[str, Any], refusal: str | None) -> None:
    if held:
        lease.hold(held)
    if refusal:
        with pytest.raises(Stop, match=refusal):
            lease.hold(asked)
        assert lease.load()["owner"] == A
    else:
        lease.hold(asked)
        assert (lease.load()["owner"], lease.load()["epoch"]) == (asked["owner"], asked["epoch"])
    assert (home / "lease").stat().st_mode & 0o777 == 0o600


def test_an_ended_lease_is_free_and_its_epoch_is_not(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lease.hold(asks(A, 5))
    lease.release()
    assert (lease.load()["left_s"], lease.load()["epoch"]) == (0, 5)
    with pytest.raises(Stop, match="older than"):
        lease.hold(asks(B, 4))
    lease.hold(asks(B, 6))
    clock = time.monotonic() + 101
    monkeypatch.setattr("time.monotonic", lambda: clock)
    assert lease.load()["left_s"] == 0
    lease.hold(asks(A, 7))


def test_a_reboot_ends_a_lease(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lease.hold(asks(A, 5))
    monkeypatch.setattr(lease, "_boot", lambda: "another boot")
    assert lease.load()["left_s"] == 0
    assert lease.load()["epoch"] == 5


def test_who_leaves_is_held_by_nobody(home: Path) -> None:
    lease.hold(asks(A, 5))
    assert lease.release_lease({})["detail"] == "free for others"
    assert (lease.load()["left_s"], lease.load()["epoch"]) == (0, 5)
    lease.hold(asks(B, 6))


@pytest.mark.parametrize(
    "asked",
    [None, {}, {**asks(A, 1), "owner": "../x"}, {**asks(A, 1), "who": "a b\n"}, {**asks(A, 1), "who": "x" * 99}],
)
def test_what_is_no_lease(home: Path, asked: dict[str, Any] | None) -> None:
    with pytest.raises(Stop):
        lease.hold(asked)


def test_a_state_directory_is_the_same_after_a_restart(tmp_path: Path) -> None:
    assert owner(tmp_path) == owner(tmp_path)
    assert (tmp_path / "owner").stat().st_mode & 0o777 == 0o600
    (tmp_path / "other").mkdir()
    assert owner(tmp_path / "other") != owner(tmp_path)
    assert "@" in who()


class Leased(FakeNodes):
    """Nodes that are held by somebody."""

    def __init__(self, holder: str, left: int = 90, epoch: int = 7) -> None:
        held = {"owner": holder, "who": "eve@other\x1b[2J", "epoch": epoch, "left_s": left, "until": 0.0, "boot": ""}
        super().__init__(lambda phase, _: {"lease": held} if phase == "status" else None)


def engine(state: ClusterState, nodes: FakeNodes, **options: Any) -> Engine:
    return Engine("lab", "d", [target(i) for i in IDS], nodes, state, silent, Options(**options))


def test_another_machine_is_refused_before_it_changes_anything(tmp_path: Path) -> None:
    nodes = Leased(B)
    with ClusterState(tmp_path, "lab") as state:
        outcome = apply(engine(state, nodes), lambda _: pytest.fail("asked"))
    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.FAILURE)
    assert [p.code for p in outcome.problems] == ["IPP671"] * 3
    assert "eve@other" in outcome.problems[0].message
    assert "\x1b" not in outcome.problems[0].message
    assert phases_sent(nodes) == ["status", "preflight"]


def test_it_may_take_over_and_says_from_whom(tmp_path: Path) -> None:
    nodes = Leased(B)
    nodes.nodes = {i: opened(["arm"]) for i in IDS}
    with ClusterState(tmp_path, "lab") as state:
        outcome = revert(engine(state, nodes, steal=True), lambda _: True)
    assert outcome.outcome == "removed"
    warning = outcome.problems[0]
    assert (warning.severity, warning.message[:27]) == ("warning", "a: taken over from eve@othe")
    assert {request["lease"]["epoch"] for request in nodes.requests[1].values()} == {8}
    with ClusterState(tmp_path, "lab") as state:
        assert resume(engine(state, nodes), lambda *_: True, lambda *_: None).outcome == "failed"


def test_the_same_state_directory_goes_on(tmp_path: Path) -> None:
    with ClusterState(tmp_path, "lab") as state:
        nodes = Leased(owner(state.folder))
        assert apply(engine(state, nodes), lambda _: True).outcome == "confirmed"
    assert {request["lease"]["epoch"] for request in nodes.requests[1].values()} == {8}


@pytest.mark.parametrize(("lost", "ends"), [(IDS[1], "confirmed"), (IDS[0], "rolled-back")])
def test_of_two_at_once_the_holder_of_the_first_node_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str, ends: str
) -> None:
    monkeypatch.setattr(apply_module, "RACE_PAUSE_S", 0)
    refusals = [1, 1]

    def spoil(phase: str, node: str) -> dict[str, Any] | None:
        if phase == "arm" and node == lost and refusals:
            refusals.pop()
            finding = {"code": "IPP671", "message": "held", "hint": None, "severity": "error"}
            return {"ok": False, "detail": "held", "findings": [finding]}
        return None

    nodes = FakeNodes(spoil)
    with ClusterState(tmp_path, "lab") as state:
        assert apply(engine(state, nodes), lambda _: True).outcome == ends
    assert phases_sent(nodes).count("arm") == (3 if ends == "confirmed" else 1)


def test_who_gets_no_node_has_nothing_to_take_back(tmp_path: Path) -> None:
    finding = {"code": "IPP671", "message": "eve holds this node", "hint": None, "severity": "error"}
    refusal = {"ok": False, "detail": "held", "findings": [finding]}
    nodes = FakeNodes(lambda phase, _: refusal if phase == "arm" else None)
    with ClusterState(tmp_path, "lab") as state:
        outcome = apply(engine(state, nodes), lambda _: True)
    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.FAILURE)
    assert "accept-both" not in phases_sent(nodes)


def test_what_one_node_says_of_its_epoch_is_used_for_no_other_node(tmp_path: Path) -> None:
    def spoil(phase: str, node: str) -> dict[str, Any] | None:
        told = {"epoch": 2**53 - 1 if node == IDS[2] else 4}
        return {"lease": told} if phase == "status" else None

    nodes = FakeNodes(spoil)
    with ClusterState(tmp_path, "lab") as state:
        assert apply(engine(state, nodes), lambda _: True).outcome == "confirmed"
    assert [request["lease"]["epoch"] for request in nodes.requests[1].values()] == [5, 5, 2**53]


def test_a_node_whose_epochs_are_used_up_is_refused_by_name(tmp_path: Path) -> None:
    nodes = FakeNodes(lambda phase, node: {"lease": {"epoch": 2**53}} if (phase, node) == ("status", IDS[2]) else None)
    with ClusterState(tmp_path, "lab") as state:
        outcome = apply(engine(state, nodes), lambda _: pytest.fail("asked"))
    (problem,) = outcome.problems
    assert (problem.code, problem.message[:3]) == ("IPP671", "c: ")
    assert "/var/lib/ipsecplan/lease" in str(problem.hint)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"epoch": "x"}', "[" * 50, '{"owner": 1, "until": 1e999}'])
def test_a_damaged_lease_file_is_nobody_s_lease(home: Path, text: str) -> None:
    home.mkdir(exist_ok=True)
    (home / "lease").write_text(text)
    assert lease.load() == {"owner": "", "who": "", "epoch": 0, "until": 0.0, "boot": "", "left_s": 0}
    lease.hold(asks(A, 1))


def test_what_was_sent_again_since_is_refused(home: Path) -> None:
    lease.hold(asks(A, 1))
    lease.hold({**asks(A, 1), "turn": 2})
    lease.hold({**asks(A, 1), "turn": 2})
    for late in (asks(A, 1), {**asks(A, 1), "turn": 1}):
        with pytest.raises(Stop, match=r"of turn [01], and was sent again"):
            lease.hold(late)
    lease.release()
    with pytest.raises(Stop, match="sent again"):
        lease.hold(asks(A, 1))
    lease.hold(asks(A, 2))  # another run of ours begins anew
    lease.hold(asks(B, 3, steal=True))
    with pytest.raises(Stop, match="not a lease"):
        lease.hold({**asks(B, 3), "turn": "1"})


def test_a_lease_of_an_older_version_has_no_turn(home: Path) -> None:
    lease.hold(asks(A, 1))
    said = json.loads((home / "lease").read_text())
    del said["turn"]
    (home / "lease").write_text(json.dumps(said))
    lease.hold(asks(A, 1))
