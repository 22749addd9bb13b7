"""OVN for real: a logical switch over two chassis, whose Geneve carries OVN's 8 bytes of options. What the plan says
for `kube-ovn` and `ovn-kubernetes` passes, one byte more does not, and the option is seen on the wire.

Needs root, ping, Open vSwitch and OVN. The userspace datapath is used, so no kernel module is needed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from netplan.stack import parse, solve, wire_size
from tests.support.open_vswitch import SCHEMA as OVS
from tests.support.open_vswitch import Node, passes, program

FOLDER = Path(os.environ.get("IPSECPLAN_OVN_SCHEMAS", "/usr/share/ovn"))
PROGRAMS = (
    "ovn-northd",
    "ovn-controller",
    "ovn-nbctl",
    "ovsdb-server",
    "ovsdb-tool",
    "ovs-vsctl",
    "ovs-vswitchd",
    "ping",
)
LACKING = [name for name in PROGRAMS if not program(name)]
LACKING += [str(path) for path in (Path(OVS), FOLDER / "ovn-nb.ovsschema") if not path.exists()]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or bool(LACKING), reason=f"needs root and {' '.join(LACKING) or 'nothing'}"),
]
PORT = 6642


class Chassis(Node):
    """A namespace with Open vSwitch and ovn-controller; the first has the two databases and northd as well."""

    def central(self) -> None:
        for name, remote in (("nb", ""), ("sb", f"--remote=ptcp:{PORT}:{self.address}")):
            base = self.folder / f"{name}.db"
            self.run("ovsdb-tool", "create", str(base), str(FOLDER / f"ovn-{name}.ovsschema"))
            self.run(
                "ovsdb-server",
                str(base),
                f"--remote=punix:{self.folder}/{name}.sock",
                *([remote] if remote else []),
                "--detach",
                f"--pidfile={self.folder}/{name}.pid",
                f"--log-file={self.folder}/{name}.log",
                f"--unixctl={self.folder}/{name}.ctl",
            )
        self.run(
            "ovn-northd",
            f"--ovnnb-db=unix:{self.folder}/nb.sock",
            f"--ovnsb-db=unix:{self.folder}/sb.sock",
            "--detach",
            f"--pidfile={self.folder}/northd.pid",
            f"--log-file={self.folder}/northd.log",
        )

    def nbctl(self, *words: str) -> None:
        self.run("ovn-nbctl", "--timeout=10", f"--db=unix:{self.folder}/nb.sock", *words)

    def controller(self, name: str, central: str) -> None:
        self.vsctl(
            "set",
            "open",
            ".",
            f"external-ids:system-id={name}",
            f"external-ids:ovn-remote=tcp:{central}:{PORT}",
            "external-ids:ovn-encap-type=geneve",
            f"external-ids:ovn-encap-ip={self.address}",
            "external-ids:ovn-bridge-datapath-type=netdev",
        )
        self.run(
            "ovn-controller",
            f"unix:{self.socket}",
            "--detach",
            f"--pidfile={self.folder}/controller.pid",
            f"--log-file={self.folder}/controller.log",
        )

    def stop(self) -> None:
        for name in ("controller", "northd", "nb", "sb"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((self.folder / f"{name}.pid").read_text()), 15)
        super().stop()


@pytest.fixture
def chassis(tmp_path):
    tag = uuid.uuid4().hex[:6]
    names = [f"ipsecplan-v{tag}{i}" for i in (1, 2)]
    made: list[Chassis] = []
    try:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
        ends = ["type", "veth", "peer", "name", "wire", "netns", names[1]]
        subprocess.run(["ip", "-n", names[0], "link", "add", "wire", *ends], check=True)
        for index, name in enumerate(names, 1):
            node = Chassis(name, tmp_path / str(index), f"10.20.0.{index}")
            made.append(node)
            node.run("ip", "link", "set", "wire", "up")
            node.run("ip", "link", "set", "lo", "up")
            node.vsctl("add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=netdev")
            node.vsctl("add-port", "br-phy", "wire")
            node.run("ip", "addr", "add", f"{node.address}/24", "dev", "br-phy")
            node.run("ip", "link", "set", "br-phy", "up")
        made[0].central()
        made[0].nbctl("ls-add", "pods")
        for index, node in enumerate(made, 1):
            node.controller(f"c{index}", made[0].address)
            made[0].nbctl("lsp-add", "pods", f"pod{index}")
            made[0].nbctl("lsp-set-addresses", f"pod{index}", f"02:00:00:00:00:0{index} 10.99.0.{index}")
        for index, node in enumerate(made, 1):
            for _ in range(40):
                if "br-int" in node.vsctl("list-br").split():
                    break
                time.sleep(0.25)
            pod = f"pod{index}"
            node.vsctl(
                "add-port",
                "br-int",
                pod,
                "--",
                "set",
                "interface",
                pod,
                "type=internal",
                f"external-ids:iface-id={pod}",
                f'mac="02:00:00:00:00:0{index}"',
            )
            node.run("ip", "addr", "add", f"10.99.0.{index}/24", "dev", pod)
            node.run("ip", "link", "set", pod, "up")
        yield made
    finally:
        for node in made:
            node.stop()
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)


def test_ovn_carries_exactly_what_the_plan_says(chassis):
    stack = parse("ip4/udp/geneve:8/eth/ip4")
    exact = solve(stack, 1500).inner_mtu
    assert exact == 1442
    for index, node in enumerate(chassis, 1):  # one more than fits, so that the wire and not the port decides
        node.vsctl("set", "interface", f"pod{index}", f"mtu_request={exact + 1}")
    assert any(passes(chassis[0], 100) for _ in range(20)), "the logical switch works"
    assert [node.mtu(f"pod{i}") for i, node in enumerate(chassis, 1)] == [exact + 1] * 2
    assert passes(chassis[0], exact)
    assert not passes(chassis[0], exact + 1)
    # the largest outer packet that was sent is the link: 8 bytes of options are what the plan counts
    flows = chassis[0].run("ovs-appctl", "-t", str(chassis[0].folder / "sw.ctl"), "dpctl/dump-flows", "-m")
    assert wire_size(stack, exact) == 1500
    assert "class=0x102,type=0x80,len=4" in flows, flows
