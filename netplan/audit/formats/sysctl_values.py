"""What `sysctl` and files for it have of a device: IPv6's own MTU, and whether IPsec is taken off what leaves by it.

A router's advertisement lowers `net.ipv6.conf.DEVICE.mtu`, and the link stays as it is. The kernel sends IPv6 by the
smaller of both. `ip` shows it on the default route alone, and not on the way to a neighbour (measured, Linux 6.18).

With `net.ipv4.conf.DEVICE.disable_xfrm` no policy counts for what leaves by the device, or by any with `all`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from netplan.audit.model import Evidence
from netplan.problems import Location

_WORDS = "(mtu|disable_xfrm)"
# `sysctl` separates by dots and prints a dot of a name as a slash; in paths below /proc/sys it is the other way round
_DOTS = re.compile(rf"^[ \t]*-?net\.(ipv[46])\.conf\.([^\s.=]{{1,15}})\.{_WORDS}[ \t]*=[ \t]*(\d{{1,5}})[ \t]*$")
_SLASHES = re.compile(
    rf"^[ \t]*-?(?:/proc/sys/)?net/(ipv[46])/conf/([^\s/=]{{1,15}})/{_WORDS}(?:[ \t]*=[ \t]*|:)(\d{{1,5}})[ \t]*$"
)
_Value = tuple[int, str, str, int]  # line from 1, what it is, device, value


def is_values(text: str) -> bool:
    """Tell whether a text has such a line."""
    return "conf" in text and next(_values(text), None) is not None


def read(path: str, text: str, evidence: Evidence) -> None:
    """Keep the values of a text."""
    for line, what, device, value in _values(text):
        if what == "ipv6 mtu" and device != "all":
            evidence.mtus6.append((path, device, value))
        elif what == "ipv4 disable_xfrm" and value:
            evidence.exempt.append((Location(path, line, 1), device))


def _values(text: str) -> Iterator[_Value]:
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, instead in ((_DOTS, "."), (_SLASHES, "/")) if "/conf/" in line or ".conf." in line else ():
            found = pattern.match(line)
            if found and found[2] != "default":  # which no device that is there goes by
                yield number, f"{found[1]} {found[3]}", found[2].replace("/", instead), int(found[4])
