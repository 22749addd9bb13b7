"""A cluster's clocks go 2 days back or forth under live SAs, and a charon is killed: what status says, what repairs it.

The nodes of a lab share one clock, so here it is wrong at both ends of every pair, and right where status is asked;
tests/kernel/test_clock_steps.py has one wrong end. The plan has the shortest lives that it may have.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from netplan.lab.cluster import Lab

from .conftest import ClusterFactory
from .pace import until
from .pings import pinging
from .rollout_steps import Rollout

pytestmark = [pytest.mark.lab, pytest.mark.drill]
LIFE_S = 300
ENDED_S = LIFE_S * 5 // 4 * 11 // 10 + 120  # the latest end of an SA, and looks at it
TEXTFILES = "/var/lib/prometheus/node-exporter"
FROZEN = re.compile(
    r"^(\d+) CHILD_SAs? past the end of life, because the clock went back; first (\S+) with (\S+): "
    r"rekeying in (-\d+) s, expires in (-\d+) s$"
)


def planned(lab: Lab, folder: Path) -> Rollout:
    """A rollout of the lab's plan with short lives."""
    document = yaml.safe_load(lab.plan.read_text())
    document["inventory"] = str(lab.inventory)
    document["ipsec"]["lifetimes"] = {"child": f"{LIFE_S // 60}m"}
    document["monitoring"] = {}
    plan = folder / "plan.yaml"
    plan.write_text(yaml.safe_dump(document))
    rollout = Rollout(lab, folder, plan)
    for name in rollout.names:
        rollout.shell(name, "mkdir", "-p", TEXTFILES)
    assert rollout.apply().returncode == 0
    assert rollout.run("status").returncode == 0
    return rollout


def said(rollout: Rollout, code: str = "") -> dict[str, list[dict[str, Any]]]:
    """Return what status finds, by node; only what has ``code``."""
    document = json.loads(rollout.run("status", "--json").stdout)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in rollout.names}
    for problem in document["errors"]:
        node, _, text = problem["message"].partition(": ")
        if node in found and code in ("", problem["code"]):
            found[node].append({**problem, "message": text})
    return found


def frozen(rollout: Rollout) -> dict[str, str]:
    """Return the peer with which each node has SAs past their life, for nodes that have some."""
    found = {}
    for node, problems in said(rollout, "IPP687").items():
        for problem in problems:
            matched = FROZEN.match(problem["message"])
            assert matched, problem
            assert int(matched[5]) < 0
            assert "`swanctl --rekey --child NAME` here" in problem["hint"], problem
            found[node] = matched[3]
    return found


def spis(lab: Lab, node: str) -> dict[str, str]:
    """Return the inbound SPI of each child that a node has installed."""
    text = lab.exec(node, ["swanctl", "--list-sas"], check=True).stdout
    return dict(re.findall(r"^  (\S+): #\d+, reqid \d+, INSTALLED.*?\n(?:    .*\n)*?    in  ([0-9a-f]+)", text, re.M))


def late(lab: Lab, node: str) -> list[str]:
    """Return the children whose times are below zero, as swanctl shows it, which has them unsigned."""
    text = lab.exec(node, ["swanctl", "--list-sas", "--raw"], check=True).stdout
    found = re.findall(r"\bname=(\S+) uniqueid=\d+ reqid=\d+ state=INSTALLED .*?rekey-time=(-?\d+)", text)
    return sorted({name for name, due in found if int(due) < 0 or int(due) > 2**63})


def set_clock(lab: Lab, days: int) -> None:
    """Set the clock that all nodes share to this machine's, so many days before or behind."""
    lab.exec("guest", ["date", "-s", f"@{time.time() + days * 86400:.0f}"], check=True)


def named(rollout: Rollout, what: str) -> None:
    """Wait until status names SAs past their life, and none of them was rekeyed since."""
    began, before = time.monotonic(), {node: spis(rollout.lab, node) for node in rollout.names}
    until("status names what is past its life", lambda: frozen(rollout), 10, ENDED_S)
    for node, peer in frozen(rollout).items():
        assert {node, peer} == {"n1", "n2"}
    assert {node: spis(rollout.lab, node) for node in rollout.names} == before, "no rekey"
    print(f"{what}: named {time.monotonic() - began:.0f} s later: {json.dumps(said(rollout, 'IPP687'))}")


def repaired(rollout: Rollout) -> None:
    """Do what the hint says."""
    for node in sorted(frozen(rollout)):
        for child in late(rollout.lab, node):
            rollout.shell(node, "swanctl", "--rekey", "--child", child)
    until("no time below zero", lambda: not frozen(rollout), 2, 60)


def test_the_clocks_of_a_cluster_go_back_and_forth(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=2)
    rollout = planned(lab, tmp_path)
    pods = {node.name: node.pod_address for node in lab.nodes}
    with pinging(lab, {"n1": pods["n2"], "n2": pods["n1"]}) as pings:
        set_clock(lab, -2)
        print("at once:", json.dumps(said(rollout)))
        named(rollout, "2 days back")
        print(textfiles(rollout))
        set_clock(lab, 0)
        assert frozen(rollout), "a right clock alone repairs nothing"
        repaired(rollout)
        assert rollout.run("status").returncode == 0

        set_clock(lab, 2)
        print("at once:", json.dumps(said(rollout)))
        before = {node: spis(lab, node) for node in rollout.names}
        until(
            "all is rekeyed on time",
            lambda: all(not set(before[node].values()) & set(spis(lab, node).values()) for node in rollout.names),
            10,
            ENDED_S,
        )
        assert not frozen(rollout)
        set_clock(lab, 0)  # which is a step back
        named(rollout, "2 days ahead, and set right")
        repaired(rollout)
        assert rollout.run("status").returncode == 0
    print(pings)
    assert pings.longest < 1, pings


def textfiles(rollout: Rollout) -> dict[str, str]:
    """Return what the collection of metrics says of rekeys that are late, by node."""
    found = {}
    for name in rollout.names:
        rollout.shell(name, "systemctl", "start", "ipsecplan-metrics.service")
        found[name] = rollout.shell(name, "grep", "-E", "overdue |rekey_seconds", f"{TEXTFILES}/ipsecplan.prom")
    return found


def test_a_killed_charon_with_our_unit_and_without(clusters: ClusterFactory, tmp_path: Path) -> None:
    """Where systemd doesn't start what we gave it, the kernel's SAs stay, and charon knows nothing of them."""
    lab = clusters(nodes=2)
    rollout = Rollout(lab, tmp_path)
    assert rollout.apply().returncode == 0
    pods = {node.name: node.pod_address for node in lab.nodes}
    both = {"n1": pods["n2"], "n2": pods["n1"]}
    kill = "kill -9 $(pidof charon-systemd); sleep 1; systemctl reset-failed strongswan; systemctl start strongswan"

    with pinging(lab, both) as pings:
        rollout.shell("n2", "sh", "-c", kill)
        until("status finds nothing", lambda: rollout.run("status").returncode == 0, 1, 120)
    print("with our unit:", pings)
    assert pings.longest < 30

    drop_in = "/etc/systemd/system/strongswan.service.d"
    rollout.shell("n2", "sh", "-c", f"mv {drop_in} /root/kept && systemctl daemon-reload")
    with pinging(lab, both) as pings:
        rollout.shell("n2", "sh", "-c", kill)
        time.sleep(5)
        assert not spis(lab, "n2"), "charon lists none"
        (found,) = said(rollout, "IPP685")["n2"]
        assert re.match(
            r"charon lists none, but the kernel has \d+ SAs with peers, which carry the traffic", found["message"]
        )
        assert "systemctl restart strongswan" in found["hint"]
        time.sleep(5)
    print("without it:", pings)
    assert pings.lost == 0, "the kernel goes on"
    rollout.shell("n2", "sh", "-c", f"mv /root/kept {drop_in} && systemctl daemon-reload")
    with pinging(lab, both) as pings:
        rollout.shell("n2", "systemctl", "restart", "strongswan")  # as the hint says
        until("status finds nothing", lambda: rollout.run("status").returncode == 0, 1, 120)
    print("repaired:", pings)
    assert pings.longest < 30
