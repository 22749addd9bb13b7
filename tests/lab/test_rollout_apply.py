"""The whole job on a real cluster: apply, prove, apply again, drift, off; and no ping lost on the way."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest

from .conftest import ClusterFactory
from .rollout_steps import Rollout, is_old, until

pytestmark = pytest.mark.lab
LINE = re.compile(
    r"^n\d -> n\d  DF 1416 passes, 1417 refused, ESP seen \(outer 1500\), 0 plaintext \(1 planted, seen\)$", re.M
)


def test_apply_prove_apply_again_and_off(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=3)
    rollout = Rollout(lab, tmp_path)
    ping = ["ip", "netns", "exec", "pod1", "ping", "-n", "-q", "-i", "0.1", "10.244.2.2"]
    rollout.shell("n1", "systemd-run", "--quiet", "--unit=stream", *ping)  # through every phase and back

    first = rollout.apply()
    assert first.returncode == 0
    assert len(LINE.findall(first.stdout)) == 6, first.stdout
    assert "confirmed on 3 nodes" in first.stdout

    second = rollout.apply()
    assert (second.returncode, second.stdout.splitlines()[-1][:11]) == (0, "0 to change")

    verified = rollout.run("verify", ok=True)
    assert len(LINE.findall(verified.stdout)) == 6
    assert "verified: 6 directions" in verified.stdout

    for node in rollout.status().values():
        assert node["differs"] == []
        assert node["guard"]["mode"] == "drop"
        assert node["guard"]["clear"]["clear_out"] == 0
        assert (node["traps"], node["connections"], node["mtu_before"]["ov0"]) == (4, 2, 1450)
        assert node["states"] == 8, "duplicate SAs"

    # files equal is not state equal
    rollout.shell("n2", "ip", "link", "set", "ov0", "mtu", "1400")
    drift = rollout.status()
    assert drift["n1"]["differs"] == []
    assert drift["n2"]["differs"] == ["ov0 has MTU 1400, planned 1416"]
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

    rollout.shell("n1", "systemctl", "kill", "--signal=SIGINT", "stream")
    time.sleep(2)
    said = rollout.shell("n1", "journalctl", "--unit=stream", "--output=cat", "--no-pager")
    counted = re.search(r"(\d+) packets transmitted, (\d+) received", said)
    assert counted, said
    lost = int(counted[1]) - int(counted[2])
    assert lost <= 4, f"{lost} of {counted[1]} pings lost"


def test_the_operator_stops_and_a_broken_node_stops_everything(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=3)
    rollout = Rollout(lab, tmp_path)

    # preflight: every finding at once, nothing changed
    rollout.shell("n3", "systemctl", "stop", "strongswan")
    refused = rollout.apply()
    assert refused.returncode == 1
    assert "n3: nothing listens on UDP 500" in refused.stderr
    assert "nothing was changed" in refused.stdout
    rollout.shell("n3", "systemctl", "start", "strongswan")

    process = rollout.start()
    until(process, "permissive")
    process.send_signal(signal.SIGINT)
    assert process.stderr
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 6, rest
    assert "stopped by the operator" in rest
    nodes = rollout.status()
    assert all(is_old(node) for node in nodes.values())
    assert {node["state"]["last"]["by"] for node in nodes.values()} == {"operator"}
    assert all(node["mtu"]["devices"] == {"ov0": 1416} for node in nodes.values()), "a small MTU is always safe"

    # a MTU left low is raised by the operator only
    assert rollout.run("revert", "--yes").returncode == 0
    assert all(node["mtu"]["devices"] == {"ov0": 1450} for node in rollout.status().values())
