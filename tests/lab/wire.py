"""What really leaves a node's NIC for each size of an inner packet, held against the plan (wire_probe.py measures)."""

from __future__ import annotations

import json
from pathlib import Path

from netplan.bundle.node_json import node_facts
from netplan.lab.cluster import Lab
from netplan.plan.types import Plan
from netplan.stack import wire_size

PROBE = (Path(__file__).parent / "wire_probe.py").read_text()
PROTOCOL = 50  # ESP


def sizes_are_as_planned(lab: Lab, plan: Plan, one: str = "n1", other: str = "n2") -> None:
    """With the device's own MTU out of the way, ESP and the link alone decide, and to the byte."""
    here, there = (next(node for node in plan.nodes if node.name == name) for name in (one, other))
    device = node_facts(plan, here)["overlay"]["devices"][0]["name"]
    mtu, stack = plan.pod_mtu, plan.limiting.worst.stack
    lab.exec(one, ["ip", "link", "set", device, "mtu", "1500"], check=True)
    argv = ["python3", "-", "eth0", there.overlay_address, there.address, str(mtu - 6), str(mtu + 2)]
    probed = lab.exec(one, argv, stdin=PROBE, check=True)
    lab.exec(one, ["ip", "link", "set", device, "mtu", str(mtu)], check=True)
    left = json.loads(probed.stdout)
    for size in range(mtu - 6, mtu + 1):
        assert left[str(size)] == [[PROTOCOL, wire_size(stack, size), False]], f"inner {size}"
    assert left[str(mtu)][0][1] == plan.limiting.worst.solution.outer_packet <= plan.limiting.link_mtu
    for size in (mtu + 1, mtu + 2):  # IPv4: two fragments; IPv6: dropped
        assert len(left[str(size)]) == (2 if plan.file.underlay.family == "ipv4" else 0), f"inner {size}"
