"""The MTU engine: read a packet stack, solve it both ways, account for every byte.

    >>> from netplan.stack import parse, solve
    >>> solve(parse("ip4/esp:aes256gcm16/udp/vxlan/eth/ip4"), 1500).inner_mtu
    1416

Pure arithmetic: no I/O, no state. One call costs microseconds, so a plan solves one stack per class of host
pairs.
"""

from netplan.stack.ledger import LedgerRow
from netplan.stack.notation import fitting, parse
from netplan.stack.solve import (
    MAX_LINK,
    MIN_LINK,
    Solution,
    largest_inner,
    parse_size,
    required_link,
    solve,
    wire_size,
)
from netplan.stack.types import Part, Stack, Token

__all__ = [
    "MAX_LINK",
    "MIN_LINK",
    "LedgerRow",
    "Part",
    "Solution",
    "Stack",
    "Token",
    "fitting",
    "largest_inner",
    "parse",
    "parse_size",
    "required_link",
    "solve",
    "wire_size",
]
