"""The IPsec peers of each host on one network, with the id, role and class of each pair, without a look at other hosts.

Hosts of one kind have the same peers but for themselves, so the list of peers is made once a kind. What is left for
each host is the id of each of its pairs: one SHA-256 a peer.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from netplan.model.ids import DIGITS
from netplan.model.node import Node
from netplan.plan.classes import HostKind, PairClass

KINDS = 64  # kinds whose lists are kept: a list is as long as the cluster
_ODD = frozenset("13579bdf")


class _Of(NamedTuple):
    """What the hosts of one kind have in common: places of their peers, in order, and the class of each pair."""

    places: list[int]
    classes: list[PairClass]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The IPsec peers of one host, in columns of equal length: managed ones first, in the order of the plan.

    ``places`` are their places in ``Fabric.nodes``, ``pairs`` the ids of the pairs, ``initiates`` whether this host
    opens IKE, ``classes`` the classes of the pairs.
    """

    peers: Sequence[Node]
    places: Sequence[int]
    pairs: Sequence[str]
    initiates: Sequence[bool]
    classes: Sequence[PairClass]

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[tuple[Node, str, bool, PairClass]]:
        return zip(self.peers, self.pairs, self.initiates, self.classes, strict=True)


class NeighbourTable:
    """The neighbours of every host on a network; holds what depends on kinds, and the last host that was asked for."""

    def __init__(
        self,
        network: str,
        nodes: Sequence[Node],
        kinds: Mapping[str, HostKind],
        class_of_kinds: Mapping[tuple[HostKind, HostKind], PairClass],
    ) -> None:
        self._nodes = nodes
        self._bytes = [node.id.encode() for node in nodes]
        self._network = b"\0" + network.encode() if network else b""
        self._kinds = kinds
        self._class_of = class_of_kinds
        self._members: dict[HostKind, list[int]] = {}
        for place, node in enumerate(nodes):
            self._members.setdefault(kinds[node.id], []).append(place)
        self._place = {node.id: place for place, node in enumerate(nodes)}
        self._of_kind: dict[HostKind, _Of] = {}
        self._all_managed = all(node.managed for node in nodes)
        self._last: tuple[str, Neighbours] | None = None

    def kinds(self, node: Node) -> list[tuple[HostKind, PairClass]]:
        """Return the kinds of hosts that a host has protected pairs with, and the class of these pairs."""
        own = self._kinds[node.id]
        joined = ((kind, self._class_of.get((own, kind))) for kind in self._members)
        return [(kind, found) for kind, found in joined if found is not None and found.protected]

    @functools.cached_property
    def span(self) -> str:
        """The smallest subnet that holds every host's IPv4 address."""
        numbers = [int(ipaddress.IPv4Address(node.address)) for node in self._nodes]
        free = (min(numbers) ^ max(numbers)).bit_length()
        return str(ipaddress.IPv4Network((min(numbers) >> free << free, 32 - free)))

    def place(self, node: Node) -> int | None:
        """Return the place of a host (by its id) in ``Fabric.nodes``; None where it has no address on the network."""
        return self._place.get(node.id)

    def of(self, node: Node) -> Neighbours:
        """Return the neighbours of a host on this network."""
        if self._last is None or self._last[0] != node.id:
            self._last = node.id, self._neighbours(node)
        return self._last[1]

    def of_kind(self, node: Node) -> _Of:
        """Return places and classes of the peers of a host's kind; the host itself may be among them."""
        own = self._kinds[node.id]
        found = self._of_kind.get(own)
        if found is None:
            rows = [(place, cls) for kind, cls in self.kinds(node) for place in self._members[kind]]
            rows.sort(key=lambda row: (not self._nodes[row[0]].managed, row[0]))
            found = _Of([place for place, _ in rows], [cls for _, cls in rows])
            if len(self._of_kind) >= KINDS:
                self._of_kind.clear()
            self._of_kind[own] = found
        return found

    def _neighbours(self, node: Node) -> Neighbours:
        shared, own = self.of_kind(node), self._place[node.id]
        places, classes = list(shared.places), list(shared.classes)
        if own in shared.places:
            at = shared.places.index(own)
            del places[at], classes[at]
        me, nodes = node.id.encode(), self._nodes
        peers = [nodes[place] for place in places]
        names = [self._bytes[place] for place in places]
        before, behind = me + b"\0", b"\0" + me
        low = [me < name for name in names]
        ordered = [before + name if me < name else name + behind for name in names]
        main = [sha256(text).hexdigest()[:DIGITS] for text in ordered]
        network = self._network
        ids = [sha256(text + network).hexdigest()[:DIGITS] for text in ordered] if network else main
        starts = [(digits[-1] in _ODD) == is_low for digits, is_low in zip(main, low, strict=True)]
        if not node.managed or not self._all_managed:  # towards an unmanaged peer, the managed starts
            starts = [
                start if node.managed == peer.managed else node.managed
                for start, peer in zip(starts, peers, strict=True)
            ]
        return Neighbours(peers, places, ["pair-" + digits for digits in ids], starts, classes)
