"""An apply by two workers on real nodes, one of which is killed in the middle of a step; then the rest by the other."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.played_workers import until as soon

from .conftest import ClusterFactory
from .pace import HANG_S, until
from .pings import both_ways, pinging
from .rollout_steps import Rollout, is_new, is_old
from .worker_machines import Machine, machines

pytestmark = [pytest.mark.lab, pytest.mark.drill]
NODES = int(os.environ.get("IPSECPLAN_MANY", "20"))


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[Machine]]:
    with machines(tmp_path, 2) as made:
        yield made


@pytest.mark.weight(600)
def test_a_worker_is_killed_in_the_middle_of_an_apply(
    clusters: ClusterFactory, tmp_path: Path, two: list[Machine]
) -> None:
    rollout = Rollout(clusters(nodes=3), tmp_path)
    first, second = two
    with pinging(rollout.lab, both_ways(rollout.lab)) as pings:
        killed_behind("ike-check", rollout, first, second)  # in the step that switches the first pair
    print(f"pings: {pings.lost} of {pings.sent} lost, at most {pings.longest:g} s in a row")
    assert pings.lost == 0
    assert all(is_new(node) for node in rollout.status().values())

    alone = ("--workers", second.where)
    measured = rollout.run("verify", *alone, ok=True).stdout
    assert measured.count("DF 1416 passes, 1417 refused, ESP seen") == 6, measured
    assert "0 to change" in rollout.run("status", *alone, ok=True).stdout
    rollout.run("revert", "--yes", *alone, ok=True)
    assert all(is_old(node) for node in rollout.status().values())
    assert second.runs("sshd")
    until("the worker has ended", lambda: not second.runs("ansible-runner"), 0.5)


@pytest.mark.weight(2400)
def test_twenty_nodes_by_two_workers(clusters: ClusterFactory, tmp_path: Path, two: list[Machine]) -> None:
    """In User Mode Linux; every ordered pair is pinged once a second. Prints the table of losses."""
    many = pytest.importorskip("tests.lab.many")
    rollout = Rollout(clusters(nodes=NODES, backend="uml"), tmp_path)
    first, second = two
    with many.watched_many(rollout.lab) as report:
        begin = time.monotonic()
        killed_behind("ike-check", rollout, first, second)  # all nodes are in this step, so some of its own are left
        took = time.monotonic() - begin
    streams = report.streams
    losses = Counter(stream.lost for stream in streams.values())
    sent = sum(stream.sent for stream in streams.values())
    print(f"{NODES} nodes, {took:.0f} s, {len(streams)} ordered pairs, {sent} pings; a worker killed in ike-check")
    print("pings lost in a pair | pairs")
    print("\n".join(f"{lost:>20} | {number}" for lost, number in sorted(losses.items())))
    print(f"longest row: {max(stream.longest for stream in streams.values())}")
    assert all(stream.last for stream in streams.values())
    assert max(losses) <= 2, {pair: stream.holes for pair, stream in streams.items() if stream.lost > 2}
    assert all(is_new(node) for node in rollout.status().values())
    measured = rollout.run("verify", "--workers", second.where, ok=True).stdout
    assert f"verified: {NODES * (NODES - 1)} directions" in measured, measured[-600:]


def killed_behind(phase: str, rollout: Rollout, first: Machine, second: Machine) -> None:
    """Apply by two workers; end the first one, all of it, in a step behind the first result of a phase."""
    with rollout.started("--workers", f"{first.where},{second.where}") as process:
        assert process.stderr
        said = []
        for line in process.stderr:
            said.append(line)
            if line.strip().startswith(phase):
                soon(lambda: first.runs("step.yml"), HANG_S)
                first.kill()
                break
        said += process.stderr.readlines()
        code = process.wait(HANG_S)
    print("".join(said))
    assert code == 0, "".join(said)
    assert f"worker {first.where} is lost: its connection ended" in "".join(said)
    [lost] = [event for event in journal(rollout) if event["event"] == "WorkerLost"]
    assert (lost["worker"], lost["by"], lost["left"]) == (first.where, [second.where], 1)


def journal(rollout: Rollout) -> list[dict[str, object]]:
    [path] = rollout.state.glob("clusters/*/journal/tx-*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]
