"""Host variables that a plan reads, and those that are written like one of them but are not. Pure."""

from __future__ import annotations

import functools

# name -> (form, what it means); docs/reference/host-variables.md is made from this table
VARIABLES = {
    "underlay_address": (
        "address",
        "its own address between the hosts; without it `ansible_host`, if that is an address",
    ),
    "underlay_mtu": ("bytes, 576 to 65535", "IP MTU of its link, where it isn't the plan's `underlay.mtu`"),
    "behind_nat": ("true, false", "the host is behind NAT: its pairs use UDP encapsulation, 8 bytes more a packet"),
    "pod_cidr": ("subnet", "the node's pod subnet, such as 10.244.1.0/24; some container networks need none"),
    "overlay_address": (
        "address",
        "address of its overlay device, where the container network has no other place for it",
    ),
    "strongswan_version": ("version", "what `swanctl --version` says, such as 5.9.8; decides what its file may hold"),
    "strongswan_algorithms": (
        "list or text",
        "what `swanctl --list-algs` says; decides which proposals its pairs offer",
    ),
    "kernel_iptfs": (
        "works, drops, refused, untried",
        "what became of a packet in an IP-TFS SA of its kernel; `mode: iptfs` needs `works`",
    ),
    "kernel_per_cpu_sas": (
        "works, drops, refused, untried",
        "what became of a packet in an SA for one processor; `per_cpu_sas` needs `works`",
    ),
    "ipsecplan_managed": ("true, false", "false: an unmanaged peer, which its own administrator configures"),
    "underlay_address_ipv6": ("address", "its IPv6 address between the hosts, with `underlay.family: dual`"),
    "underlay_networks": (
        "{NAME: {address, mtu, nat}}",
        "its addresses on additional networks, with `protect: hosts`; mtu and nat may be left out",
    ),
}
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
