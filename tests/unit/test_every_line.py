"""The control process dies behind every line of its journal, requests arrive or not: no end is mixed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from netplan.agent import main
from netplan.problems import ExitCode
from netplan.rollout import phases
from netplan.rollout.outcome import Failed, Outcome
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.verbs import apply as apply_module
from netplan.rollout.verbs.apply import apply, finish
from netplan.rollout.verbs.confirm import confirm
from netplan.rollout.verbs.resume import resume
from netplan.rollout.verbs.revert import undo_after
from tests.lab.rollout_steps import LINES
from tests.support.killed import MESH, dies, engine
from tests.support.simulated import Nodes

CHAIN = {"n-a": ["n-b"], "n-b": ["n-a", "n-c"], "n-c": ["n-b"]}
LONG = {"n-d": ["n-c"], "n-c": ["n-d", "n-b"], "n-b": ["n-c", "n-a"], "n-a": ["n-b"]}  # the farthest sorts first
# Points are EVENT:PHASE:N as in tests.lab.dying, or the number of a line
SOME = ("PhaseFinished:probe:1", "NodeResult:prepare:2", "PhaseFinished:prepare:1", "NodeResult:confirm:1")
HOPS = (("PhaseFinished:prepare:1", "old"), ("NodeResult:confirm:1", "new"))
RESUMED = (
    "NodeResult:arm:2",
    "PhaseFinished:permissive:1",
    "NodeResult:trap:1",
    "NodeResult:prepare:2",
    "NodeResult:confirm:1",
    "NodeResult:confirm:2",
)


def _points() -> list[Any]:
    lines = [pytest.param(f"line::{n}", marks=pytest.mark.drill) for n in range(1, LINES + 1)]
    return [*SOME, *lines]


@pytest.mark.parametrize("arrive", [True, False], ids=["arrive", "lost"])
@pytest.mark.parametrize("point", _points())
def test_wholly_old_or_wholly_new(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, point: str, arrive: bool) -> None:
    nodes = Nodes(monkeypatch, tmp_path / "nodes", MESH)
    dies(nodes, point, monkeypatch, tmp_path / "state")
    if arrive:
        nodes.deliver()
    confirmed = any((nodes.home(t.id) / "addresses").exists() for t in nodes.targets)
    fired = nodes.wait()
    assert set(nodes.words().values()) == {"new" if confirmed else "old"}, (nodes.words(), fired)
    if point in SOME:
        assert confirmed == (point == "NodeResult:confirm:1")


@pytest.mark.parametrize(("point", "end"), HOPS)
@pytest.mark.parametrize("graph", [CHAIN, LONG], ids=["chain", "long chain"])
def test_over_several_hops(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, graph: dict[str, list[str]], point: str, end: str
) -> None:
    nodes = Nodes(monkeypatch, tmp_path / "nodes", graph)
    dies(nodes, point, monkeypatch, tmp_path / "state")
    nodes.wait()
    assert set(nodes.words().values()) == {end}, nodes.words()


@pytest.mark.parametrize(("point", "end"), [*HOPS, ("NodeResult:prepare:2", "old")])
def test_over_a_confirmed_release_where_those_who_went_back_still_encrypt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, point: str, end: str
) -> None:
    nodes = Nodes(monkeypatch, tmp_path / "nodes", LONG)
    with ClusterState(tmp_path / "state", "lab") as state:
        assert apply(engine(nodes, state), lambda _: True).outcome == "confirmed"
    nodes.targets = [replace(target, digest="e" * 64) for target in nodes.targets]
    nodes.stale = True
    dies(nodes, point, monkeypatch, tmp_path / "state")
    nodes.wait()
    states = [json.loads((nodes.home(t.id) / "lib" / "state.json").read_text()) for t in nodes.targets]
    assert {state["release"][0] for state in states} == {"f" if end == "old" else "e"}
    assert set(nodes.words().values()) == {"new"}, "confirmed and guarded, by whichever release"


@pytest.mark.parametrize("point", RESUMED)
def test_resume_finishes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, point: str) -> None:
    nodes = Nodes(monkeypatch, tmp_path / "nodes", MESH)
    dies(nodes, point, monkeypatch, tmp_path / "state")
    nodes.deliver()
    with ClusterState(tmp_path / "state", "lab") as state:
        outcome = resume(engine(nodes, state, timer_s=60), lambda *_: True, lambda *_: True)
    assert outcome.outcome in ("confirmed", "unchanged"), outcome.problems
    assert nodes.wait() == [], "no timer is left"
    assert set(nodes.words().values()) == {"new"}


def test_resume_takes_back_what_two_faults_left_mixed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = Nodes(monkeypatch, tmp_path / "nodes", MESH)
    dies(nodes, "NodeResult:confirm:1", monkeypatch, tmp_path / "state")
    nodes.boot("n-c")
    nodes.wait()
    assert nodes.words() == {"n-a": "new", "n-b": "new", "n-c": "old"}, "a reboot reverts, whatever the others do"
    with ClusterState(tmp_path / "state", "lab") as state:
        outcome = resume(engine(nodes, state), lambda *_: True, lambda *_: True)
    assert outcome.outcome == "rolled-back", outcome.problems
    assert set(nodes.words().values()) == {"old"}


def test_a_late_request_of_a_dead_controller_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = Nodes(monkeypatch, tmp_path / "nodes", MESH)
    dies(nodes, "NodeResult:trap:1", monkeypatch, tmp_path / "state")
    late = list(nodes.under_way)
    assert late
    with ClusterState(tmp_path / "state", "lab") as state:
        assert resume(engine(nodes, state), lambda *_: True, lambda *_: True).outcome == "confirmed"
    for node_id, request, archive in late:
        (result,) = nodes.serve(node_id, request, archive).results
        assert (result["ok"], result["findings"][0]["code"]) == (False, "IPP671")
    assert set(nodes.words().values()) == {"new"}


def test_taking_back_what_is_not_there_waits_for_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = Nodes(monkeypatch, tmp_path / "nodes", MESH)
    dies(nodes, "NodeResult:trap:1", monkeypatch, tmp_path / "state")
    monkeypatch.setattr(main, "_alone", lambda: pytest.fail("waited for the one who is at work"))
    usual = {
        "release": "",
        "files": [],
        "rearm": False,
        "patience": 1,
        "soak": 0,
        "kind": "apply",
        "time": 0,
        "timer": 60,
    }
    foreign = {**usual, "phases": ["accept-both"], "tx": "tx-other", "node": nodes.targets[0].node}
    (result,) = nodes.serve("n-a", foreign, b"").results
    assert (result["ok"], result["detail"]) == (True, "nothing to roll back")


def test_a_try_that_is_confirmed_and_one_that_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = Nodes(monkeypatch, tmp_path / "nodes", MESH)
    for said in ("no", "yes"):
        with ClusterState(tmp_path / "state", "lab") as state:
            tried = apply(engine(nodes, state, keep_s=300), lambda _: True, keep=lambda *_: None)
            assert tried.outcome == "awaiting-confirm"
            if said == "no":
                assert sorted(nodes.wait()) == ["n-a", "n-b", "n-c"]
                assert confirm(engine(nodes, state)).outcome == "failed"
            else:
                assert confirm(engine(nodes, state)).outcome == "confirmed"
                assert confirm(engine(nodes, state)).outcome == "unchanged"
        assert set(nodes.words().values()) == {"old" if said == "no" else "new"}
    assert list((nodes.home("n-a") / "timers").iterdir()) == []


def test_two_begin_at_once_and_one_gives_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = Nodes(monkeypatch, tmp_path / "nodes", MESH)
    with ClusterState(tmp_path / "one", "lab") as one, ClusterState(tmp_path / "other", "lab") as other:
        loser, winner = engine(nodes, other), engine(nodes, one)
        for both in (loser, winner):  # both have looked before either has begun
            both.read_state()
            both.begin("apply")
            both.acquire_lease()
        loser.step(phases.APPLY[0], only=["n-b"])
        with pytest.raises(Failed, match="holds this node"):
            winner.step(phases.APPLY[0])
        outcome = Outcome("planned", ExitCode.OK)
        undone = Outcome("planned", ExitCode.OK)
        gives_way = SimpleNamespace(sleep=lambda _: undo_after(loser, Failed([]), undone))
        monkeypatch.setattr(apply_module, "time", gives_way)
        finish(winner, phases.APPLY, outcome, None)
    assert (undone.outcome, outcome.outcome) == ("rolled-back", "confirmed"), (undone.problems, outcome.problems)
    assert set(nodes.words().values()) == {"new"}
    assert nodes.wait() == []
