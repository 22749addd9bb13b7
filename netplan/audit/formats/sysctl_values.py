"""IPv6's own MTU of each device, as `sysctl` and files for it have it: `net.ipv6.conf.DEVICE.mtu`.

A router's advertisement lowers it, and the link stays as it is. The kernel sends IPv6 by the smaller of both.
`ip link`, `ip -6 route` and `ip -6 route get` print the same as without (measured, Linux 6.18).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from netplan.audit.model import Evidence

# `sysctl` separates by dots and prints a dot of a name as a slash; in paths below /proc/sys it is the other way round
_DOTS = re.compile(r"^[ \t]*-?net\.ipv6\.conf\.([^\s.=]{1,15})\.mtu[ \t]*=[ \t]*(\d{2,5})[ \t]*$", re.M)
_SLASHES = re.compile(
    r"^[ \t]*-?(?:/proc/sys/)?net/ipv6/conf/([^\s/=]{1,15})/mtu(?:[ \t]*=[ \t]*|:)(\d{2,5})[ \t]*$", re.M
)
_TEMPLATES = ("all", "default")  # not of a device


def is_values(text: str) -> bool:
    """Tell whether a text has such a line of a device."""
    return "ipv6" in text and next(_values(text), None) is not None


def read(path: str, text: str, evidence: Evidence) -> None:
    """Keep the values of a text."""
    evidence.mtus6 += [(path, device, mtu) for device, mtu in _values(text)]


def _values(text: str) -> Iterator[tuple[str, int]]:
    for pattern, instead in ((_DOTS, "."), (_SLASHES, "/")):
        for found in pattern.finditer(text):
            if found[1] not in _TEMPLATES:
                yield found[1].replace("/", instead), int(found[2])
