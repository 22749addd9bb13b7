"""Whatever plan is drawn, its files read back as the plan, and the two ends of every pair mirror each other."""

from __future__ import annotations

import ipaddress
import os
import re
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from netplan.bundle import build
from netplan.ipsec import connections, swanctl
from netplan.ipsec.swanctl_parser import read
from netplan.plan.types import Plan

from ..sizes import size
from .plan_strategies import Random, plan_of, plans

GENTLE = settings(
    deadline=None, max_examples=size(150, 300), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
DRILL = int(os.environ.get("IPSECPLAN_ROUNDTRIPS", size(500, 100_000)))
CHUNK = 250  # plans


def differences(plan: Plan) -> int:
    """Render every node, read back, compare with the plan and with the other end; returns how many connections."""
    meant: dict[str, dict[str, Any]] = {}
    for node in plan.nodes:
        text = connections.connection_file(plan, node)
        meant[node.id] = swanctl.connections_of(read(text + swanctl.start_file("trap")))
        assert meant[node.id].keys() == {c.pair.id for c in plan.connections(node)}
        hosts = plan.file.ipsec.protect == "hosts"
        six = any(":" in at.address for at in (node, *node.network_addresses))
        assert bool(swanctl.bypassed(read(text))) == (hosts and bool(plan.file.ipsec.clear or six))
        partial = plan.file.ipsec.topology.partial or hosts
        guards = next(f.text for f in build.node_files(plan, node) if f.path.endswith("/guard-drop.nft"))
        named = {str(ipaddress.ip_address(a)) for a in re.findall(r"[0-9a-f.:]{5,}(?=[,} ])", _elements(guards))}
        assert named == ({c.remote.address for c in plan.connections(node)} if partial else set())
    count = 0
    for node in plan.nodes:
        for c in plan.connections(node):
            _mirrored(meant[node.id][c.pair.id], meant[c.remote.id][c.pair.id], plan)
            count += 1
    return count


def _elements(text: str) -> str:
    return "".join(re.findall(r"elements = .*", text))


def _mirrored(here: dict[str, Any], there: dict[str, Any], plan: Plan) -> None:
    same = ("version", "mobike", "encap", "proposals")
    assert [here[k] for k in same] == [there[k] for k in same]
    assert (here["local_addrs"], here["remote_addrs"]) == (there["remote_addrs"], there["local_addrs"])
    assert (here["local"]["id"], here["remote"]["id"]) == (there["remote"]["id"], there["local"]["id"])
    assert here["rekey_time"] != there["rekey_time"], "both ends would rekey at once"
    port = plan.file.overlay.udp_port
    assert here["children"].keys() == there["children"].keys()
    for name, child in here["children"].items():
        other = there["children"][name]
        assert child["start_action"] == "trap"
        assert (child["mode"], child["esp_proposals"]) == (other["mode"], other["esp_proposals"])
        if plan.file.ipsec.protect == "hosts":
            assert (child["local_ts"], child["remote_ts"]) == ("dynamic", "dynamic")
            assert (other["local_ts"], other["remote_ts"]) == ("dynamic", "dynamic")
            continue
        # "out" is what each node sends to the overlay port, so it is the other one's "in", not its "out"
        opposite = there["children"][name[:-3] + "in" if name.endswith("-out") else name[:-2] + "out"]
        assert (child["local_ts"], child["remote_ts"]) == (opposite["remote_ts"], opposite["local_ts"])
        assert {child["local_ts"], child["remote_ts"]} == {"dynamic[17]", f"dynamic[17/{port}]"}


@given(plans())
@GENTLE
def test_a_drawn_plan_reads_back(plan: Plan) -> None:
    assert differences(plan) >= 2


def _all(seeds: range) -> int:
    return sum(differences(plan_of(Random(seed))) for seed in seeds)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_very_many_plans_read_back() -> None:
    """1,000 plans; 100,000 with IPSECPLAN_DRILLS=1, or as many as IPSECPLAN_ROUNDTRIPS says."""
    connections = 0
    chunks = [range(at, min(at + CHUNK, DRILL)) for at in range(0, DRILL, CHUNK)]
    with ProcessPoolExecutor() as pool:
        for chunk, found in zip(chunks, pool.map(_all, chunks), strict=True):
            connections += found
            print(f"{chunk.stop} of {DRILL} plans, {connections} connections, 0 differences", flush=True)
    assert connections > DRILL
