"""Names of IP protocols in selectors, as numbers (IANA): kernels, daemons and files write both."""

from __future__ import annotations

from collections.abc import Iterable

NUMBERS = {
    "icmp": 1,
    "ipip": 4,
    "ipv4": 4,
    "ipencap": 4,
    "4in4": 4,
    "tcp": 6,
    "udp": 17,
    "ipv6": 41,
    "gre": 47,
    "esp": 50,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "ospf": 89,
    "vrrp": 112,
    "l2tp": 115,
    "sctp": 132,
}


def numbers(words: Iterable[str]) -> frozenset[int]:
    """Return the protocols of all words that name one."""
    return frozenset(found for found in map(number, words) if found)


def number(word: str) -> int | None:
    """Return the protocol of a name or a number from 1 to 255 in text; None for any protocol and what is none."""
    word = word.strip().lower()
    if word.isascii() and word.isdigit():
        return int(word) if 0 < int(word[:4]) < 256 else None
    return NUMBERS.get(word)
