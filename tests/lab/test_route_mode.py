"""Route-based tunnels (``ipsec.xfrm_interface``) on real nodes: on, proven, damaged by hand, off; nothing clear."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from netplan.bundle import reader
from netplan.lab.cluster import Lab
from tests.support.lab_checks import HELD_S, back

from .changes import Cluster
from .conftest import ClusterFactory
from .mesh import watched_mesh
from .pace import Pace
from .rollout_steps import Rollout, is_old

pytestmark = pytest.mark.lab
YES = ("--yes", "--soak", "2")
ROUTE = {"ipsec": {"mode": "tunnel", "xfrm_interface": True}}
LEFT = (
    "ip -j link show type xfrm; ip rule; ip -6 rule; ip route show table 40505; ip -6 route show table 40505; ls /etc"
)


def measured(bundle: Path) -> str:
    """Return what `verify` has to print of each direction."""
    made = reader.read(bundle)
    facts = [made.node(node) for node in made.nodes]
    peer = facts[0]["peers"][0]
    return (
        f"DF {peer['inner_mtu']} passes, {peer['inner_mtu'] + 1} refused, ESP seen (outer {peer['outer_packet']}), "
        "0 plaintext (1 planted, seen)"
    )


def gone(lab: Lab) -> None:
    """Nothing of route-based tunnels is left on any node."""
    for node in lab.nodes:
        left = lab.exec(node.name, ["sh", "-c", LEFT], check=True).stdout
        assert "xi-" not in left, left
        assert "40505" not in left, left
        assert "ipsecplan" not in left, left


def unguarded(lab: Lab) -> None:
    """No guard, no watchdog, and the interface away: the prohibition alone."""
    script = "systemctl stop ipsecplan-watch; nft flush ruleset; ip link delete $(ls /sys/class/net | grep xi-)"
    lab.exec("n1", ["sh", "-c", script], check=True)
    time.sleep(HELD_S)
    lab.exec("n1", ["systemctl", "start", "ipsecplan-watch"], check=True)
    back(lab)


def without_rule(lab: Lab) -> None:
    """The rule away: the guard alone."""
    lab.exec("n1", ["ip", "rule", "delete", "priority", "45"], check=True)
    time.sleep(HELD_S)
    lab.exec("n1", ["systemctl", "restart", "ipsecplan-watch"], check=True)
    back(lab)


def killed(lab: Lab) -> None:
    lab.exec("n1", ["systemctl", "kill", "--signal=SIGKILL", "strongswan"], check=True)
    time.sleep(HELD_S)
    lab.exec("n1", ["sh", "-c", "systemctl reset-failed strongswan; systemctl start strongswan"], check=True)
    back(lab)


def rebooted(lab: Lab) -> None:
    lab.power_cut("n1")
    lab.wait("n1")
    back(lab)


@pytest.mark.drill  # the short part is a row of test_strongswan_matrix
def test_on_proven_and_off(clusters: ClusterFactory, tmp_path: Path) -> None:
    """Two nodes, a ping each 20 ms both ways and a TCP connection while it is turned on and off."""
    lab = clusters(nodes=2)
    cluster = Cluster(lab, tmp_path)
    bundle = cluster.bundle("route", **ROUTE)
    try:
        row = cluster.change("enable, xfrm_interface", ("apply", str(bundle), *YES))
        assert all(stream.lost <= 1 and stream.sent > 200 for stream in row.report.streams.values()), row.holes()
        assert row.report.dead_flows(lab.config.names) == []
        assert row.report.planted() >= 2
        assert "0 to change" in cluster.call("apply", str(bundle), *YES)
        assert cluster.call("verify", str(bundle)).count(measured(bundle)) == 2
        for node in cluster.status(bundle).values():
            assert (node["differs"], node["interfaces"], node["guard"]["mode"]) == ([], 1, "drop")
            assert (node["states"], node["guard"]["clear"]["clear_out"]) == (4, 0)
        row = cluster.change("disable, xfrm_interface", ("revert", str(bundle), "--yes"))
        assert all(stream.lost <= 1 for stream in row.report.streams.values()), row.holes()
        assert row.report.dead_flows(lab.config.names) == []
        assert all(is_old(node) for node in cluster.status(bundle).values())
        gone(lab)
    finally:
        print(cluster.table())


@pytest.mark.drill
def test_taken_apart_by_hand(clusters: ClusterFactory, tmp_path: Path) -> None:
    """Interface and guard away together, then the rule: nothing in clear, the watchdog mends it, status names it."""
    lab = clusters(nodes=2)
    cluster = Cluster(lab, tmp_path)
    bundle = cluster.bundle("route", **ROUTE)
    cluster.apply(bundle)
    with watched_mesh(lab) as report:
        unguarded(lab)
        without_rule(lab)
        cluster.call("verify", str(bundle))  # plants what proves that the capture sees
    assert [p for p in report.packets if not p.planted] == []
    assert report.planted() >= 2
    print("longest run of lost pings", {pair: stream.longest for pair, stream in report.streams.items()})
    assert all(stream.lost for stream in report.streams.values()), "nothing was cut: the test has seen nothing"
    assert all(node["differs"] == [] for node in cluster.status(bundle).values()), "the watchdog restored it"
    lab.exec("n1", ["sh", "-c", "systemctl stop ipsecplan-watch; ip link delete $(ls /sys/class/net | grep xi-)"])
    nodes = json.loads(cluster.call("status", str(bundle), "--json", code=4))["result"]["nodes"]
    said = " ".join(nodes["n1"]["differs"])
    assert "towards n2 is missing" in said, said
    assert "no route leads to n2" in said, said
    cluster.apply(bundle)
    assert cluster.call("verify", str(bundle)).count(measured(bundle)) == 2


@pytest.mark.drill
@pytest.mark.parametrize("what", [killed, rebooted])
def test_nothing_is_clear_when(what: Callable[[Lab], None], clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=2)
    cluster = Cluster(lab, tmp_path)
    bundle = cluster.bundle("route", **ROUTE)
    cluster.apply(bundle)
    with watched_mesh(lab) as report:
        what(lab)
        seen = time.time() + cluster.offset
        cluster.call("verify", str(bundle))
    print({pair: (stream.sent, stream.longest) for pair, stream in report.streams.items()})
    assert [p for p in report.packets if not p.planted and p.at < seen] == []
    assert report.planted() >= 2
    assert all(node["differs"] == [] for node in cluster.status(bundle).values())


@pytest.mark.drill
@pytest.mark.parametrize(("phase", "after"), [("encrypt", 0.0), ("enforce", 2.0)])
def test_a_controller_that_dies(phase: str, after: float, clusters: ClusterFactory, tmp_path: Path) -> None:
    """SIGKILL behind the switch and behind enforce: every node is wholly old by its timer, and pods talk in clear."""
    lab = clusters(nodes=2)
    plan = tmp_path / "route.yaml"
    document = yaml.safe_load(lab.plan.read_text()) | {"inventory": str(lab.inventory)}
    document["ipsec"] |= ROUTE["ipsec"]
    plan.write_text(yaml.safe_dump(document))
    rollout = Rollout(lab, tmp_path, plan)
    pace = Pace.of(lab)
    rollout.kill_at(phase, after * pace.unit, pace.timer)
    rollout.settled()
    nodes = rollout.status()
    assert all(is_old(node) for node in nodes.values()), {n: (v["state"], v["differs"]) for n, v in nodes.items()}
    assert {node["state"]["last"]["by"] for node in nodes.values()} == {"timer"}
    gone(lab)
    pod = next(node.pod_address for node in lab.nodes if node.name == "n2")
    said = lab.exec("n1", ["ip", "netns", "exec", "pod1", "ping", "-n", "-c", "5", "-i", "0.2", "-W", "30", pod]).stdout
    assert " 0% packet loss" in said, said


@pytest.mark.drill
def test_a_node_joins_and_leaves(clusters: ClusterFactory, tmp_path: Path) -> None:
    """Geneve over IPv6 with pre-shared keys; the pair that was there loses nothing, and the leaver's ways go."""
    lab = clusters(nodes=3, family="ipv6", overlay="geneve")
    cluster = Cluster(lab, tmp_path)
    ipsec = {"ipsec": {"mode": "tunnel", "xfrm_interface": True, "auth": "psk"}}
    two, three = cluster.bundle("two", members="n1:n2", **ipsec), cluster.bundle("three", **ipsec)
    cluster.apply(two)
    try:
        row = cluster.change("a node joins, xfrm_interface", ("apply", str(three), *YES), members=("n1", "n2"))
        assert all(s.lost <= 1 for s in row.report.among(("n1", "n2")).values()), row.holes()
        assert {node["interfaces"] for node in cluster.status(three).values()} == {2}
        row = cluster.change("a node leaves, xfrm_interface", ("apply", str(two), *YES), members=("n1", "n2"))
        assert all(s.lost <= 1 for s in row.report.among(("n1", "n2")).values()), row.holes()
        for node in ("n1", "n2"):
            assert lab.exec(node, ["sh", "-c", "ls /sys/class/net | grep -c xi-"]).stdout.strip() == "1"
        cluster.call("revert", str(three), "--limit", "n3", "--yes")
        cluster.call("revert", str(two), "--yes")
        gone(lab)
    finally:
        print(cluster.table())
