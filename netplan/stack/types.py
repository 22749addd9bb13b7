"""The types of the engine: rows of bytes, sized tokens, checked stacks."""

from __future__ import annotations

from netplan.stack.frozen import frozen
from netplan.stack.transforms import Transform

IP = ("ip4", "ip6")
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
    whose padding depends on the payload and so is no part of ``tail``. ``column`` counts from 1.
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

    @property
    def head_bytes(self) -> int:
        """Bytes before the payload."""
        return sum(part.bytes for part in self.head)

    @property
    def tail_bytes(self) -> int:
        """Bytes after the payload, without ESP padding and its 2 trailer bytes."""
        return sum(part.bytes for part in self.tail)


@frozen
class Stack:
    """A checked packet stack, reduced to its arithmetic.

    ``source`` is the text as given, ``text`` its canonical form: lower case, short names written out.
    ``absorbed`` is the number of leading tokens that the NIC takes outside the link MTU, ``outer`` the index
    of the first IP header, ``inner`` that of the last, and from ``carried`` on tokens are what the innermost
    packet carries. ``link_bytes`` are counted bytes around the outermost IP packet (PPPoE, MPLS, MACsec);
    ``inner_headers`` are the bytes of the innermost packet that are headers. ``steps`` go from the outermost
    IP header inwards: (bytes taken, alignment of what is left, 0 for none).
    """

    source: str
    text: str
    tokens: tuple[Token, ...]
    absorbed: int
    outer: int
    inner: int
    carried: int
    link_bytes: int
    inner_headers: int
    steps: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        """Return the canonical text."""
        return self.text

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
