"""The dead man's timer: whoever disappears in the middle, every node is back in its old state without help."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from netplan.lab.cluster import Lab

from .conftest import ClusterFactory
from .rollout_steps import Rollout, is_old, until

pytestmark = pytest.mark.lab
TIMER = 30  # seconds; a step on an emulated node may take ten


def reverted_at(rollout: Rollout, node: str) -> float | None:
    """Return the time on the node's clock at which its revert had written the new state, None if it has not."""
    state = json.loads(rollout.shell(node, "cat", "/var/lib/ipsecplan/state.json"))
    written = rollout.shell(node, "stat", "--format=%.3Y", "/var/lib/ipsecplan/state.json")
    return float(written) if state["last"].get("result") == "reverted" else None


def clock_of(lab: Lab, node: str) -> float:
    """Return a node's wall clock minus ours, in seconds."""
    before = time.time()
    there = float(lab.exec(node, ["date", "+%s.%N"], check=True).stdout)
    return there - (before + time.time()) / 2


@pytest.mark.parametrize(("phase", "after"), [("mtu", 0.3), ("switch", 0.5), ("soak", 4.0)])
def test_sigkill_of_the_controller(clusters: ClusterFactory, tmp_path: Path, phase: str, after: float) -> None:
    lab = clusters(nodes=3)
    rollout = Rollout(lab, tmp_path)
    offset = {name: clock_of(lab, name) for name in rollout.names}
    rollout.kill_at(phase, after, "--timer", str(TIMER))
    killed = time.time()
    time.sleep(TIMER + 5)  # and nothing of ours runs anywhere
    for name in rollout.names:
        done = reverted_at(rollout, name)
        assert done is not None, f"{name} has not reverted"
        took = done - offset[name] - killed
        assert took <= TIMER + 5, f"{name} took {took:.1f} s"
    nodes = rollout.status()
    for name, node in nodes.items():
        assert is_old(node), (name, node)
        assert node["state"]["last"]["by"] == "timer"
        assert node["mtu"]["devices"] == {"ov0": 1416}
        assert lab.exec(name, ["test", "-e", "/etc/swanctl/private/ipsecplan.pem"]).returncode != 0
    said = rollout.run("status").stdout
    assert said.count("(reverted by timer at 20") == 3
    pinged = lab.exec("n1", ["ip", "netns", "exec", "pod1", "ping", "-c", "3", "-i", "0.3", "10.244.3.2"])
    assert pinged.returncode == 0, pinged.stdout

    # and the same bundle goes on from there
    assert rollout.apply().returncode == 0


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
