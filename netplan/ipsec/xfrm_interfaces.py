"""Route-based tunnels (``ipsec.xfrm_interface``): the XFRM interface of each pair, and the file that leads into it.

An SA of such a pair carries the interface's number (``if_id``), and what leaves by the interface is encrypted by that
SA or dropped. A rule by the overlay's UDP port looks into a table of its own, where each peer's underlay address leads
into its interface; ESP itself has no such port, so it can't be led into itself. See docs/decisions/0070.
"""

from __future__ import annotations

from dataclasses import dataclass

from netplan.model.node import Node
from netplan.plan.types import Plan

NUMBERS = 2**31 - 1  # if_id runs from 1; 0 is no interface
WIDTH = 8  # hexadecimal digits of a number in an interface's name: "xi-" and these are 11 of the 15 characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """The XFRM interface of a pair on one of its nodes. ``mtu`` is the largest packet in bytes that ESP carries whole
    over the pair's link, ``local`` and ``remote`` are underlay addresses."""

    name: str
    number: int
    mtu: int
    local: str
    remote: str


def interfaces(plan: Plan, node: Node) -> dict[str, Interface]:
    """Return pair id -> interface on a node; empty without them, and on an unmanaged peer.

    The number is that of the pair's id, so both ends mostly have the same one, and it needs to be unique on a node
    only: of two pairs with one number, the pair whose id sorts last takes the next that is free.
    """
    if not plan.file.ipsec.xfrm_interface or not node.managed:
        return {}
    taken: set[int] = set()
    found = {}
    sizes = {c.name: plan.main.host_mtu(c)[0] for c in plan.classes if c.protected}
    for pair, peer, pair_class in sorted(
        ((pair.id, peer, pair.pair_class) for peer, pair in plan.peers(node)), key=lambda p: p[0]
    ):
        number = int(pair.removeprefix("pair-")[:WIDTH], 16) % NUMBERS + 1
        while number in taken:
            number = number % NUMBERS + 1
        taken.add(number)
        found[pair] = Interface(
            name=f"xi-{number:0{WIDTH}x}",
            number=number,
            mtu=sizes[pair_class.name],
            local=node.address,
            remote=peer.address,
        )
    return found


def routes_file(plan: Plan, node: Node) -> str:
    """Return ``routes-all`` as route.sh reads it: a line a peer of overlay port, own and peer's address, interface,
    number, MTU."""
    port = plan.file.overlay.udp_port
    return "".join(
        f"{port} {i.local} {i.remote} {i.name} {i.number} {i.mtu}\n" for i in interfaces(plan, node).values()
    )
