"""The types of the engine: rows of bytes, sized tokens, checked stacks."""

from __future__ import annotations

from netplan.stack.frozen import frozen
from netplan.stack.transforms import Transform

IP = ("ip4", "ip6")
ESP_ONLY = ("beet", "iptfs")  # what only ESP carries
SECURITY = ("esp", "ah")
FRAME = ("eth", "vlan", "qinq")  # absorbed by the NIC when nothing that counts stands before them


@frozen
class Part:
    """Consecutive bytes of one token that the ledger shows as one row."""

    name: str
    bytes: int
    source: str
    note: str = ""


@frozen
class Token:
    """One header of a stack, sized.

    ``head`` is what it puts before its payload, ``tail`` what it puts after. ``transform`` is set for ESP,
    whose padding depends on the payload and so is no part of ``tail``. ``unsent`` are bytes that Linux counts beside
    them and doesn't send. ``column`` counts from 1.
    """

    text: str
    name: str
    kind: str
    column: int
    width: int
    head: tuple[Part, ...]
    tail: tuple[Part, ...] = ()
    transform: Transform | None = None
    notes: tuple[str, ...] = ()
    unsent: int = 0

    @property
    def head_bytes(self) -> int:
        """Bytes before the payload."""
        return sum(part.bytes for part in self.head)

    @property
    def tail_bytes(self) -> int:
        """Bytes after the payload, without ESP padding and its 2 trailer bytes."""
        return sum(part.bytes for part in self.tail)


@frozen
class Count:
    """The arithmetic of a stack: what is on the wire, or what Linux counts where that is more.

    ``link_bytes`` are counted bytes around the outermost IP packet (PPPoE, MPLS, MACsec), ``headers`` the bytes of the
    innermost packet that are headers. ``steps`` go from the outermost IP header inwards: (bytes taken, alignment of
    what is left, 0 for none).
    """

    link_bytes: int
    headers: int
    steps: tuple[tuple[int, int], ...]


@frozen
class Stack:
    """A checked packet stack, reduced to its arithmetic.

    ``source`` is the text as given, ``text`` its canonical form: lower case, short names written out.
    ``absorbed`` is the number of leading tokens that the NIC takes outside the link MTU, ``outer`` the index
    of the first IP header, ``inner`` that of the last, and from ``carried`` on tokens are what the innermost
    packet carries. ``wire`` is its arithmetic; ``counted`` is that of Linux where the two differ, and then a packet
    has to fit both.
    """

    source: str
    text: str
    tokens: tuple[Token, ...]
    absorbed: int
    outer: int
    inner: int
    carried: int
    wire: Count
    counted: Count | None = None

    def __str__(self) -> str:
        """Return the canonical text."""
        return self.text

    @property
    def link_bytes(self) -> int:
        """Counted bytes around the outermost IP packet: PPPoE, MPLS, MACsec."""
        return self.wire.link_bytes

    @property
    def inner_headers(self) -> int:
        """Bytes of the innermost packet that are headers."""
        return self.wire.headers

    @property
    def family(self) -> str:
        """Family of the innermost packet, ``ip4`` or ``ip6``."""
        return self.tokens[self.inner].name

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about this stack beside its numbers."""
        return tuple(dict.fromkeys(note for token in self.tokens for note in token.notes))


@frozen
class Spot:
    """A place in the text of a stack; ``column`` counts from 1."""

    text: str
    column: int
    width: int
