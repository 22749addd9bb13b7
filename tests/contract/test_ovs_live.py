"""Open vSwitch for real: mtu_request is the port's live MTU, and Geneve with and without OVN's options carries exactly
what the plan says, one byte more does not pass.

Needs root, iputils-ping and Open vSwitch's programs. The userspace datapath is used, so no kernel module is needed.
"""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from netplan.cni import ADAPTERS
from netplan.cni.adapter import CniRequest
from netplan.stack import parse, solve
from tests.support.open_vswitch import SCHEMA, Node, passes, program

PROGRAMS = ("ovs-vsctl", "ovs-ofctl", "ovsdb-server", "ovsdb-tool", "ping")


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not Path(SCHEMA).exists() or not all(map(program, (*PROGRAMS, "ovs-vswitchd"))),
        reason="needs root, ping and Open vSwitch",
    ),
]


@pytest.fixture
def nodes(tmp_path):
    tag = uuid.uuid4().hex[:6]
    names = [f"ipsecplan-o{tag}{i}" for i in (1, 2)]
    made: list[Node] = []
    try:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
        ends = ["type", "veth", "peer", "name", "wire", "netns", names[1]]
        subprocess.run(["ip", "-n", names[0], "link", "add", "wire", *ends], check=True)
        for index, name in enumerate(names, 1):
            node = Node(name, tmp_path / str(index), f"10.20.0.{index}")
            made.append(node)
            node.run("ip", "link", "set", "wire", "up")
            node.vsctl("add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=netdev")
            node.vsctl("add-port", "br-phy", "wire")
            node.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev")
            node.run("ip", "addr", "add", f"{node.address}/24", "dev", "br-phy")
            node.run("ip", "addr", "add", f"10.99.0.{index}/24", "dev", "br-int")
            for device in ("br-phy", "br-int"):
                node.run("ip", "link", "set", device, "up")
        for node, other in zip(made, reversed(made), strict=True):
            options = [f"options:remote_ip={other.address}", "options:key=7"]
            node.vsctl("add-port", "br-int", "tun0", "--", "set", "interface", "tun0", "type=geneve", *options)
        time.sleep(1)
        yield made
    finally:
        for node in made:
            node.stop()
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)


@pytest.mark.parametrize(
    ("encap", "stack"), [("geneve", "ip4/udp/geneve/eth/ip4"), ("geneve:8", "ip4/udp/geneve:8/eth/ip4")]
)
def test_geneve_carries_exactly_what_the_plan_says(encap, stack, nodes):
    exact = solve(parse(stack), 1500).inner_mtu
    if encap == "geneve:8":  # the option that OVN puts into every packet
        for node in nodes:
            bridge = f"unix:{node.folder}/br-int.mgmt"
            node.run("ovs-ofctl", "add-tlv-map", bridge, "{class=0x102,type=0x80,len=4}->tun_metadata0")
            out = "set_field:0x2a->tun_metadata0,output:tun0"
            node.run("ovs-ofctl", "add-flow", bridge, f"priority=9,in_port=LOCAL,actions={out}")
            node.run("ovs-ofctl", "add-flow", bridge, "priority=9,in_port=tun0,actions=LOCAL")
    network = CniRequest(pod_mtu=exact + 1, link_mtu=1500, encap=encap, host_ipsec=False)
    for node in nodes:  # one more than fits, so that the wire and not the port decides
        for line in ADAPTERS["ovs"].render(network)[0].text.splitlines():
            if line.startswith("ovs-vsctl "):
                node.vsctl(*line.split()[1:])
    time.sleep(0.5)
    assert [node.mtu("br-int") for node in nodes] == [exact + 1] * 2
    assert passes(nodes[0], 100), "the tunnel works"
    assert passes(nodes[0], exact)
    assert not passes(nodes[0], exact + 1)
