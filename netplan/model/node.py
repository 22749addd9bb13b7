"""One host as the plan sees it: its addresses, link MTU, networks and what its strongSwan can do. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netplan.model.proposals.capabilities import UNKNOWN, Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """Where a host stands on a plane: its address there, the IP MTU of its link in bytes, whether it is behind NAT."""

    plane: str
    address: str
    link_mtu: int
    nat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One host of the plan, with everything about it that the numbers and the files depend on.

    ``address`` is its underlay address, ``link_mtu`` the IP MTU of its link in bytes, ``overlay_address`` the address
    of its overlay device (the network address of ``pod_cidr``; where the container network makes the overlay, what the
    inventory says, or nothing, and it is found when it runs), ``nat`` whether it is behind NAT; ``groups`` are its
    inventory groups and its own name, which path and mesh rules refer to; ``capabilities`` is what its strongSwan
    can do, as far as it is known; ``managed`` is false for a far end that somebody else configures by hand.
    ``stations`` are its places on further planes; :meth:`on` makes the host as it stands on one, where ``identity`` is
    its IKE identity unless that is its id.
    """

    id: str
    name: str
    address: str
    link_mtu: int
    pod_cidr: str
    overlay_address: str
    nat: bool
    groups: frozenset[str]
    capabilities: Capabilities = UNKNOWN
    managed: bool = True
    stations: tuple[Station, ...] = ()
    identity: str = ""

    @property
    def ike(self) -> str:
        """Its IKE identity."""
        return self.identity or self.id

    def on(self, plane: str, identity: str = "") -> Node | None:
        """Return the host as it stands on a plane; None where it has no address there."""
        for at in self.stations:
            if at.plane == plane:
                return replace(
                    self, address=at.address, link_mtu=at.link_mtu, nat=at.nat, stations=(), identity=identity
                )
        return None
