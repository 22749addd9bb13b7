"""The control process killed behind a line of its journal: every end is wholly old or wholly new, on all nodes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from netplan.lab.cluster import Lab

from .conftest import ClusterFactory
from .pace import Pace, answers
from .rollout_steps import LINES, Rollout, is_new, is_old

pytestmark = pytest.mark.lab
# The moments between which the nodes' states differ: a request about to go, one on its way, one answered by all
BOUNDARIES = [
    *[
        f"{event}:{phase}:1"
        for phase in ("arm", "lower-devices", "trap", "enforce")
        for event in ("PhaseStarted", "NodeResult")
    ],
    "PhaseFinished:stage:1",
    "PhaseFinished:permissive:1",
    "NodeResult:encrypt:3",
    "PhaseFinished:encrypt:1",
    "PhaseFinished:soak:1",
    "NodeResult:probe:1",
    "PhaseFinished:probe:1",
    "PhaseStarted:prepare:1",
    "NodeResult:prepare:1",
    "PhaseFinished:prepare:1",
    "PhaseFinished:confirm:1",
    "NodeResult:confirm:2",
    "PhaseFinished:confirm:2",
]
WITNESS = "NodeResult:confirm:1"  # two nodes are enough for it
EVERY = [f"line::{number}" for number in range(1, LINES + 1)] if os.environ.get("IPSECPLAN_EVERY_LINE") else []
FILES = ("/etc/swanctl/conf.d/ipsecplan.conf", "/etc/swanctl/private/ipsecplan.pem", "/etc/ipsecplan/guard.nft")


def reverted_at(rollout: Rollout, node: str) -> float | None:
    """Return the time on the node's clock at which its revert had written the new state, None if it has not."""
    if rollout.lab.exec(node, ["test", "-e", "/var/lib/ipsecplan/state.json"]).returncode != 0:
        return None
    state = json.loads(rollout.shell(node, "cat", "/var/lib/ipsecplan/state.json"))
    written = rollout.shell(node, "stat", "--format=%.3Y", "/var/lib/ipsecplan/state.json")
    return float(written) if state["last"].get("result") == "reverted" else None


def clock_of(lab: Lab, node: str) -> float:
    """Return a node's wall clock minus ours, in seconds."""
    before = time.time()
    there = float(lab.exec(node, ["date", "+%s.%N"], check=True).stdout)
    return there - (before + time.time()) / 2


def wholly(rollout: Rollout) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return old or new, and the nodes' states; nothing else will do."""
    nodes = rollout.status()
    assert set(nodes) == set(rollout.names)
    words = {name: _word(node) for name, node in nodes.items()}
    assert len(set(words.values())) == 1, (words, nodes)
    (word,) = set(words.values())
    for name in rollout.names:
        there = [f for f in FILES if rollout.lab.exec(name, ["test", "-e", f]).returncode == 0]
        assert there == (list(FILES) if word == "new" else []), (name, there)
    return word, nodes


def _word(node: dict[str, Any]) -> str:
    assert is_old(node) or is_new(node), node
    return "old" if is_old(node) else "new"


def _points() -> list[Any]:
    return [pytest.param(WITNESS, 2, id=f"{WITNESS}-two"), *(pytest.param(p, 3, id=p) for p in [*BOUNDARIES, *EVERY])]


@pytest.mark.drill  # short: a timer that fires in test_rollout_kill, every point with the agent in tests/simulation
@pytest.mark.weight(110)
@pytest.mark.parametrize(("point", "number"), _points())
def test_killed_behind_a_line(clusters: ClusterFactory, tmp_path: Path, point: str, number: int) -> None:
    lab = clusters(nodes=number)
    rollout = Rollout(lab, tmp_path)
    offset = {name: clock_of(lab, name) for name in rollout.names}
    begin = time.time()
    before = Pace.of(lab)
    rollout.dies_after(point, "apply", "--yes", "--soak", "2", timer=before.timer)
    died = time.time()
    time.sleep(before.late)  # what was on its way has arrived by now
    rollout.settled()  # and nothing of ours runs anywhere
    late = max(before.late, Pace.of(lab).late)
    took = {name: reverted_at(rollout, name) for name in rollout.names}
    seconds = {name: at - offset[name] - died for name, at in took.items() if at is not None}
    word, nodes = wholly(rollout)
    by = sorted({str(node["state"]["last"].get("by", "-")) for node in nodes.values()})
    journal = max(rollout.state.glob("clusters/*/journal/*.jsonl"))  # a timer that was refused has one before it
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    timer, lines = max([r.get("timer_s") or 0 for r in records]), len(records)
    print(
        f"POINT {point} line {lines}, {died - begin:.0f} s after the start: {word}, by {' '.join(by)}; "
        + " ".join(f"{name} {s:.1f} s" for name, s in seconds.items())
    )
    assert all(s <= timer + late for s in seconds.values()), (seconds, timer, late)
    event, phase, _ = point.split(":")
    if event != "line":
        decided = phase == "confirm" and event != "PhaseStarted"
        assert word == ("new" if decided else "old")
    if point == WITNESS:
        assert by == ["operator", "witness"]
    if point == "NodeResult:encrypt:3":
        assert by == ["timer"]
        assert len(seconds) == len(rollout.names)
        assert all(node["mtu"]["devices"] == {"ov0": 1416} for node in nodes.values()), "a small MTU is always safe"
        assert rollout.run("status").stdout.count("(rolled back by timer at 20") == number
        answers(lab, "n1", "10.244.3.2")
