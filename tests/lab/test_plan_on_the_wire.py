"""The plan and the packets agree to the byte: VXLAN and Geneve over IPv4 and IPv6, after a real apply."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netplan import pipeline
from netplan.bundle import node_facts
from netplan.stack import wire_size

from .command import ipsecplan
from .conftest import ClusterFactory

pytestmark = pytest.mark.lab
PROBE = (Path(__file__).parent / "wire_probe.py").read_text()
ESP = 50


@pytest.mark.parametrize(
    ("overlay", "family"),
    [
        ("geneve", "ipv6"),
        pytest.param("vxlan", "ipv4", marks=pytest.mark.drill),  # its sizes are proven in test_rollout_apply
        pytest.param("vxlan", "ipv6", marks=pytest.mark.drill),
        pytest.param("geneve", "ipv4", marks=pytest.mark.drill),
    ],
)
def test_the_largest_packet_is_the_planned_one(
    clusters: ClusterFactory, tmp_path: Path, overlay: str, family: str
) -> None:
    lab = clusters(nodes=2, family=family, overlay=overlay)
    plan = pipeline.make(lab.plan).plan
    ipsecplan("render", str(lab.plan), "--to", "bundle", cwd=tmp_path, timeout=400)
    proof = ipsecplan("apply", "bundle", "--yes", cwd=tmp_path, timeout=400)
    mtu, outer = plan.pod_mtu, plan.limiting.worst.solution.outer_packet
    for one, other in (("n1", "n2"), ("n2", "n1")):
        line = next(line for line in proof.splitlines() if line.split()[:3] == [one, "->", other])
        for words in (f"DF {mtu} passes", f"{mtu + 1} refused", f"outer {outer}", "0 plaintext (1 planted, seen)"):
            assert words in line

    # the device's own MTU out of the way, so that only ESP and the link decide
    n1, n2 = plan.nodes
    facts = node_facts(plan, n1)
    device = facts["overlay"]["devices"][0]["name"]
    lab.exec("n1", ["ip", "link", "set", device, "mtu", "1500"])
    argv = ["python3", "-", "eth0", n2.overlay_address, n2.address, str(mtu - 6), str(mtu + 2)]
    probed = lab.exec("n1", argv, stdin=PROBE, timeout=60)
    assert probed.returncode == 0, probed.stderr
    left = json.loads(probed.stdout)
    stack = plan.limiting.worst.stack
    for size in range(mtu - 6, mtu + 1):
        assert left[str(size)] == [[ESP, wire_size(stack, size), False]], f"inner {size}"
    assert left[str(mtu)][0][1] == outer <= plan.limiting.link_mtu
    for size in (mtu + 1, mtu + 2):  # IPv4: two fragments; IPv6: dropped
        assert len(left[str(size)]) == (2 if family == "ipv4" else 0), f"inner {size}"
