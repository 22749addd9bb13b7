"""Which pairs of hosts are protected, and what the two ends of such a pair offer each other: pure rules."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from netplan.model.node import Node
from netplan.model.planfile import PlanFile, Topology
from netplan.model.proposals import EspProposal, IkeProposal, esp_proposal, ike_proposal
from netplan.model.proposals.capabilities import Capabilities
from netplan.model.proposals.keywords import SEQUENCE_NUMBERS

# (number of the rule, which end of it): what a host is in a topology or a path rule
Roles = frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True, order=True)
class Offer:
    """What both ends of a pair know of what the plan offers, in its order; ``downgrades`` says why something fell out.

    Without any ESP proposal the pair can't be protected; ``esp`` of a pair that is meant to stay clear is empty too.
    """

    esp: tuple[str, ...] = ()
    ike: tuple[str, ...] = ()
    downgrades: tuple[str, ...] = ()

    @property
    def protected(self) -> bool:
        """Tell whether packets between such a pair are encrypted."""
        return bool(self.esp)


CLEAR = Offer()


def rules(topology: Topology) -> list[tuple[str, str | None]]:
    """Return the topology as pairs of group or host names; None stands for any host."""
    if topology.hub is not None:
        return [(topology.hub, None)]
    if topology.zones is not None:
        return [(one, other) for i, one in enumerate(topology.zones) for other in topology.zones[i + 1 :]]
    if topology.between is not None:
        return [(one, other) for one, other in topology.between]
    return [(None, None)] if topology.shape else []  # type: ignore[list-item]


def roles(topology: Topology, node: Node) -> Roles:
    """Return the ends of the topology's rules that a host stands at."""
    if not topology.partial:
        return frozenset()
    return frozenset(
        (index, end)
        for index, rule in enumerate(rules(topology))
        for end, name in enumerate(rule)
        if name is None or name in node.groups
    )


def joined(index: int, one: Roles, other: Roles) -> bool:
    """Tell whether a rule joins two hosts."""
    return ((index, 0) in one and (index, 1) in other) or ((index, 1) in one and (index, 0) in other)


def protected(topology: Topology, one: Roles, other: Roles) -> bool:
    """Tell whether the pair of two hosts is protected."""
    return not topology.partial or any(joined(index, one, other) for index in {index for index, _ in one})


def esp_of(file: PlanFile) -> list[EspProposal]:
    """Return the plan's ESP proposals."""
    return [p for p in map(esp_proposal, file.ipsec.esp) if p is not None]


def ike_of(file: PlanFile) -> list[IkeProposal]:
    """Return the plan's IKE proposals."""
    return [p for p in map(ike_proposal, file.ipsec.ike) if isinstance(p, IkeProposal)]


def offer(file: PlanFile, one: Capabilities, other: Capabilities) -> Offer:
    """Return what two ends with these capabilities offer each other."""
    return common(file, (one, other))


def common(file: PlanFile, ends: Collection[Capabilities]) -> Offer:
    """Return what all ends with these capabilities offer each other."""
    reasons: list[str] = []
    ordered = list(ends) if isinstance(ends, tuple) else sorted(ends, key=repr)
    esn = all(end.has("esn") for end in ordered)
    esp = [_with_esn(p) if esn else p.text for p in esp_of(file) if not _dropped(p, ordered, reasons)]
    ike = [p.text for p in ike_of(file) if not _dropped(p, ordered, reasons)]
    return Offer(tuple(esp), tuple(ike), tuple(reasons))


def _with_esn(proposal: EspProposal) -> str:
    """Return a proposal with both kinds of sequence numbers, the extended first, unless it says which it wants.

    Two defaults of strongSwan never agree on extended ones; both words in one proposal do, and still take an end that
    has only normal ones.
    """
    said = not proposal.words.isdisjoint(SEQUENCE_NUMBERS)
    return proposal.text if said else "-".join((proposal.text, *SEQUENCE_NUMBERS))


def _dropped(proposal: EspProposal | IkeProposal, ends: list[Capabilities], reasons: list[str]) -> bool:
    why = list(dict.fromkeys(_why(proposal, *ends)))
    reasons += [f"{proposal.text} is not offered: {reason}" for reason in why[:1]]
    return bool(why)


def _why(proposal: EspProposal | IkeProposal, *ends: Capabilities) -> Iterator[str]:
    for end in ends:
        reason = end.lacks(proposal)
        if reason:
            yield reason
