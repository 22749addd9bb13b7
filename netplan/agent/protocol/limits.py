"""Numbers that the controller and the nodes hold each other to. It imports nothing, so a node may read it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .node_json import NodeJson

# Above it a float, as other readers of JSON have it, does not hold every whole number.
MOST_EPOCH = 2**53
# The smallest MTU in bytes that a cluster is held at: of a link with IPv6 (RFC 8200, section 5); and the datagram that
# every IPv4 host takes (RFC 791, section 3.1)
LEAST_MTU_IPV6 = 1280
LEAST_MTU_IPV4 = 576
# How many peers a node measures at the same time; so many of whom it missed something it measures once more, fewer at a
# time. More of them is no accident.
PEERS_AT_ONCE = 8
MOST_AGAIN = 8
AGAIN_AT_ONCE = 2


def least_mtu(node: NodeJson) -> int:
    """Return the smallest size in bytes that a node's pods and devices may be held at."""
    pods = (node["overlay"]["pod_cidr"] or "") + (node["overlay"]["address"] or "")
    return LEAST_MTU_IPV6 if ":" in pods else LEAST_MTU_IPV4
