"""Both ways through a stack: the largest inner packet for a link, the link a wanted inner needs."""

from __future__ import annotations

from netplan.stack.frozen import frozen
from netplan.stack.headers import HEADERS, MAX_PACKET, MIN_MTU
from netplan.stack.ledger import LedgerRow, link_rows, packet_rows
from netplan.stack.transforms import ESP_TRAILER, largest_payload, padding
from netplan.stack.types import Count, Stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from netplan.problems import ProblemError

MIN_LINK = MIN_MTU["ip4"]
MAX_LINK = MAX_PACKET
_TCP = HEADERS["tcp"].bytes


@frozen
class Solution:
    """A stack on a link. All sizes in bytes.

    ``inner_mtu`` is the largest innermost IP packet: its header and what it carries, headers of
    encapsulations between the two not counted. ``outer_packet`` is the outermost IP packet around it.
    """

    stack: Stack
    link_mtu: int
    inner_mtu: int
    outer_packet: int

    @property
    def slack(self) -> int:
        """Link bytes that the largest packet leaves unused: ESP pads in steps, and Linux reserves what it may send."""
        return self.link_mtu - self.stack.link_bytes - self.outer_packet

    @property
    def overhead(self) -> int:
        """Bytes that the stack adds to a packet of the inner MTU."""
        return self.outer_packet + self.stack.link_bytes - self.inner_mtu

    @property
    def mss4(self) -> int:
        """TCP MSS of an IPv4 packet of the inner MTU, TCP options not subtracted (RFC 6691). At least 0."""
        return max(0, self.inner_mtu - HEADERS["ip4"].bytes - _TCP)

    @property
    def mss6(self) -> int:
        """TCP MSS of an IPv6 packet of the inner MTU. At least 0."""
        return max(0, self.inner_mtu - HEADERS["ip6"].bytes - _TCP)

    @property
    def pad(self) -> int:
        """ESP padding bytes in the largest packet."""
        size = self.inner_mtu - self.stack.inner_headers
        total = 0
        for taken, align in reversed(self.stack.wire.steps):
            if align:
                total += padding(size, align)
                size += padding(size, align) + ESP_TRAILER
            size += taken
        return total

    @property
    def next_gain_at(self) -> int | None:
        """The smallest larger link MTU with a larger inner MTU; None when no packet can be larger."""
        if _wire(self.stack.wire, self.inner_mtu + 1) > MAX_PACKET:
            return None
        return _link(self.stack, self.inner_mtu + 1)

    @property
    def ledger(self) -> tuple[LedgerRow, ...]:
        """Every byte of the outermost IP packet in wire order; the rows sum to ``outer_packet``."""
        return packet_rows(self.stack, self.inner_mtu - self.stack.inner_headers)

    @property
    def link_ledger(self) -> tuple[LedgerRow, ...]:
        """The bytes around the outermost IP packet; those counted sum to what the link MTU loses to them."""
        return link_rows(self.stack)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know beside the numbers, most important first."""
        notes = list(self.stack.notes)
        if self.inner_mtu < MIN_MTU["ip6"]:
            need = required_link(self.stack, MIN_MTU["ip6"])
            below = "IPv6 can't use it" if self.stack.family == "ip6" else "no IPv6 can run inside"
            notes.insert(0, f"the inner MTU is below 1280, so {below}; that needs a link MTU of {need} (RFC 8200 5)")
        return tuple(notes)

    def as_json(self, *, ledger: bool = True) -> dict[str, Any]:
        """Return the result object of ``calc --json``; without the ledger, that of a ``--batch`` line."""
        stack = self.stack
        result: dict[str, Any] = {
            "stack": stack.source.strip(),
            "link_mtu": self.link_mtu,
            "inner_mtu": self.inner_mtu,
            "outer_packet": self.outer_packet,
            "overhead": self.overhead,
            "mss4": self.mss4,
            "mss6": self.mss6,
            "pad": self.pad,
            "slack": self.slack,
            "next_gain_at": self.next_gain_at,
        }
        if stack.text != result["stack"]:
            result["canonical"] = stack.text
        if ledger:
            result["notes"] = list(self.notes)
            result["link_ledger"] = [{**row.as_json(), "counted": row.counted} for row in self.link_ledger]
            result["ledger"] = [row.as_json() for row in self.ledger]
        return result


def largest_inner(stack: Stack, link_mtu: int) -> int:
    """Return the largest innermost IP packet for a link; below its headers when not even those fit."""
    inner = _inside(stack.wire, link_mtu)
    return inner if stack.counted is None else min(inner, _inside(stack.counted, link_mtu))


def linux_limits(stack: Stack, link_mtu: int) -> bool:
    """Tell whether what Linux counts, and not what is on the wire, decides how large the innermost packet can be."""
    return stack.counted is not None and _inside(stack.counted, link_mtu) < _inside(stack.wire, link_mtu)


def _inside(count: Count, link_mtu: int) -> int:
    space = min(link_mtu - count.link_bytes, MAX_PACKET)
    for taken, align in count.steps:
        space -= taken
        if align:
            space = largest_payload(space, align)
    return space + count.headers


def solve(stack: Stack, link_mtu: int) -> Solution:
    """Solve a stack for a link MTU of 68 to 65535 bytes.

    Raises :class:`netplan.problems.ProblemError`: IPP106 for an MTU out of range, IPP105 when the link is too
    small for the headers of the stack.
    """
    _in_range(link_mtu, MIN_LINK, "link MTU")
    inner = largest_inner(stack, link_mtu)
    if inner < stack.inner_headers:
        least = required_link(stack, stack.inner_headers)
        raise _problem(
            "IPP105",
            f"a link MTU of {link_mtu} is too small for {stack.text}: its headers alone need {least}",
            f"IPv4 inside needs a link of {required_link(stack, max(MIN_MTU['ip4'], stack.inner_headers))}, "
            f"IPv6 inside {required_link(stack, MIN_MTU['ip6'])}",
        )
    return Solution(stack=stack, link_mtu=link_mtu, inner_mtu=inner, outer_packet=_wire(stack.wire, inner))


def wire_size(stack: Stack, inner: int) -> int:
    """Return the size of the outermost IP packet around an innermost IP packet of ``inner`` bytes.

    Raises :class:`netplan.problems.ProblemError` (IPP106) when ``inner`` is smaller than its own headers, or
    the result larger than an IP packet can be.
    """
    _in_range(inner, stack.inner_headers, "inner packet size")
    wire = _wire(stack.wire, inner)
    if wire > MAX_PACKET:
        raise _problem(
            "IPP106",
            f"an inner packet of {inner} makes an outer one of {wire}; an IP packet has at most {MAX_PACKET}",
            f"the largest inner packet of this stack is {largest_inner(stack, MAX_PACKET + stack.link_bytes)}",
        )
    return wire


def required_link(stack: Stack, inner: int) -> int:
    """Return the smallest link MTU that lets inner packets of ``inner`` bytes through."""
    wire_size(stack, inner)  # in range
    return _link(stack, inner)


def parse_size(text: str, what: str) -> int:
    """Read an MTU or packet size that a user wrote: digits only. Raises ProblemError (IPP106)."""
    word = text.strip()
    if not (word.isascii() and word.isdigit()) or len(word) > 9:
        from netplan.problems import quoted

        number = word.removeprefix("-")
        if number.isascii() and number.isdigit():
            raise _problem("IPP106", f"{what} {quoted(text)} is out of range: above 0, at most {MAX_PACKET}", None)
        raise _problem("IPP106", f"{what} {quoted(text)} is not a whole number", "write plain digits, such as 1500")
    return int(word)


def _link(stack: Stack, inner: int) -> int:
    needed = _wire(stack.wire, inner) + stack.wire.link_bytes
    return needed if stack.counted is None else max(needed, _wire(stack.counted, inner) + stack.counted.link_bytes)


def _wire(count: Count, inner: int) -> int:
    size = inner - count.headers
    for taken, align in reversed(count.steps):
        if align:
            size += padding(size, align) + ESP_TRAILER
        size += taken
    return size


def _in_range(value: int, low: int, what: str) -> None:
    if not low <= value <= MAX_PACKET:
        hint = "a loopback of 65536 carries packets of 65535" if value == MAX_PACKET + 1 else None
        raise _problem("IPP106", f"{what} {value} is out of range: {low} to {MAX_PACKET}", hint)


def _problem(code: str, message: str, hint: str | None) -> ProblemError:
    from netplan.problems import Problem, ProblemError

    return ProblemError(Problem(code=code, message=message, hint=hint))
