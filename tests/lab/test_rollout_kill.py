"""The dead man's timer: whoever disappears in the middle, every node is back in its old state without help."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import ClusterFactory
from .pace import Pace, until
from .rollout_steps import Rollout, is_old, rest

pytestmark = pytest.mark.lab
# how the guest sees what a node has written, also when its cable is cut
SEEN = "cat /var/lib/lab/{}/root/var/lib/ipsecplan/state.json"


@pytest.mark.weight(130)
def test_controller_gone_power_gone_and_cable_gone(clusters: ClusterFactory, tmp_path: Path) -> None:
    """The controller dies; one node loses power, one its cable, one nothing: by boot before the network, by timer."""
    lab = clusters(nodes=3)
    rollout = Rollout(lab, tmp_path)
    rollout.kill_at("soak", Pace.of(lab).unit, Pace.of(lab).timer)
    lab.cut_link("n3")
    lab.power_cut("n2")
    lab.wait("n2")
    rollout.settled("n1", "n2")
    until("n3 rolls back by itself", lambda: '"reverted"' in lab.exec("guest", ["sh", "-c", SEEN.format("n3")]).stdout)
    lab.mend_link("n3")
    lab.wait("n3")
    rollout.settled("n3")
    nodes = rollout.status()
    assert all(is_old(node) for node in nodes.values()), nodes
    assert {name: node["state"]["last"]["by"] for name, node in nodes.items()} == {
        "n1": "timer",
        "n2": "boot",
        "n3": "timer",
    }


@pytest.mark.drill  # the nodes' part is in the test above, the engine's in tests/unit/test_rollout_engine.py
def test_a_node_cut_off_takes_itself_back(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=3)
    rollout = Rollout(lab, tmp_path)
    with rollout.brought_to("credentials", Pace.of(lab).timer) as process:
        lab.cut_link("n3")
        said = rest(process)
    assert process.returncode == 7, said
    assert "n3 can't be reached" in said
    until("n3 rolls back by itself", lambda: '"reverted"' in lab.exec("guest", ["sh", "-c", SEEN.format("n3")]).stdout)
    lab.mend_link("n3")
    lab.wait("n3")
    rollout.settled()
    nodes = rollout.status()
    assert all(is_old(node) for node in nodes.values())
    assert nodes["n3"]["state"]["last"]["by"] == "timer"
    assert nodes["n1"]["state"]["last"]["by"] in ("operator", "timer")
