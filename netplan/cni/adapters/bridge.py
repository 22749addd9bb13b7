"""The CNI ``bridge`` plugin with host-local addresses, for a self-managed overlay.

Checked against containernetworking plugins 1.1.1 (Debian 12); the plugin's ``mtu`` is the pod's IP MTU and
it subtracts nothing. The plugin leaves the MTU of an existing bridge alone, so the rollout sets that live.
"""

from __future__ import annotations

from dataclasses import replace

from netplan.cni.adapter import CniRequest
from netplan.cni.adapters import conflist as lists
from netplan.cni.kubernetes import compact
from netplan.model.cni_facts import NETWORKS

PLANNED = replace(lists.BRIDGE, render=lambda _request: [], steps=lambda _request: [])


def conflist(*, pod_cidr: str, mtu: int, name: str = "ipsecplan", bridge: str = NETWORKS["bridge"].bridge) -> str:
    """Return the network configuration list of one node as text.

    ``pod_cidr`` is the node's pod subnet; ``mtu`` the pod's IP MTU in bytes.
    """
    network = CniRequest(pod_mtu=mtu, link_mtu=mtu, pod_cidrs=(pod_cidr,), options={"name": name, "bridge": bridge})
    return compact(lists.conflist("bridge", network))
