"""Host variables that a plan reads, and those that are written like one of them but are not. Pure."""

from __future__ import annotations

import functools

VARIABLES = (
    "underlay_address",
    "underlay_mtu",
    "behind_nat",
    "pod_cidr",
    "overlay_address",
    "strongswan_version",
    "strongswan_algorithms",
    "ipsecplan_managed",
    "underlay_address_ipv6",
    "underlay_networks",
)
# variables of earlier inventories: read past in silence, a host's NAT or its further addresses would be missing
RENAMED = {"underlay_nat": "behind_nat", "underlay_planes": "underlay_networks"}
NEAR = 2  # letters that are missing, too many, wrong or in the wrong order
OWN = "ipsecplan_"  # nobody else's variables begin so


@functools.lru_cache(4096)
def meant(variable: str) -> str | None:
    """Return the variable that a name is a misspelling of; None for ours, and for one that is somebody's own.

    Misspelt is what differs in at most :data:`NEAR` letters behind the same first one; a number behind the name is
    meant (``pod_cidr6``). Of what begins with ``ipsecplan_`` there is only ours.
    """
    if variable in VARIABLES:
        return None
    if variable in RENAMED:
        return RENAMED[variable]
    if variable.startswith(OWN):
        return "ipsecplan_managed"
    bare = variable.lower().replace("-", "_")
    if variable.rstrip("0123456789_") in VARIABLES:
        return None
    near = [(distance(bare, known), known) for known in VARIABLES if bare[:1] == known[0]]
    least = min(near, default=(NEAR + 1, ""))
    return least[1] if least[0] <= NEAR else None


def distance(one: str, other: str) -> int:
    """Return how many letters to add, drop, change or swap with the next lead from one word to the other.

    At least ``NEAR + 1`` where the lengths differ by more than that.
    """
    if abs(len(one) - len(other)) > NEAR:
        return NEAR + 1
    before, last = list[int](), list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
