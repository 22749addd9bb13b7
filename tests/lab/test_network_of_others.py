"""A rollout under a network that makes its own overlay: refused until that is small enough, measured, nothing changed.

The first network is VXLAN as flannel makes it: device, VNI, port, routes through the peer's address. The second, a
drill, is Open vSwitch with its kernel datapath and the option that OVN puts into every Geneve header.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from netplan.lab.cluster import Lab

from .conftest import ClusterFactory
from .rollout_steps import Rollout, is_old

pytestmark = [pytest.mark.lab, pytest.mark.weight(130)]

FLANNEL = """
set -e
ip link add flannel.1 mtu 1450 type vxlan id 1 dstport 8472 local {own} dev eth0
ip addr add 10.250.{n}.0/32 dev flannel.1
ip link set flannel.1 up
bridge fdb append 00:00:00:00:00:00 dev flannel.1 dst {peer}
ip route add 10.250.{m}.0/24 via 10.250.{m}.0 dev flannel.1 onlink
ip netns add theirs
ip link add vethf mtu 1450 type veth peer name eth0 netns theirs
ip -n theirs link set eth0 mtu 1450 up
ip link set vethf up
"""


class Others(Rollout):
    """A rollout of a plan of our own in a lab, with other pod subnets than the lab's overlay has.

    With pre-shared keys: what `make test` has of them in a whole rollout.
    """

    def __init__(self, lab: Lab, folder: Path, cni: dict[str, object], variables: dict[str, dict[str, str]]) -> None:
        inventory = yaml.safe_load(lab.inventory.read_text())
        for name, values in variables.items():
            inventory["k8s_nodes"]["hosts"][name] |= values
        (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
        document = {k: v for k, v in yaml.safe_load(lab.plan.read_text()).items() if k not in ("overlay", "cni")}
        document |= {"inventory": "inventory.yml", "cni": cni, "ipsec": {**document["ipsec"], "auth": "psk"}}
        (folder / "plan.yaml").write_text(yaml.safe_dump(document))
        self.lab, self.folder = lab, folder
        self.bundle, self.state = folder / "bundle", folder / "state"
        self.run("render", str(folder / "plan.yaml"), "--to", str(self.bundle), bundle=False, ok=True)

    def proven(self, said: str, mtu: int) -> None:
        seen = r"ESP seen \(outer 1500\), 0 plaintext \(1 planted, seen\)"
        line = rf"^n\d -> n\d  DF {mtu} passes, {mtu + 1} refused, {seen}$"
        assert len(re.findall(line, said, re.M)) == 2, said


@pytest.mark.drill  # what is read of flannel's devices and refused: tests/contract and tests/unit
def test_flannel_is_read_and_refused_until_it_is_small_enough(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=2)
    subnets = {f"n{n}": {"pod_cidr": f"10.250.{n}.0/24"} for n in (1, 2)}
    rollout = Others(lab, tmp_path, {"plugin": "flannel", "options": {"network": "10.250.0.0/16"}}, subnets)
    one, two = lab.nodes
    for n, m, own, peer in ((1, 2, one, two), (2, 1, two, one)):
        script = FLANNEL.format(n=n, m=m, own=own.underlay_address, peer=peer.underlay_address)
        rollout.shell(own.name, "sh", "-c", script)

    refused = rollout.apply()
    assert refused.returncode == 1
    assert "flannel.1 of flannel has MTU 1450, and under encryption 1416 fit" in refused.stderr
    assert "ip link set dev flannel.1 mtu 1416" in refused.stderr
    assert "more than 1416 bytes from 2 running pods" in refused.stderr  # the lab has one as well
    assert "nothing was changed" in refused.stdout
    assert all(is_old(node) for node in rollout.status().values())

    for node in ("n1", "n2"):  # what STEPS.md says
        rollout.shell(node, "ip", "link", "set", "dev", "flannel.1", "mtu", "1416")
    done = rollout.apply()
    assert done.returncode == 0, done.stderr
    rollout.proven(done.stdout, 1416)
    for name, node in rollout.status().items():
        assert node["differs"] == [], name
        assert node["mtu"]["devices"] == {"flannel.1": 1416}
        assert node["guard"]["mode"] == "drop"
        assert json.loads(rollout.shell(name, "ip", "-j", "-n", "theirs", "link", "show", "eth0"))[0]["mtu"] == 1450
        assert rollout.shell(name, "sh", "-c", "ls /etc/cni/net.d /etc/systemd/network | grep ipsecplan || true") == ""
    rollout.shell("n1", "ip", "link", "set", "dev", "flannel.1", "mtu", "1450")
    (differs,) = rollout.status()["n1"]["differs"]
    assert "flannel.1 of flannel has MTU 1450" in differs

    assert rollout.run("revert", "--yes").returncode == 0
    nodes = rollout.status()
    assert all(is_old(node) for node in nodes.values())
    assert [n["mtu"]["devices"]["flannel.1"] for n in nodes.values()] == [1450, 1416], "a network's MTU is its own"


OVS_PROGRAMS = ("ovs-vsctl", "ovs-ofctl", "ovsdb-server", "ovsdb-tool", "ovs-vswitchd")
OVS_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
OVS_START = """
set -e
mkdir -p /run/openvswitch /var/log/openvswitch /etc/openvswitch
ovsdb-tool create /etc/openvswitch/conf.db {schema}
ovsdb-server --remote=punix:/run/openvswitch/db.sock --detach --pidfile --log-file
ovs-vsctl --no-wait init
ovs-vswitchd --detach --pidfile --log-file
ovs-vsctl add-br br-int -- set interface br-int mtu_request=1442
ovs-vsctl add-port br-int tun0 -- set interface tun0 type=geneve options:remote_ip={peer} options:key=7
ovs-ofctl add-tlv-map br-int '{{class=0x102,type=0x80,len=4}}->tun_metadata0'
ovs-ofctl add-flow br-int 'priority=9,in_port=LOCAL,actions=set_field:0x2a->tun_metadata0,output:tun0'
ovs-ofctl add-flow br-int 'priority=9,in_port=tun0,actions=LOCAL'
ip addr add 10.99.0.{n}/24 dev br-int
ip link set br-int up
"""


def ovs_program(name: str) -> Path | None:
    found = shutil.which(name, path="/usr/bin:/usr/sbin:/usr/lib/openvswitch-switch")
    return Path(found).resolve() if found else None


OVS_HOME = "opt/ovs"
OVS_WRAPPER = """#!/bin/sh
exec /{home}/{loader} --library-path /{home} /{home}/{name} "$@"
"""


def open_vswitch() -> bytes:
    """Open vSwitch of this machine as an archive for a node of an older release: with its own libc and loader."""
    programs = {name: ovs_program(name) for name in OVS_PROGRAMS}
    said = "".join(subprocess.run(["ldd", str(p)], capture_output=True, text=True).stdout for p in programs.values())
    (loader,) = set(re.findall(r"^\s*(/\S*/ld-linux\S*)", said, re.MULTILINE))
    files = {path for path in programs.values() if path} | {Path(path) for path in re.findall(r"=> (/\S+)", said)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", dereference=True, compresslevel=1) as archive:
        for path in sorted({*files, Path(loader)}):
            archive.add(path, f"{OVS_HOME}/{path.name}")
        for name, program in programs.items():
            text = OVS_WRAPPER.format(home=OVS_HOME, loader=Path(loader).name, name=program.name if program else "")
            member = tarfile.TarInfo(f"usr/sbin/{name}")
            member.size, member.mode = len(text), 0o755
            archive.addfile(member, io.BytesIO(text.encode()))
        archive.add(OVS_SCHEMA, str(OVS_SCHEMA).lstrip("/"))
    return packed.getvalue()


@pytest.mark.drill
def test_geneve_of_open_vswitch_with_the_option_of_ovn(clusters: ClusterFactory, tmp_path: Path) -> None:
    lacking = [name for name in OVS_PROGRAMS if not ovs_program(name)]
    if lacking or not OVS_SCHEMA.exists():
        pytest.skip(f"openvswitch-switch is not installed here: {' '.join(lacking)} {OVS_SCHEMA}")
    lab = clusters(nodes=2)
    variables = {f"n{n}": {"overlay_address": f"10.99.0.{n}"} for n in (1, 2)}
    rollout = Others(lab, tmp_path, {"plugin": "ovs"}, variables)
    archive = open_vswitch()
    lab.exec("guest", ["modprobe", "-a", "openvswitch", "vport-geneve"], check=True)
    for n, own, peer in ((1, *lab.nodes), (2, *reversed(lab.nodes))):
        lab.exec(own.name, ["tar", "-C", "/", "--skip-old-files", "-xzf", "-"], stdin=archive, check=True)
        script = OVS_START.format(n=n, peer=peer.underlay_address, schema=OVS_SCHEMA)
        rollout.shell(own.name, "sh", "-c", script)
    rollout.shell("n1", "ping", "-c", "3", "-i", "0.5", "-M", "do", "-s", str(1442 - 28), "10.99.0.2")

    refused = rollout.apply()
    assert refused.returncode == 1
    assert "br-int of ovs has MTU 1442, and under encryption 1408 fit" in refused.stderr
    for node in ("n1", "n2"):  # what STEPS.md says
        rollout.shell(node, "ovs-vsctl", "set", "Interface", "br-int", "mtu_request=1408")
    done = rollout.apply()
    assert done.returncode == 0, done.stderr
    rollout.proven(done.stdout, 1408)
    assert all(node["differs"] == [] for node in rollout.status().values())
    assert rollout.run("revert", "--yes").returncode == 0
    rollout.shell("n1", "ping", "-c", "3", "-i", "0.5", "-M", "do", "-s", str(1408 - 28), "10.99.0.2")
