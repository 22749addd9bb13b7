"""The ledger: every byte of the largest packet, in wire order, with where its size is written down."""

from __future__ import annotations

from netplan.stack.frozen import frozen
from netplan.stack.transforms import ESP_TRAILER, padding
from netplan.stack.types import IP, Part, Stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@frozen
class LedgerRow:
    """Consecutive bytes of one packet.

    ``offset`` counts from the first byte of the outermost IP header (of the frame, for rows of the link).
    ``token`` is the index of the stack token the bytes belong to, ``encrypted`` whether a sniffer can't read
    them, ``counted`` whether they use up link MTU (only an outermost Ethernet header or VLAN tag doesn't).
    """

    name: str
    bytes: int
    offset: int
    source: str
    note: str
    token: int
    encrypted: bool = False
    counted: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the row as ``--json`` prints it."""
        return {name: getattr(self, name) for name in ("name", "bytes", "offset", "source", "note", "encrypted")}


def packet_rows(stack: Stack, body: int) -> tuple[LedgerRow, ...]:
    """Return the rows of the outermost IP packet around ``body`` bytes of payload; they sum to its size."""
    inside = _sizes(stack, body)
    rows: list[LedgerRow] = []
    offset = 0
    hidden = 0

    def add(part: Part, token: int) -> None:
        nonlocal offset
        rows.append(
            LedgerRow(
                name=part.name,
                bytes=part.bytes,
                offset=offset,
                source=part.source,
                note=part.note,
                token=token,
                encrypted=hidden > 0,
            )
        )
        offset += part.bytes

    whole = stack.carried == stack.inner + 1  # nothing stands between the innermost IP header and what it carries
    for index in range(stack.outer, len(stack.tokens)):
        token = stack.tokens[index]
        if index == stack.inner and whole:
            size = token.head_bytes + sum(other.head_bytes for other in stack.tokens[stack.carried :]) + body
            note = f"its {token.head_bytes}-byte header and {size - token.head_bytes} bytes it carries"
            add(
                Part(
                    name=f"inner {_family(token.name)} packet",
                    bytes=size,
                    source=token.head[0].source,
                    note=note,
                ),
                index,
            )
            break
        for part in token.head:
            add(_named(stack, index, part), index)
        if token.transform:
            hidden += token.transform.encrypts
    else:
        size = body
        note = "what the innermost IP packet carries; with that packet's IP header it makes the inner MTU"
        add(Part(name="payload", bytes=size, source="", note=note), stack.inner)
    for index in range(len(stack.tokens) - 1, stack.outer - 1, -1):
        token = stack.tokens[index]
        if token.transform:
            pad = padding(inside[index], token.transform.align)
            note = f"payload and 2 trailer bytes fill whole {token.transform.align}s"
            add(Part(name="ESP padding", bytes=pad, source="RFC 4303 2.4", note=note), index)
            add(Part(name="ESP pad length", bytes=1, source="RFC 4303 2.5"), index)
            add(Part(name="ESP next header", bytes=1, source="RFC 4303 2.6"), index)
            hidden -= token.transform.encrypts
        for part in token.tail:
            add(part, index)
    return tuple(rows)


def link_rows(stack: Stack) -> tuple[LedgerRow, ...]:
    """Return the rows around the outermost IP packet; those with ``counted`` use up link MTU."""
    rows: list[LedgerRow] = []
    offset = 0
    for index in range(stack.outer):
        token = stack.tokens[index]
        counted = index >= stack.absorbed
        for part in token.head:
            note = part.note if counted else "outside the link MTU" + (f"; {part.note}" if part.note else "")
            rows.append(
                LedgerRow(
                    name=part.name,
                    bytes=part.bytes,
                    offset=offset,
                    source=part.source,
                    note=note,
                    token=index,
                    counted=counted,
                )
            )
            offset += part.bytes
    for index in range(stack.outer - 1, stack.absorbed - 1, -1):
        for part in stack.tokens[index].tail:
            note = "after the packet"
            rows.append(
                LedgerRow(
                    name=part.name,
                    bytes=part.bytes,
                    offset=offset,
                    source=part.source,
                    note=note,
                    token=index,
                )
            )
            offset += part.bytes
    return tuple(rows)


def _sizes(stack: Stack, body: int) -> dict[int, int]:
    """Return for each ESP token how many payload bytes it encloses."""
    inside: dict[int, int] = {}
    size = body
    for index in range(len(stack.tokens) - 1, stack.outer - 1, -1):
        token = stack.tokens[index]
        if token.transform:
            inside[index] = size
            size += padding(size, token.transform.align) + ESP_TRAILER
        size += token.head_bytes + token.tail_bytes
    return inside


def _family(name: str) -> str:
    return "IPv4" if name == "ip4" else "IPv6"


def _named(stack: Stack, index: int, part: Part) -> Part:
    """Say which of several IP headers, and which UDP header, a row is."""
    token = stack.tokens[index]
    note = part.note
    name = part.name
    if token.name in IP and stack.outer != stack.inner:
        name = f"{'outer' if index == stack.outer else 'middle'} {part.name}"
    elif token.name in IP:
        note = "part of the inner MTU too: this IP header is the innermost"
    elif token.name == "udp" and index + 1 < len(stack.tokens) and stack.tokens[index + 1].name == "esp":
        name, note = "UDP header (NAT-T)", "RFC 3948: UDP port 4500 in front of ESP"
    return Part(name=name, bytes=part.bytes, source=part.source, note=note)
