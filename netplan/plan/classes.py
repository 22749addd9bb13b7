"""Classes of host pairs with their solved packets, and kinds of hosts: the units of the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from netplan.model.proposals import EspProposal
from netplan.model.proposals.capabilities import Capabilities
from netplan.model.topology import CLEAR, Offer, Roles
from netplan.stack import Solution, Stack

UNPROTECTED = EspProposal("none (stays clear)", "", "", None, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """What one ESP proposal makes of one link, in the worst address family; ``UNPROTECTED`` is for pairs without ESP.

    ``overlay_stack`` is the packet of the family that the overlay runs over.
    """

    proposal: EspProposal
    stack: Stack
    solution: Solution
    overlay_stack: Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class PairClass:
    """Host pairs that are alike for the arithmetic: same link MTU (bytes), same NAT traversal, same proposals.

    ``sized`` has one entry for each offered proposal, in the order offered; ``worst`` is the one that leaves least,
    and its inner MTU is what is safe whatever the two ends negotiate.
    """

    name: str
    link_mtu: int
    nat_t: bool
    pairs: int
    limited_by: str
    sized: tuple[Sized, ...]
    offer: Offer = CLEAR

    @property
    def protected(self) -> bool:
        """Tell whether these pairs encrypt, or are left out by the topology."""
        return self.offer.protected

    @property
    def worst(self) -> Sized:
        """The offered proposal that leaves the smallest inner packet."""
        return min(self.sized, key=lambda s: s.solution.inner_mtu)

    @property
    def inner_mtu(self) -> int:
        """Largest inner IP packet in bytes that every offered proposal carries whole over this class's link."""
        return self.worst.solution.inner_mtu

    @property
    def preferred(self) -> Sized:
        """The proposal offered first, which two ends that both know it will negotiate."""
        return self.sized[0]


class HostKind(NamedTuple):
    """What the arithmetic knows of a host; hosts of one kind are interchangeable for it.

    ``path_ends`` and ``topology_ends`` are the ends of the rules of paths and topology that the host stands at.
    """

    link_mtu: int
    nat: bool
    path_ends: Roles
    topology_ends: Roles
    capabilities: Capabilities
    managed: bool
