"""The whole job on a real cluster: apply, prove, apply again, drift, off; and no ping lost on the way."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from .applied import Applied
from .conftest import ClusterFactory
from .pace import Pace
from .pings import both_ways, pinging
from .rollout_steps import Rollout, is_old, rest

pytestmark = pytest.mark.lab
LINE = re.compile(
    r"^n\d -> n\d  DF 1416 passes, 1417 refused, ESP seen \(outer 1500\), 0 plaintext \(1 planted, seen\)$", re.M
)


@pytest.mark.weight(170)
def test_apply_prove_apply_again_and_off(applied: Applied) -> None:
    rollout = applied.rollout
    print(f"apply: {applied.pings.lost} of {applied.pings.sent} pings lost")
    assert applied.pings.longest <= Pace.of(applied.lab).unit, applied.pings
    assert len(LINE.findall(applied.said.stdout)) == 6, applied.said.stdout
    assert "confirmed on 3 nodes" in applied.said.stdout

    with pinging(applied.lab, both_ways(applied.lab)) as pings:
        second = rollout.apply()
        assert (second.returncode, second.stdout.splitlines()[-1][:11]) == (0, "0 to change")

        verified = rollout.run("verify", ok=True)
        assert len(LINE.findall(verified.stdout)) == 6
        assert "verified: 6 directions" in verified.stdout

        # files equal is not state equal
        rollout.shell("n2", "ip", "link", "set", "ov0", "mtu", "1400")
        drift = rollout.status()
        for name, node in drift.items():
            assert node["differs"] == (["ov0 has MTU 1400, planned 1416"] if name == "n2" else [])
            assert node["guard"]["mode"] == "drop"
            assert node["guard"]["clear"]["clear_out"] == 0
            assert (node["traps"], node["connections"], node["mtu_before"]["ov0"]) == (4, 2, 1450)
            assert node["states"] == 8, "duplicate SAs"
        rollout.shell("n2", "ip", "link", "set", "ov0", "mtu", "1416")

        off = rollout.run("revert", "--yes")
        assert off.returncode == 0
        nodes = rollout.status()
    assert all(is_old(node) for node in nodes.values())
    for name, node in nodes.items():
        assert node["mtu"]["devices"] == {"ov0": 1450}
        assert (node["mtu"]["bridge"], [p["mtu"] for p in node["mtu"]["pods"]]) == (1450, [1450])
        left = rollout.shell(name, "find", "/etc", "/usr/local", "-name", "*ipsecplan*")
        assert left == "", left
        assert "mtu" not in rollout.shell(name, "ip", "-n", "pod1", "route")
    print(f"and off: {pings.lost} of {pings.sent} pings lost")
    assert pings.longest <= Pace.of(applied.lab).unit, pings


@pytest.mark.drill  # the engine's part is in tests/unit, the nodes' in test_rollout_kill.py
def test_the_operator_stops(clusters: ClusterFactory, tmp_path: Path) -> None:
    rollout = Rollout(clusters(nodes=2), tmp_path)
    with rollout.brought_to("permissive") as process:
        process.send_signal(signal.SIGINT)
        said = rest(process)
    assert process.returncode == 6, said
    assert "stopped by the operator" in said
    nodes = rollout.status()
    assert all(is_old(node) for node in nodes.values())
    assert {node["state"]["last"]["by"] for node in nodes.values()} == {"operator"}
    assert all(node["mtu"]["devices"] == {"ov0": 1416} for node in nodes.values()), "a small MTU is always safe"

    # a MTU left low is raised by the operator only
    assert rollout.run("revert", "--yes").returncode == 0
    assert all(node["mtu"]["devices"] == {"ov0": 1450} for node in rollout.status().values())
