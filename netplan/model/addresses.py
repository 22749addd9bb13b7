"""Addresses and subnets from their text, each text read once: of 10,000 hosts every address is asked for four times."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network
KEPT = 1 << 15  # texts of each kind, some 300 bytes each


@lru_cache(KEPT)
def address(text: str) -> Address:
    """Return the IP address that a text names. Raises ValueError."""
    return ipaddress.ip_address(text)


@lru_cache(KEPT)
def subnet(text: str) -> Subnet:
    """Return the subnet that a text names, without host bits. Raises ValueError."""
    return ipaddress.ip_network(text)
