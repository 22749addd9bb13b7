"""Open vSwitch for real: mtu_request is the port's live MTU, and Geneve with and without OVN's options carries exactly
what the plan says, one byte more does not pass.

Needs root, iputils-ping and Open vSwitch's programs. The userspace datapath is used, so no kernel module is needed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from netplan.cni import ADAPTERS
from netplan.cni.adapter import CniRequest
from netplan.stack import parse, solve

PROGRAMS = ("ovs-vsctl", "ovs-ofctl", "ovsdb-server", "ovsdb-tool", "ping")


def program(name: str) -> str | None:
    extra = "/usr/lib/openvswitch-switch:/usr/lib/openvswitch-common"
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:{extra}")


SCHEMA = os.environ.get("IPSECPLAN_OVS_SCHEMA", "/usr/share/openvswitch/vswitch.ovsschema")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not Path(SCHEMA).exists() or not all(map(program, (*PROGRAMS, "ovs-vswitchd"))),
        reason="needs root, ping and Open vSwitch",
    ),
]


class Node:
    """A network namespace with its own ovsdb-server and ovs-vswitchd."""

    def __init__(self, name: str, folder: Path, address: str) -> None:
        self.name, self.folder, self.address = name, folder, address
        folder.mkdir()
        self.socket = folder / "db.sock"
        self.run("ovsdb-tool", "create", str(folder / "conf.db"), SCHEMA)
        self.run(
            "ovsdb-server", str(folder / "conf.db"), f"--remote=punix:{self.socket}", "--detach",
            f"--pidfile={folder}/db.pid", f"--log-file={folder}/db.log", f"--unixctl={folder}/db.ctl",
        )  # fmt: skip
        self.vsctl("--no-wait", "init")
        self.run(
            "ovs-vswitchd", f"unix:{self.socket}", "--detach", "--disable-system",
            f"--pidfile={folder}/sw.pid", f"--log-file={folder}/sw.log", f"--unixctl={folder}/sw.ctl",
        )  # fmt: skip

    def run(self, *words: str, check: bool = True) -> str:
        name = program(words[0]) or words[0]
        private = {f"{of}_{what}DIR": str(self.folder) for of in ("OVS", "OVN") for what in ("RUN", "LOG")}
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, name, *words[1:]],
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, **private},
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout if done.returncode == 0 else ""

    def vsctl(self, *words: str) -> str:
        return self.run("ovs-vsctl", "--timeout=10", f"--db=unix:{self.socket}", *words)

    def mtu(self, device: str) -> int:
        (link,) = json.loads(self.run("ip", "-j", "link", "show", device))
        return int(link["mtu"])

    def stop(self) -> None:
        for pid in ("sw.pid", "db.pid"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((self.folder / pid).read_text()), 15)


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


def passes(node: Node, size: int) -> bool:
    """Tell whether an IP packet of this size reaches the other pod, DF set."""
    payload = str(size - 28)
    return bool(
        node.run("ping", "-M", "do", "-c", "2", "-i", "0.3", "-W", "1", "-s", payload, "10.99.0.2", check=False)
    )


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
