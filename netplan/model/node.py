"""One host as the plan sees it: its addresses, link MTU, networks and what its strongSwan can do. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netplan.model.proposals.capabilities import UNKNOWN, Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkAddress:
    """A host's address on an additional network, the IP MTU of its link there in bytes, and if it is behind NAT."""

    network: str
    address: str
    link_mtu: int
    nat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One host of the plan, with everything about it that the numbers and the files depend on.

    ``address`` is its underlay address, ``link_mtu`` the IP MTU of its link in bytes, ``overlay_address`` the address
    of its overlay device (the network address of ``pod_cidr``; where the container network makes the overlay, what the
    inventory says, or nothing, and it is found when it runs), ``nat`` whether it is behind NAT; ``groups`` are its
    inventory groups and its own name, which rules of paths and topology refer to; ``capabilities`` is what its
    strongSwan can do, as far as it is known; ``managed`` is false for an unmanaged peer, which others
    configure by hand.
    ``network_addresses`` are its addresses on additional networks; :meth:`on` returns the host with its address on one,
    where ``identity`` is its IKE identity unless that is its id.
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
    network_addresses: tuple[NetworkAddress, ...] = ()
    identity: str = ""

    @property
    def ike(self) -> str:
        """Its IKE identity."""
        return self.identity or self.id

    def on(self, network: str, identity: str = "") -> Node | None:
        """Return the host with its address, link and IKE identity on an additional network; None where it has none."""
        for at in self.network_addresses:
            if at.network == network:
                return replace(
                    self, address=at.address, link_mtu=at.link_mtu, nat=at.nat, network_addresses=(), identity=identity
                )
        return None
