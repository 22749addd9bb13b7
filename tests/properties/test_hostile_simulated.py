"""The same over the real agent and the real revert.sh: one node of three answers with anything."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from netplan.rollout import phases
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.verbs import apply as apply_module
from netplan.rollout.verbs.apply import apply
from netplan.rollout.verbs.confirm import confirm
from tests.sizes import size
from tests.support.killed import MESH, engine
from tests.support.mutations import spoiled
from tests.support.simulated import Nodes

PHASES = ["status", *dict.fromkeys(p for s in phases.APPLY for p in s.phases), "await-confirm", "prepare", "confirm"]


class Hostile(Nodes):
    """One node's answers to requests with one phase are wrong."""

    node, phase, chance = "", "", random.Random(0)

    def spoil(self, node_id: str, request: dict[str, object], said: str) -> str:
        if node_id != self.node or self.phase not in request["phases"]:  # type: ignore[operator]
            return said
        return spoiled(self.chance, json.loads(said))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(size(3, 200)))
def test_a_hostile_node_leaves_the_real_agents_on_one_side(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(apply_module, "RACE_PAUSE_S", 0)
    nodes = Hostile(monkeypatch, tmp_path / "nodes", MESH)
    nodes.chance = random.Random(seed)
    nodes.node, nodes.phase = nodes.chance.choice(list(MESH)), nodes.chance.choice(PHASES)
    with ClusterState(tmp_path / "state", "lab") as state:
        if nodes.phase == "await-confirm" or seed % 3 == 0:
            outcome = apply(engine(nodes, state, keep_s=300), lambda _: True, keep=lambda *_: None)
            if outcome.outcome == "awaiting-confirm":
                outcome = confirm(engine(nodes, state))
        else:
            outcome = apply(engine(nodes, state), lambda _: True)
    honest = [name for name in MESH if name != nodes.node]
    words = {nodes.words()[name] for name in honest}
    left = [name for name in nodes.wait() if name in honest]
    assert left == [] or outcome.outcome == "failed", "no honest node is left to its timer"
    assert words == {"new" if outcome.outcome == "confirmed" else "old"} or (left and outcome.outcome == "failed")
    assert {nodes.words()[name] for name in honest} == {"new" if outcome.outcome == "confirmed" else "old"}
