"""An unmanaged peer as its administrator has to configure it: identities, proposals, lives, selectors. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netplan.ipsec.swanctl import UDP, child_suffixes
from netplan.model.lifetimes import dpd_delay, longest, responder, seconds
from netplan.model.node import Node
from netplan.model.proposals import esp_proposal
from netplan.model.proposals.keywords import GROUPS, INTEGRITY, PRF, group
from netplan.plan.types import Plan
from netplan.problems import present

# IANA's numbers of key exchange methods, which is what appliances ask for
GROUP_NUMBERS = {
    "MODP_2048": 14,
    "MODP_3072": 15,
    "MODP_4096": 16,
    "MODP_6144": 17,
    "MODP_8192": 18,
    "ECP_256": 19,
    "ECP_384": 20,
    "ECP_521": 21,
    "ECP_224": 26,
    "ECP_224_BP": 27,
    "ECP_256_BP": 28,
    "ECP_384_BP": 29,
    "ECP_512_BP": 30,
    "CURVE_25519": 31,
    "CURVE_448": 32,
    "ML_KEM_512": 35,
    "ML_KEM_768": 36,
    "ML_KEM_1024": 37,
}
# A rekey that is answered late costs one retransmission of 4 s; the old SA has to live longer than that
LEAST_MARGIN_S = 15


class CannotSay(Exception):
    """A program has no word for what the plan wants; the message says for what."""


@dataclass(frozen=True, slots=True)
class Suite:
    """One proposal by charon's names: ``encryption`` with its key in ``bits`` (0: it has one size), ``integrity``
    (empty with an AEAD), ``prf`` (empty in a proposal for ESP), ``groups`` by the place of the key exchange (0 is the
    main one, 1 to 7 are those of RFC 9370), ``esn`` the sequence numbers it names."""

    text: str
    encryption: str
    bits: int
    integrity: str
    prf: str
    groups: tuple[tuple[int, str], ...]
    esn: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """The main key exchange; empty without one. Raises CannotSay where there are additional ones."""
        if any(place for place, _ in self.groups):
            raise CannotSay("additional key exchanges (RFC 9370)")
        if len(self.groups) > 1:
            raise CannotSay("two key exchange groups in one proposal")
        return self.groups[0][1] if self.groups else ""

    @property
    def number(self) -> int:
        """IANA's number of the main key exchange; 0 without one. Raises CannotSay as ``group``."""
        return GROUP_NUMBERS[self.group] if self.group else 0


def suite(text: str, *, ike: bool) -> Suite:
    """Return a proposal in strongSwan's keywords by charon's names. ``ike``: it is for IKE, and so has a PRF."""
    words = text.split("-")
    found = present(esp_proposal(words[0]) or esp_proposal(f"{words[0]}-sha256"), f"the cipher of {text}")
    encryption, _, bits = found.negotiated.split("/")[0].partition("-")
    integrity = next((INTEGRITY[word].name for word in words[1:] if word in INTEGRITY), "")
    prf = next((PRF[word].name for word in words[1:] if word in PRF), "")
    if ike and not prf:  # charon takes that of the integrity algorithm
        prf = f"PRF_{integrity.rsplit('_', 1)[0]}"
    groups = tuple((place, GROUPS[name].name) for word in words[1:] if (at := group(word)) for place, name in [at])
    esn = tuple(word for word in words[1:] if word in ("esn", "noesn"))
    return Suite(text, encryption, int(bits or 0), integrity, prf if ike else "", groups, esn)


@dataclass(frozen=True, slots=True)
class Selector:
    """What one child protects: protocol number (0: all) and ports (0: any) of the far end and of our node."""

    name: str
    protocol: int = 0
    own_port: int = 0
    peer_port: int = 0


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One connection of the far end, seen from there. Addresses are literals, identities of the type FQDN."""

    pair: str
    own: str
    own_identity: str
    peer: str
    peer_identity: str
    nat_t: bool
    ike: tuple[Suite, ...]
    esp: tuple[Suite, ...]

    @property
    def short(self) -> str:
        """A name of 14 characters, for programs that take no more than 15."""
        return "p-" + self.pair.rpartition("-")[2][:12]

    @property
    def ipv6(self) -> bool:
        """Whether the hosts speak IPv6."""
        return ipaddress.ip_address(self.peer).version == 6


@dataclass(frozen=True, slots=True)
class FarEnd:
    """An unmanaged peer. Seconds: ``ike_rekey`` and ``child_rekey`` are after how long it may rekey, because ours does
    earlier; ``ike_life`` and ``child_life`` when an SA ends for good; ``dpd`` of silence."""

    id: str
    mode: str
    auth: str
    hosts: bool
    port: int
    pod_mtu: int
    tunnels: tuple[Tunnel, ...]
    selectors: tuple[Selector, ...]
    clear: tuple[str, ...]
    ike_rekey: int
    ike_life: int
    child_rekey: int
    child_life: int
    dpd: int


def far_end(plan: Plan, node: Node) -> FarEnd:
    """Return what an unmanaged host of a plan has to be told."""
    ipsec, port = plan.file.ipsec, plan.file.overlay.udp_port or 0
    ike, child = (present(seconds(getattr(ipsec.lifetimes, kind)), f"the lifetime of {kind}") for kind in _KINDS)
    tunnels = tuple(
        Tunnel(
            pair=c.pair.id,
            own=c.local.address,
            own_identity=c.local.ike,
            peer=c.remote.address,
            peer_identity=c.remote.ike,
            nat_t=c.pair.pair_class.nat_t,
            ike=tuple(suite(text, ike=True) for text in c.pair.pair_class.offer.ike),
            esp=tuple(suite(text, ike=False) for text in c.pair.pair_class.offer.esp),
        )
        for c in plan.connections(node)
    )
    every = {
        "-all": Selector("all"),
        "-out": Selector("out", protocol=UDP, peer_port=port),
        "-in": Selector("in", protocol=UDP, own_port=port),
    }
    return FarEnd(
        id=node.id,
        mode=ipsec.mode,
        auth=ipsec.auth,
        hosts=ipsec.protect == "hosts",
        port=port,
        pod_mtu=plan.pod_mtu,
        tunnels=tunnels,
        selectors=tuple(every[suffix] for suffix in child_suffixes(plan)),
        clear=tuple(ipsec.clear) if ipsec.protect == "hosts" else (),
        ike_rekey=responder(ike),
        ike_life=max(longest(ike), responder(ike) + LEAST_MARGIN_S),
        child_rekey=responder(child),
        child_life=max(longest(child), responder(child) + LEAST_MARGIN_S),
        dpd=dpd_delay(len(tunnels)),
    )


_KINDS = ("ike", "child")


@dataclass(frozen=True, slots=True)
class Said:
    """Proposals in the words of one program, in the plan's order, and why each other one is left out."""

    words: tuple[str, ...]
    suites: tuple[Suite, ...]
    left_out: tuple[str, ...]


def say(suites: Sequence[Suite], word: Callable[[Suite], str], what: str) -> Said:
    """Return the proposals that a program has words for; one that both ends know is enough.

    Raises CannotSay with the reasons where there is none.
    """
    words: list[str] = []
    kept: list[Suite] = []
    left_out: list[str] = []
    for one in suites:
        try:
            words.append(word(one))
            kept.append(one)
        except CannotSay as reason:
            left_out.append(f"{what} {one.text}: no {reason}")
    if not words:
        raise CannotSay("; ".join(left_out) or f"{what}: no proposal")
    return Said(tuple(words), tuple(kept), tuple(left_out))


def known(table: dict[str, str], name: str, what: str) -> str:
    """Return a program's word for one of charon's names. Raises CannotSay without one."""
    if name not in table:
        raise CannotSay(f"{what} {name}")
    return table[name]
