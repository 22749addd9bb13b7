"""``ip tunnel show`` and ``ip -6 tunnel show``: what ``ip addr`` without ``-d`` leaves out of a tunnel."""

from __future__ import annotations

import re
from typing import Any

from netplan.audit.formats import listed
from netplan.audit.formats.listed import lines_of
from netplan.audit.model import Evidence

_LINE = re.compile(r"^(\S+): (gre|ip|ipv6)/(ip|ipv6)\s+remote (\S+)\s+local (\S+)(.*)$")
_KINDS = {
    ("gre", "ip"): "gre",
    ("ip", "ip"): "ipip",
    ("ipv6", "ip"): "sit",
    ("gre", "ipv6"): "ip6gre",
    ("ip", "ipv6"): "ip6tnl",
    ("ipv6", "ipv6"): "ip6tnl",
}
_KEYED = {"ipip": "vti", "ip6tnl": "vti6"}  # of these only the VTI has a key


def is_tunnels(text: str) -> bool:
    """Tell whether this is a list of tunnels."""
    return any(_LINE.match(line) for line in listed.head(text))


def read(path: str, text: str, evidence: Evidence) -> str | None:
    """Keep type, ends and options of each tunnel, for the device that another dump has."""
    for line in lines_of(text):
        match = _LINE.match(line)
        if match:
            name, inner, outer, remote, local, rest = match.groups()
            kind = _KINDS[inner, outer]
            data: dict[str, Any] = {"remote": remote, "local": local}
            key = re.search(r"\b(?:okey|key) (\S+)", rest)
            if key:
                data["okey"] = key.group(1)
                kind = _KEYED.get(kind, kind)
            data |= {"oseq": True} if re.search(r"\bo?seq\b", rest) else {}
            data |= {"ocsum": True} if re.search(r"\bo?csum\b", rest) else {}
            data |= {"ip6_tnl_f_ign_encap_limit": True} if "encaplimit none" in rest else {}
            evidence.tunnels.append((path, name, kind, data))
    return None
