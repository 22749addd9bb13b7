"""The collection's plays, run by ansible-playbook; tests.support.play_nodes stands in for round trips to nodes.

What real nodes do is in tests/lab/test_plays_drill.py.
"""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.play_nodes import KILL, SPOIL
from tests.support.playing import Plays, recap, said

PROOF = "n1 -> n2  DF 1416 passes, 1417 refused, ESP seen (outer 1500), 0 plaintext (1 planted, seen)"


def until(what: str, met: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, what
        time.sleep(0.2)


@pytest.fixture
def plays(tmp_path: Path) -> Plays:
    return Plays(tmp_path)


@pytest.mark.slow
def test_look_apply_and_apply_again(plays: Plays) -> None:
    checked = plays.play("apply", "--check", "--diff")
    assert checked.returncode == 0, said(checked)
    assert {host: counts["changed"] for host, counts in recap(checked.stdout).items()} == {"n1": 2, "n2": 1}
    assert plays.states() == {"none"}
    assert "by apply: " in checked.stdout

    first = plays.play("apply")
    assert first.returncode == 0, said(first)
    assert PROOF in first.stdout
    assert "confirmed on 2 nodes: encrypted, measured, timers disarmed" in first.stdout
    assert all(counts["changed"] > 5 for counts in recap(first.stdout).values())
    # every phase is a task of its own, in the engine's order
    tasks = re.findall(r"TASK \[ipsecplan.mesh.node : ([A-Za-z-]+): ", first.stdout)
    assert tasks[:4] == ["Preflight", "Arm", "Lower-senders", "Stage"]
    assert tasks[-6:-2] == ["Enforce", "Probe", "Prepare", "Confirm"]

    again = plays.play("apply")
    assert (again.returncode, {c["changed"] for c in recap(again.stdout).values()}) == (0, {0}), said(again)
    assert "0 to change" in again.stdout


@pytest.mark.slow
def test_a_killed_play_is_resumed_by_the_command_line(plays: Plays) -> None:
    plays.nodes.with_name(KILL).write_text("permissive")
    killed = plays.play("apply")
    assert killed.returncode == -signal.SIGKILL, said(killed)
    until("the play's engine has ended", lambda: not plays.at_work(), 60)
    assert plays.states() == {"open"}, "the engine went on without its play"
    assert "confirmed on 2 nodes" in plays.command("resume", "bundle", "--yes", "--soak", "0.1")
    assert plays.states() == {"confirmed"}


@pytest.mark.drill
def test_an_interrupted_play_takes_every_node_back(plays: Plays) -> None:
    plays.nodes.with_name(KILL).write_text(f"permissive {signal.SIGINT:d}")
    stopped = plays.play("apply")
    assert stopped.returncode != 0
    state = plays.folder / "state" / "clusters" / "played" / "journal"
    until("the journal has an end", lambda: "RunFinished" in next(state.glob("tx-*")).read_text(), 60)
    assert plays.states() == {"none"}
    assert "stopped by the operator" in plays.command("show", next(state.glob("tx-*")).stem)


@pytest.mark.drill
def test_a_failure_rolls_every_node_back_and_says_so_on_each(plays: Plays) -> None:
    plays.nodes.with_name(SPOIL).write_text("trap n2")
    failed = plays.play("apply")
    assert failed.returncode == 2, said(failed)
    counts = recap(failed.stdout)
    assert {host: (c["failed"], c["unreachable"]) for host, c in counts.items()} == {"n1": (1, 0), "n2": (1, 0)}
    told = re.findall(r"^fatal: \[(n\d)\].*IPP614: n2: no.*rolled back: all nodes as before", failed.stdout, re.M)
    assert sorted(told) == ["n1", "n2"]
    assert "Soak" not in failed.stdout, "a phase was asked for after the failure"
    assert plays.states() == {"none"}


@pytest.mark.drill
def test_what_a_play_tries_the_command_line_confirms_and_the_other_way_round(plays: Plays) -> None:
    tried = plays.play("try")
    assert tried.returncode == 0, said(tried)
    assert "run `ipsecplan confirm` before" in tried.stdout
    assert plays.states() == {"open"}
    assert "confirmed on 2 nodes" in plays.command("confirm", "bundle")
    assert plays.states() == {"confirmed"}
    assert plays.play("revert").returncode == 0
    assert plays.states() == {"none"}

    plays.command("try", "bundle", "--yes", "--detach", "--soak", "0.1")
    assert plays.states() == {"open"}
    kept = plays.play("confirm")
    assert kept.returncode == 0, said(kept)
    assert PROOF in kept.stdout
    assert plays.states() == {"confirmed"}


@pytest.mark.drill
def test_the_other_verbs(plays: Plays) -> None:
    assert plays.play("apply").returncode == 0
    verified = plays.play("verify")
    assert (verified.returncode, {c["changed"] for c in recap(verified.stdout).values()}) == (0, {0}), said(verified)
    assert "verified: 2 directions measured" in verified.stdout
    status = plays.play("status")
    assert status.returncode == 0, said(status)
    assert "n1: confirmed" in status.stdout
    rotated = plays.play("rotate", "-e", "what=ca")
    assert rotated.returncode == 0, said(rotated)
    assert "rotated: all 2 nodes have the new certificates loaded" in rotated.stdout
    limited = plays.play("rotate", "--limit", "n1")
    assert (limited.returncode, "IPP658" in said(limited)) == (2, True)

    asked = plays.play("facts", "--diff")
    assert asked.returncode == 0, said(asked)
    assert recap(asked.stdout)["n1"]["changed"] == 1
    assert sorted(json.loads((plays.folder / "inventory.yml.facts.json").read_text())["hosts"]) == ["n1", "n2"]
    assert {c["changed"] for c in recap(plays.play("facts").stdout).values()} == {0}

    off = plays.play("revert")
    assert (off.returncode, "removed: 2 nodes are as before ipsecplan" in off.stdout) == (0, True), said(off)
    assert {c["changed"] for c in recap(plays.play("revert").stdout).values()} == {0}
