"""The CNI ``bridge`` plugin with host-local addresses, for a self-managed overlay.

Checked against containernetworking plugins 1.1.1 (Debian 12) and 1.6; the plugin's ``mtu`` is the pod's IP MTU and
it subtracts nothing. The plugin leaves the MTU of an existing bridge alone, so the rollout sets that live.
"""

from __future__ import annotations

import json

CHECKED_AGAINST = "containernetworking/plugins 1.1.1, 1.6"


def conflist(*, pod_cidr: str, mtu: int, name: str = "ipsecplan", bridge: str = "cni0") -> str:
    """Return the network configuration list of one node as text.

    ``pod_cidr`` is the node's pod subnet; ``mtu`` the pod's IP MTU in bytes.
    """
    family_default = "::/0" if ":" in pod_cidr else "0.0.0.0/0"
    document = {
        "cniVersion": "0.4.0",
        "name": name,
        "plugins": [
            {
                "type": "bridge",
                "bridge": bridge,
                "isGateway": True,
                "ipMasq": False,
                "hairpinMode": True,
                "mtu": mtu,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": pod_cidr}]],
                    "routes": [{"dst": family_default}],
                },
            }
        ],
    }
    return json.dumps(document, indent=2) + "\n"
