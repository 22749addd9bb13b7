"""CNI plugins whose drivers build machines lack, on a node's stock kernel: the pod has the planned MTU."""

from __future__ import annotations

import json

import pytest

from netplan.cni import ADAPTERS
from netplan.cni.adapter import CniRequest

from .conftest import ClusterFactory

pytestmark = [pytest.mark.lab, pytest.mark.weight(10)]
MTU = 1416


def test_pods_have_the_planned_mtu(clusters: ClusterFactory) -> None:
    lab = clusters(nodes=1)

    def shell(*argv: str, stdin: str | None = None) -> str:
        return lab.exec("n1", list(argv), stdin=stdin, check=True).stdout

    for name in ("vlan", "ipvlan"):
        pod = f"cni-{name}"
        network = CniRequest(
            pod_mtu=MTU, link_mtu=1500, encap="none", pod_cidrs=("10.99.1.0/24",), options={"master": "eth0"}
        )
        (artifact,) = ADAPTERS[name].render(network)
        config = json.loads(artifact.text)
        given = {"cniVersion": config["cniVersion"], "name": config["name"], **config["plugins"][0]}
        given["ipam"] = {**given["ipam"], "dataDir": f"/run/{pod}"}
        shell("ip", "netns", "add", pod)
        variables = ("CNI_COMMAND=ADD", f"CNI_CONTAINERID={pod}", f"CNI_NETNS=/run/netns/{pod}")
        where = ("CNI_IFNAME=net1", "CNI_PATH=/usr/lib/cni")
        shell("env", *variables, *where, f"/usr/lib/cni/{given['type']}", stdin=json.dumps(given))
        (link,) = json.loads(shell("ip", "-n", pod, "-j", "link", "show", "net1"))
        assert link["mtu"] == MTU, name
