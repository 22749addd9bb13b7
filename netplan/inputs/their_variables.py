"""What other projects' inventories call the things that a plan reads: recognised, proposed, never taken unasked. Pure.

Kubespray: ``ip`` is the address that a node has, ``access_ip`` the one that others reach it by. RKE2's and k3s' roles
hand the host's part of the configuration on as a mapping, with the names of the program's own options.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

# our variable -> theirs, the most telling first; a dot leads into a mapping
MEANINGS: dict[str, tuple[str, ...]] = {
    "underlay_address": (
        *("ip", "node_ip", "k3s_node_ip", "rke2_node_ip", "k3s_server.node-ip", "k3s_agent.node-ip"),
        *("host_rke2_config.node-ip", "rke2_config.node-ip", "private_ip", "internal_ip", "access_ip"),
    ),
    "underlay_mtu": ("node_mtu", "network_mtu"),
    "pod_cidr": ("node_pod_cidr", "pod_subnet"),
}
# groups that hold the nodes of the cluster, beside hosts such as a bastion
CLUSTERS = ("k8s_cluster", "k8s-cluster", "k3s_cluster", "rke2_cluster")
PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_-]+){0,4}\Z")


def at(variables: Mapping[str, Any], path: str) -> Any:
    """Return what a host has at a path such as ``ip`` or ``k3s_server.node-ip``; None where there is nothing."""
    found: Any = variables
    for key in path.split("."):
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    return found


def proposed(hosts: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return our variable -> theirs, for what no host has under our name and all have under one of theirs."""
    every = list(hosts)
    found: dict[str, str] = {}
    for ours, theirs in MEANINGS.items() if every else ():
        if any(ours in host for host in every):
            continue
        name = next((path for path in theirs if all(isinstance(at(h, path), (str, int)) for h in every)), None)
        if name is not None:
            found[ours] = name
    return found
