"""A second control process: it goes on, says yes, is kept away, or takes over."""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from .conftest import ClusterFactory
from .pace import HANG_S, Pace, asked_for
from .rollout_steps import Rollout, ending, is_new, is_old

pytestmark = [pytest.mark.lab, pytest.mark.drill]


@pytest.mark.parametrize(
    "point",
    [
        "NodeResult:stage:2",
        "PhaseFinished:permissive:1",
        "NodeResult:trap:1",
        "NodeResult:prepare:1",
        "NodeResult:confirm:1",
    ],
)
def test_resume_goes_on(clusters: ClusterFactory, tmp_path: Path, point: str) -> None:
    rollout = Rollout(clusters(nodes=3), tmp_path)
    rollout.dies_after(point, "apply", "--yes", "--soak", "2")
    resumed = rollout.run("resume", "--yes", "--soak", "2")
    assert resumed.returncode == 0, resumed.stderr
    assert "confirmed on 3 nodes" in resumed.stdout
    nodes = rollout.status()
    assert all(is_new(node) for node in nodes.values()), nodes
    assert all(node["states"] == 8 for node in nodes.values()), "duplicate SAs"
    assert rollout.run("resume", "--yes").stdout.startswith("0 to change")
    (row,) = json.loads(rollout.run("history", "--json", "--state-dir", str(rollout.state), bundle=False).stdout)[
        "result"
    ]
    assert [run["outcome"] for run in row["runs"]] == ["unfinished", "confirmed"]


def test_a_try_is_kept_by_confirm_and_by_nothing_else(clusters: ClusterFactory, tmp_path: Path) -> None:
    rollout = Rollout(clusters(nodes=3), tmp_path)
    keep: int | None = Pace.of(rollout.lab).timer * 2  # one `status` comes in between
    while keep:
        first = rollout.run("try", "--yes", "--soak", "2", "--detach", "--confirm-timeout", str(keep))
        keep = asked_for(first.stderr, "--confirm-timeout")
    assert first.returncode == 0
    assert "confirm with `ipsecplan confirm` before" in first.stdout
    assert all(node["transaction"]["proven"] for node in rollout.status().values())
    rollout.settled()
    late = rollout.run("confirm")
    assert late.returncode == 1
    assert "there is nothing to confirm" in late.stderr
    assert all(is_old(node) for node in rollout.status().values())

    assert rollout.run("try", "--yes", "--soak", "2", "--detach", "--confirm-timeout", "3600").returncode == 0
    yes = rollout.run("confirm")
    assert yes.returncode == 0, yes.stderr
    assert all(is_new(node) for node in rollout.status().values())
    table = rollout.run("history", "--state-dir", str(rollout.state), bundle=False).stdout
    assert "try confirm" in table


def test_two_control_machines(clusters: ClusterFactory, tmp_path: Path) -> None:
    rollout = Rollout(clusters(nodes=3), tmp_path)
    first = rollout.argv("apply", "--yes", "--soak", "2")
    other = [str(tmp_path / "other") if word == str(rollout.state) else word for word in first]
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                ending(
                    subprocess.Popen(
                        argv,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        text=True,
                        start_new_session=True,
                    )
                )
            )
            for argv in (first, other)
        ]
        said = [process.communicate(timeout=HANG_S)[0] for process in running]
    print(*said, sep="\n----\n")
    codes = sorted(process.returncode for process in running)
    assert codes[0] == 0, "one gets through"
    assert codes[1] in (1, 6), "the other one doesn't, and leaves nothing behind"
    lost = said[[process.returncode for process in running].index(codes[1])]
    # by the lease, the open transaction, or the lock, when the other one's request is at work just then
    assert any(words in lost for words in ("holds", "another transaction is open", "another ipsecplan process"))
    assert "rollback incomplete" not in lost
    assert all(is_new(node) for node in rollout.status().values())


def test_another_machine_takes_over_only_when_it_says_so(clusters: ClusterFactory, tmp_path: Path) -> None:
    rollout = Rollout(clusters(nodes=3), tmp_path)
    rollout.dies_after("PhaseFinished:permissive:1", "apply", "--yes", "--soak", "2")
    rollout.state = tmp_path / "other"
    refused = rollout.run("revert", "--yes")
    assert refused.returncode == 1
    assert "holds it for" in refused.stderr
    assert all(node["state"]["state"] == "open" for node in rollout.status().values())
    taken = rollout.run("revert", "--yes", "--take-over")
    assert taken.returncode == 0, taken.stderr
    assert "taken over from" in taken.stderr
    assert all(is_old(node) for node in rollout.status().values())
