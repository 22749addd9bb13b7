"""The connections of each node: ``ipsecplan.conf``, joined from pieces and read back before it is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from netplan.ipsec.stanza_scan import Columns, Shape, scan
from netplan.ipsec.swanctl import (
    bypass_selectors,
    bypassed,
    connections_of,
    expected,
    life,
    public_key_file,
    quote,
    start_file,
)
from netplan.ipsec.swanctl_parser import read
from netplan.ipsec.xfrm_interfaces import interfaces
from netplan.model.lifetimes import REKEY_PACKETS, dpd_delay, duration, responder
from netplan.model.node import Node
from netplan.model.topology import Offer
from netplan.plan.fabric import Connection, Fabric, Pair
from netplan.plan.types import Plan
from netplan.problems import DefectError
from netplan.templates.render import render
from netplan.templates.slots import MARK, Slot, filled, quoting

_QUOTE = quoting(quote)  # one object, because an environment of Jinja is kept for it


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTemplate:
    """What many connections of a node share, rendered once: role, proposals, encapsulation. ``name`` is its section."""

    name: str
    role: str
    ike: str
    esp: str
    nat_t: bool
    ike_life: str
    child_life: str
    packets: int


class _Pieces(dict[int, list[str]]):
    """Stanza of each peer (by its place in the network) with one template, cut where the pair's id belongs."""

    def __init__(self, cut: Callable[[int], list[str]]) -> None:
        super().__init__()
        self._cut = cut

    def __missing__(self, place: int) -> list[str]:
        found = self[place] = self._cut(place)
        return found


class _On:
    """What the stanzas of one network are made of, for the nodes that have the same ``identified``: whether their IKE
    identity there is not their id."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.addresses = [node.address for node in fabric.nodes]
        self.identities = [node.ike for node in fabric.nodes]
        self.keys = [node.id for node in fabric.nodes]
        self.pieces: dict[tuple[int, bool], _Pieces] = {}


class ConnectionFiles:
    """Writes ``ipsecplan.conf`` of the nodes of one plan.

    What a peer contributes to a file depends on the peer and on the template of the pair (class and role), not on the
    node; so it is made once, and a file is a join of such pieces with the ids of the pairs. Each kind of stanza and of
    head is read back once by the parser of the whole grammar, and every file by :mod:`.stanza_scan`.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan, ipsec = plan, plan.file.ipsec
        self._interfaces = ipsec.xfrm_interface
        self._on = [_On(fabric) for fabric in plan.fabrics]
        self._shape = Shape(
            hosts=ipsec.protect == "hosts",
            raw_keys=ipsec.auth == "raw-keys",
            networks=bool(plan.additional),
            interfaces=self._interfaces,
        )
        self._templates: list[ConnectionTemplate] = []
        self._of_class: list[dict[str, tuple[int, int]]] = []  # a network each: class -> as responder, as initiator
        self._number_templates()
        self._heads: dict[tuple[object, ...], str] = {}
        self._proven: set[tuple[object, ...]] = set()

    def _number_templates(self) -> None:
        known: dict[tuple[Offer, bool], int] = {}
        for fabric in self._plan.fabrics:
            found = {}
            for pair_class in fabric.classes:
                if pair_class.protected:
                    number = known.setdefault((pair_class.offer, pair_class.nat_t), 2 * len(known))
                    found[pair_class.name] = (number + 1, number)
            self._of_class.append(found)
        for (offer, nat_t), number in known.items():
            self._templates += [self._template(offer, nat_t, number + at, at == 0) for at in (0, 1)]

    def _template(self, offer: Offer, nat_t: bool, number: int, initiator: bool) -> ConnectionTemplate:
        ike, child = (life(self._plan, kind, initiator) for kind in ("ike", "child"))
        return ConnectionTemplate(
            name=f"ipp-{number + 1}",
            role="initiator" if initiator else "responder",
            ike=",".join(offer.ike),
            esp=",".join(offer.esp),
            nat_t=nat_t,
            ike_life=duration(ike),
            child_life=duration(child),
            packets=REKEY_PACKETS if initiator else responder(REKEY_PACKETS),
        )

    def text(self, node: Node) -> str:
        """Return the file of one node. Raises DefectError if it does not read back as the plan says."""
        numbers = {pair: str(found.number) for pair, found in interfaces(self._plan, node).items()}
        stanzas: list[str] = []
        wanted = Columns([], [], [], [], [], [], [], [])
        kinds: dict[tuple[object, ...], Connection] = {}
        used: set[int] = set()
        for index, on in enumerate(self._on):
            local = on.fabric.at(node)
            if local is None:
                continue
            near = on.fabric.neighbours(local)
            of_class = self._of_class[index]
            templates = [
                of_class[found.name][starts] for found, starts in zip(near.classes, near.initiates, strict=True)
            ]
            pieces = {at: self._pieces(index, at, bool(numbers)) for at in dict.fromkeys(templates)}
            used |= pieces.keys()
            own = {MARK + "local" + MARK: local.address, MARK + "own" + MARK: quote(local.identity)[1:-1]}
            made = joined(near.pairs, near.places, templates, pieces)
            if index or numbers:
                made = [_own(text, own, numbers.get(pair, "")) for text, pair in zip(made, near.pairs, strict=True)]
            stanzas += made
            places, names = near.places, [template.name for template in self._templates]
            count = len(places)
            wanted.pairs += near.pairs
            wanted.templates += [names[at] for at in templates]
            wanted.addresses += [on.addresses[place] for place in places]
            wanted.identities += [on.identities[place] for place in places]
            wanted.local_addresses += [local.address if index else ""] * count
            wanted.local_identities += [local.identity] * count
            wanted.numbers += [numbers.get(pair, "") for pair in near.pairs] if self._interfaces else [""] * count
            wanted.keys += [on.keys[place] for place in places] if self._shape.raw_keys else [""] * count
            for at in pieces:
                kind = ("stanza", index, at, bool(local.identity), bool(numbers))
                kinds[kind] = _connection(on.fabric, local, templates.index(at))
        head, head_kind = self._head(node, tuple(sorted(used)), len(stanzas))
        body = "".join(stanzas)
        text = f"{head}{body}}}\n"
        if head_kind not in self._proven or not kinds.keys() <= self._proven:
            self._prove(node, head, stanzas, wanted.pairs, kinds.values())
            self._proven |= {head_kind, *kinds}
        if scan(body, self._shape) != wanted or not self._same_head(head, node, len(stanzas)):
            raise DefectError(f"the rendered swanctl.conf of {node.id} does not read back as planned")
        return text

    def _pieces(self, index: int, at: int, numbered: bool) -> _Pieces:
        """Return the stanzas of one network with one template, made when they are first asked for."""
        on = self._on[index]
        found = on.pieces.get((at, numbered))
        if found is None:
            networks = on.fabric.name
            identified = bool(networks and on.fabric.nodes and on.fabric.nodes[0].identity)
            rendered = render(
                "swanctl/connection.conf.j2",
                {"q": _QUOTE, "public_key_file": public_key_file},
                auth=self._plan.file.ipsec.auth,
                hosts=self._shape.hosts,
                c={
                    "pair": Slot("pair"),
                    "template": self._templates[at].name,
                    "address": Slot("address"),
                    "local": Slot("local") if networks else "",
                    "identity": Slot("own") if identified else "",
                    "if_id": Slot("number") if numbered else "",
                    "remote": Slot("id"),
                    "peer": Slot("peer"),
                },
            )
            late = {name: Slot(name) for name in ("local", "own", "number")}

            def cut(place: int) -> list[str]:
                address, identity = (quote(value[place])[1:-1] for value in (on.addresses, on.identities))
                return filled(rendered, {"address": address, "id": identity, "peer": on.keys[place], **late})

            found = on.pieces[at, numbered] = _Pieces(cut)
        return found

    def _head(self, node: Node, used: tuple[int, ...], count: int) -> tuple[str, tuple[object, ...]]:
        """Return what stands before the first stanza, and what kind it is of."""
        plan, clear = self._plan, bypass_selectors(self._plan, node)
        kind = ("head", used, bool(node.network_addresses), node.id if clear else "")
        rendered = self._heads.get(kind)
        if rendered is None:
            rendered = render(
                "swanctl/ipsecplan.conf.j2",
                {"q": _QUOTE},
                cluster=plan.file.name,
                mode=plan.file.ipsec.mode,
                port=plan.file.overlay.udp_port,
                address=Slot("address"),
                id=Slot("id"),
                count=Slot("count"),
                dpd=Slot("dpd"),
                networks=bool(node.network_addresses),
                auth=plan.file.ipsec.auth,
                hosts=self._shape.hosts,
                clear=clear,
                templates=[self._templates[at] for at in used],
                unique="no" if plan.file.ipsec.topology.shape == "trap-any" else "replace",
            )
            if not clear:  # what stays clear names the node's own addresses
                self._heads[kind] = rendered
        own = {
            "address": quote(node.address)[1:-1],
            "id": quote(node.id)[1:-1],
            "count": str(count),
            "dpd": str(dpd_delay(count, always=node.capabilities.asks_always)),
        }
        return "".join(filled(rendered, own)), kind

    def _same_head(self, head: str, node: Node, count: int) -> bool:
        """Tell whether a head that was read back for another node names this one."""
        own = _OWN.findall(head)
        return own == [(node.address, node.id)] and head.count("\nipsecplan-conn {\n") == 1 and f" {count} " in head

    def _prove(
        self, node: Node, head: str, stanzas: list[str], pairs: list[str], connections: Iterable[Connection]
    ) -> None:
        """Read a node's head and one stanza of each kind with the whole grammar. Raises DefectError."""
        plan, chosen = self._plan, list(connections)
        wanted = {c.pair.id for c in chosen}
        some = "".join(text for text, pair in zip(stanzas, pairs, strict=True) if pair in wanted)
        settings = read(f"{head}{some}}}\n{start_file('none')}")
        if bypassed(settings) != bypass_selectors(plan, node):
            raise DefectError(f"what stays clear on {node.id} does not read back as planned")
        inside = {pair: found.number for pair, found in interfaces(plan, node).items()}
        if connections_of(settings) != {c.pair.id: expected(plan, c, inside.get(c.pair.id, 0)) for c in chosen}:
            raise DefectError(f"the rendered swanctl.conf of {node.id} does not read back as planned")


def joined(
    pairs: Sequence[str], places: Sequence[int], templates: Sequence[int], pieces: Mapping[int, _Pieces]
) -> list[str]:
    """Return a stanza a pair: the pieces of its peer's place and template around the pair's id."""
    return [pair.join(pieces[at][place]) for pair, place, at in zip(pairs, places, templates, strict=True)]


_OWN = re.compile(
    r'^    local_addrs = "([^"\\\n]*)"\n    local \{\n(?:        [^}\n]*\n)*?        id = "([^"\\\n]*)"$', re.M
)


def _own(text: str, own: Mapping[str, str], number: str) -> str:
    """Fill what depends on the node (``own``) and on the pair into a stanza."""
    for slot, value in own.items():
        text = text.replace(slot, value)
    return text.replace(Slot("number"), number)


def _connection(fabric: Fabric, local: Node, at: int) -> Connection:
    near = fabric.neighbours(local)
    peer = near.peers[at]
    first, second = (local, peer) if near.initiates[at] else (peer, local)
    pair = Pair(id=near.pairs[at], initiator=first, responder=second, pair_class=near.classes[at])
    return Connection(fabric=fabric, local=local, remote=peer, pair=pair)


def connection_file(plan: Plan, node: Node) -> str:
    """Return ``ipsecplan.conf`` of one node alone. Raises DefectError if it does not read back as the plan says."""
    return ConnectionFiles(plan).text(node)
