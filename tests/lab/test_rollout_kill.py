"""The dead man's timer: whoever disappears in the middle, every node is back in its old state without help."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .conftest import ClusterFactory
from .rollout_steps import Rollout, is_old, until

pytestmark = pytest.mark.lab
TIMER = 30  # seconds; a step on an emulated node may take ten


def test_a_reboot_in_the_middle_reverts_before_the_network(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=2)
    rollout = Rollout(lab, tmp_path)
    rollout.kill_at("soak", 4, "--timer", "120")
    lab.power_cut("n2")
    lab.wait("n2")
    node = rollout.status()["n2"]
    assert is_old(node)
    assert node["state"]["last"]["by"] == "boot"


def test_a_node_cut_off_takes_itself_back(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=3)
    rollout = Rollout(lab, tmp_path)
    process = rollout.start("--timer", str(TIMER))
    until(process, "credentials")
    lab.cut_link("n3")
    assert process.stderr
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 7, rest
    assert "n3 can't be reached" in rest
    time.sleep(TIMER + 5)
    lab.mend_link("n3")
    lab.wait("n3")
    nodes = rollout.status()
    assert all(is_old(node) for node in nodes.values())
    assert nodes["n3"]["state"]["last"]["by"] == "timer"
    assert nodes["n1"]["state"]["last"]["by"] in ("operator", "timer")
