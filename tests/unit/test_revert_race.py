"""A controller reverts while the nodes' timers fire: whoever is faster, it says of the nodes only what is so."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from netplan.problems import ExitCode
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.verbs.resume import resume
from netplan.rollout.verbs.revert import revert
from tests.support.fake_nodes import IDS, FakeNodes, Run, failure, phases_sent
from tests.support.killed import MESH, dies, engine
from tests.support.simulated import Nodes

POINTS = ("NodeResult:arm:2", "PhaseFinished:permissive:1", "NodeResult:trap:1", "PhaseFinished:probe:1")
DRILL = [pytest.param(seed, marks=pytest.mark.drill) for seed in range(2, 40)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, *DRILL])
def test_timers_fire_while_a_controller_reverts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int) -> None:
    """Round trips of up to 50 s against timers of 60 s; the real agent, its lease and revert.sh."""
    dice = random.Random(seed)
    nodes = Nodes(monkeypatch, tmp_path / "nodes", MESH)
    dies(nodes, dice.choice(POINTS), monkeypatch, tmp_path / "state")
    nodes.now += dice.uniform(0, 50)
    nodes.lively = True
    nodes.trips = {target.id: (dice.uniform(0, 40), dice.uniform(0, 10)) for target in nodes.targets}
    with ClusterState(tmp_path / "state", "lab") as state:
        outcome = revert(engine(nodes, state), lambda _: True)
    if outcome.outcome in ("removed", "unchanged"):
        assert set(nodes.words().values()) == {"old"}, "said and not so"
    nodes.wait()
    assert set(nodes.words().values()) == {"old"}, outcome.problems


def test_a_leftover_is_named_with_its_node_and_rolled_back_once_more(tmp_path: Path) -> None:
    left = {
        **failure("IPP686"),
        "findings": [{**failure("IPP686")["findings"][0], "message": "left: pair-87caf44150d0"}],
    }
    nodes = FakeNodes(
        lambda phase, node: (
            failure()
            if phase == "trap" and node == IDS[0]
            else left
            if phase == "read-back" and node == IDS[1]
            else None
        )
    )
    run = Run(tmp_path, nodes)
    assert (run.outcome.outcome, run.outcome.exit_code) == ("rollback-incomplete", ExitCode.REVERT_INCOMPLETE)
    messages = [problem.message for problem in run.outcome.problems]
    assert "b: left: pair-87caf44150d0" in messages
    assert messages[-1] == "rollback incomplete: something is left on b"
    assert phases_sent(nodes).count("read-back") == 2
    assert nodes.fresh[-1], "read back over a new connection"


def test_a_leftover_that_the_second_round_takes_away_is_no_leftover(tmp_path: Path) -> None:
    looks = [failure("IPP686")]
    nodes = FakeNodes(
        lambda phase, node: (
            failure()
            if phase == "trap" and node == IDS[0]
            else looks.pop()
            if phase == "read-back" and node == IDS[1] and looks
            else None
        )
    )
    assert Run(tmp_path, nodes).outcome.outcome == "rolled-back"


def test_a_step_that_failed_because_a_timer_was_faster_is_not_a_failure(tmp_path: Path) -> None:
    nodes = FakeNodes(lambda phase, _: failure("IPP603") if phase in ("trap", "accept-both") else None)
    assert Run(tmp_path, nodes).outcome.outcome == "rolled-back"


def test_a_node_whose_rollback_has_begun_is_not_resumed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = Nodes(monkeypatch, tmp_path / "nodes", MESH)
    dies(nodes, "NodeResult:trap:1", monkeypatch, tmp_path / "state")
    tx = (nodes.home("n-b") / "lib" / "open").read_text().strip()
    (nodes.home("n-b") / "run" / "reverting").write_text(f"{tx}\ncharon does not answer\n")
    with ClusterState(tmp_path / "state", "lab") as state:
        outcome = resume(engine(nodes, state), lambda *_: True, lambda *_: True)
    assert outcome.outcome == "rolled-back", outcome.problems
    assert set(nodes.words().values()) == {"old"}
