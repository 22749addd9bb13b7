"""The CNI project's own plugins run ADD with our lists; the pod's interface has the planned MTU.

Needs root and the plugins (Debian: containernetworking-plugins; IPSECPLAN_CNI_PLUGINS names another folder).
ipvlan and vlan, whose drivers a build machine may lack, run on a node of the lab (tests/lab/test_cni_plugins.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from pathlib import Path

import pytest

from netplan.cni import ADAPTERS
from netplan.cni.adapter import CniRequest
from netplan.cni.adapters import bridge

PLUGINS = Path(os.environ.get("IPSECPLAN_CNI_PLUGINS", "/usr/lib/cni"))
MTU = 1416
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or not (PLUGINS / "bridge").exists(), reason="needs root and CNI plugins"),
]


def ip(*words: str, ns: str | None = None) -> str:
    command = ["ip", *(["-n", ns] if ns else []), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def node():
    """A network namespace as the node, one as the pod, and a link eth1 in the node."""
    tag = uuid.uuid4().hex[:6]
    node, pod = f"ipsecplan-n{tag}", f"ipsecplan-p{tag}"
    for name in (node, pod):
        ip("netns", "add", name)
    ip("link", "add", "eth1", "type", "veth", "peer", "name", "far", ns=node)
    ip("link", "set", "eth1", "up", ns=node)
    ip("link", "set", "far", "up", ns=node)
    yield node, pod
    for name in (node, pod):
        ip("netns", "del", name)


def add(config: dict, node: str, pod: str, tmp_path: Path) -> dict:
    """Run the plugins of a list one after the other, as a container runtime does."""
    result: dict = {}
    for plugin in config["plugins"]:
        given = {"cniVersion": config["cniVersion"], "name": config["name"], **plugin}
        if "ipam" in given:
            given["ipam"] = {**given["ipam"], "dataDir": str(tmp_path)}
        if result:
            given["prevResult"] = result
        run = subprocess.run(
            ["ip", "netns", "exec", node, str(PLUGINS / plugin["type"])],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "CNI_COMMAND": "ADD",
                "CNI_CONTAINERID": "pod1",
                "CNI_NETNS": f"/run/netns/{pod}",
                "CNI_IFNAME": "net1",
                "CNI_PATH": str(PLUGINS),
            },
        )
        assert run.returncode == 0, run.stdout + run.stderr
        result = json.loads(run.stdout)
    return result


@pytest.mark.parametrize("name", ["bridge", "ptp", "macvlan", "host-device"])
def test_the_pod_has_the_planned_mtu(name, node, tmp_path):
    network = CniRequest(
        pod_mtu=MTU, link_mtu=1500, encap="none", pod_cidrs=("10.99.1.0/24",), options={"master": "eth1"}
    )
    (artifact,) = ADAPTERS[name].render(network)
    add(json.loads(artifact.text), *node, tmp_path)
    (link,) = json.loads(ip("-j", "link", "show", "net1", ns=node[1]))
    assert link["mtu"] == MTU


def test_the_bundles_own_list(node, tmp_path):
    add(json.loads(bridge.conflist(pod_cidr="10.99.2.0/24", mtu=MTU)), *node, tmp_path)
    (link,) = json.loads(ip("-j", "link", "show", "net1", ns=node[1]))
    assert link["mtu"] == MTU
    # the bridge follows its only port; it is never left larger
    (cni0,) = json.loads(ip("-j", "link", "show", "cni0", ns=node[0]))
    assert cni0["mtu"] == MTU


def test_macvlan_refuses_more_than_its_master_as_we_do(node, tmp_path):
    network = CniRequest(pod_mtu=1501, link_mtu=1500, encap="none", options={"master": "eth1"})
    assert "IPP905" in [p.code for p in ADAPTERS["macvlan"].supports(network)]
    (artifact,) = ADAPTERS["macvlan"].render(network)
    with pytest.raises(AssertionError, match="master MTU"):
        add(json.loads(artifact.text), *node, tmp_path)
