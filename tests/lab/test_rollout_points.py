"""The control process killed behind a line of its journal: every end is wholly old or wholly new, on all nodes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import ClusterFactory
from .rollout_steps import Rollout, is_new, is_old

pytestmark = pytest.mark.lab
TIMER = 45  # seconds; a step on an emulated node may take ten
LINES = 100  # of the journal of an apply on three nodes (tests/unit/test_rollout_engine.py counts them)
# The moments between which the nodes' states differ: a request about to go, one on its way, one answered by all
BOUNDARIES = [
    *[f"{event}:{phase}:1" for phase in ("arm", "mtu", "trap", "enforce") for event in ("PhaseStarted", "NodeResult")],
    "PhaseFinished:stage:1", "PhaseFinished:permissive:1", "PhaseFinished:switch:1", "NodeResult:switch:3",
    "PhaseFinished:soak:1", "NodeResult:probe:1", "PhaseFinished:probe:1",
    "PhaseStarted:prepare:1", "NodeResult:prepare:1", "PhaseFinished:prepare:1",
    "PhaseFinished:confirm:1", "NodeResult:confirm:2", "PhaseFinished:confirm:2",
]  # fmt: skip
IN_SHORT = ("NodeResult:confirm:1",)  # the rest is for `make drills`
EVERY = [f"line::{number}" for number in range(1, LINES + 1)] if os.environ.get("IPSECPLAN_EVERY_LINE") else []
FILES = ("/etc/swanctl/conf.d/ipsecplan.conf", "/etc/swanctl/private/ipsecplan.pem", "/etc/ipsecplan/guard.nft")


def wholly(rollout: Rollout) -> str:
    """Return old or new, and nothing else will do."""
    nodes = rollout.status()
    assert set(nodes) == set(rollout.names)
    words = {name: _word(node) for name, node in nodes.items()}
    assert len(set(words.values())) == 1, (words, nodes)
    (word,) = set(words.values())
    for name in rollout.names:
        there = [f for f in FILES if rollout.lab.exec(name, ["test", "-e", f]).returncode == 0]
        assert there == (list(FILES) if word == "new" else []), (name, there)
    return word


def _word(node: dict[str, Any]) -> str:
    assert is_old(node) or is_new(node), node
    return "old" if is_old(node) else "new"


def _points() -> list[Any]:
    drills = [pytest.param(p, marks=pytest.mark.drill) for p in [*BOUNDARIES, *EVERY] if p not in IN_SHORT]
    return [*IN_SHORT, *drills]


@pytest.mark.parametrize("point", _points())
def test_killed_behind_a_line(clusters: ClusterFactory, tmp_path: Path, point: str) -> None:
    rollout = Rollout(clusters(nodes=3), tmp_path)
    begin = time.monotonic()
    rollout.dies_after(point, "apply", "--yes", "--soak", "2", "--timer", str(TIMER))
    died = time.monotonic()
    time.sleep(TIMER + 5)
    word = wholly(rollout)
    by = sorted({str(node["state"]["last"].get("by", "-")) for node in rollout.status().values()})
    (journal,) = rollout.state.glob("clusters/*/journal/*.jsonl")
    events = [json.loads(line)["event"] for line in journal.read_text().splitlines()]
    print(f"POINT {point} lines {len(events)} apply {died - begin:.0f} s: {word} by {' '.join(by)}")
    decided = point.split(":")[:2] == ["NodeResult", "confirm"] or point in ("PhaseFinished:confirm:1",
                                                                           "PhaseFinished:confirm:2")  # fmt: skip
    if not point.startswith("line"):
        assert word == ("new" if decided else "old")
    if point == "NodeResult:confirm:1":
        assert by == ["operator", "witness"]
