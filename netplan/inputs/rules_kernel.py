"""What a plan asks of every host's kernel and charon together: planned only where a packet was seen to come through.

A kernel without IP-TFS takes such an SA and then drops every packet, and charon says INSTALLED (measured: Linux 6.12,
7.2 and 7.3 of Debian with strongSwan 6.1.0). So neither a version nor a listing counts, only what became of a packet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netplan.inputs.inventory import Inventory
from netplan.inputs.load import LoadedPlan
from netplan.model.node import Node
from netplan.model.planfile import PlanFile
from netplan.model.proposals.capabilities import Feature
from netplan.problems import Problem, counted, quoted

MOST = 8  # hosts that are named; the rest is a number
_WORDS: dict[Feature, tuple[str, str]] = {
    "iptfs": ("ipsec.mode iptfs", "mode: tunnel has the same addresses in its packets"),
    "per_cpu_sas": ("ipsec.per_cpu_sas", "leave it out: one SA for all processors"),
}


def features(plan: PlanFile) -> list[Feature]:
    """Return what the plan asks for that both charon and the kernel of every host must have."""
    wanted: list[tuple[Feature, bool]] = [
        ("iptfs", plan.ipsec.mode == "iptfs"),
        ("per_cpu_sas", plan.ipsec.per_cpu_sas),
    ]
    return [feature for feature, asked in wanted if asked]


def rule(loaded: LoadedPlan) -> Iterator[Problem]:
    """What doesn't go together in the plan file."""
    ipsec = loaded.plan.ipsec
    if ipsec.per_cpu_sas and ipsec.topology.shape == "trap-any":
        yield loaded.source.problem(
            "IPP402",
            "ipsec.per_cpu_sas does not go with topology trap-any: its SAs are told apart by the peer's address alone",
            ("ipsec", "per_cpu_sas"),
            hint="topology: full-mesh, or leave ipsec.per_cpu_sas out",
        )


def hosts(plan: PlanFile, inventory: Inventory, found: Sequence[Node]) -> Iterator[Problem]:
    """Report every host on which what the plan asks for was not seen to work, with the reason."""
    for feature in features(plan):
        words, instead = _WORDS[feature]
        lacking = [node for node in found if not node.capabilities.proven(feature)]
        for node in lacking[:MOST]:
            reason = node.capabilities.refuses(feature)
            hint = f"{instead}; or another kernel, then `ipsecplan facts bundle` tries again"
            if reason is None:
                reason = f"nobody has tried it with a packet there (kernel_{feature}, strongswan_version)"
                hint = f"`ipsecplan facts bundle` tries it, with a bundle without it; until then {instead}"
            more = len(lacking) - MOST
            rest = f", as for {counted(more, 'more host')}" if more > 0 and node is lacking[MOST - 1] else ""
            yield inventory.problem(
                "IPP410", f"host {quoted(node.name)} can't have {words}: {reason}{rest}", node.name, None, hint
            )
