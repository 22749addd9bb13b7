"""IPsec connections of other daemons as swanctl's: one reader decides what a connection means.

A connection becomes a swanctl.conf of its own, of words that are checked here, and goes through the reader of those;
then it gets back its own place. So a selector means the same in every format.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from netplan.audit import strongswan
from netplan.audit.model import Esp, Evidence
from netplan.audit.protocols import number
from netplan.problems import Location

_ADDRESS = re.compile(r"^[0-9a-fA-F.:]+(/\d{1,3})?$")
_PORT = re.compile(r"^(\d{1,5}|[a-z-]+)?$")
_GUESS = "aes256-sha512"  # the largest of what daemons offer without being told


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A connection as far as it matters: ends, selectors, mode, suites. Empty texts are not said."""

    location: Location
    mode: str = "tunnel"
    suites: Sequence[str] = ()
    assumed: str = ""  # what was assumed about the suites
    local: str = ""
    remote: str = ""
    local_nets: Sequence[str] = ()
    remote_nets: Sequence[str] = ()
    local_port: str = ""  # protocol and port, as in udp/500
    remote_port: str = ""
    nat_t: bool = False
    live: bool = False
    if_id: int | None = None
    mark: int | None = None


def add(child: Child, evidence: Evidence) -> None:
    """Put a connection into the evidence."""
    found = Evidence()
    if strongswan.swanctl_conf("connection", _swanctl(child), found) is None:
        evidence.esps += [_placed(esp, child) for esp in found.esps]


def _placed(esp: Esp, child: Child) -> Esp:
    said = child.assumed or esp.assumed
    return replace(esp, location=child.location, live=child.live, assumed="" if child.live else said)


def _swanctl(child: Child) -> str:
    ends = [f"{key} = {value}" for key, value in _ends(child) if value]
    mode = child.mode if child.mode in ("tunnel", "transport", "beet", "iptfs") else "tunnel"
    body = [
        f"mode = {mode}",
        f"local_ts = {_selector(child.local_nets, child.local_port)}",
        f"remote_ts = {_selector(child.remote_nets, child.remote_port)}",
    ]
    suites = [s for s in child.suites if re.fullmatch(r"[a-z0-9_-]+", s)]
    body += [f"esp_proposals = {','.join(suites)}"] if suites else []
    body += [f"if_id_out = {child.if_id}"] if child.if_id else []
    body += [f"mark_out = {child.mark}"] if child.mark else []
    lines = ["connections {", "c {", *ends, f"encap = {'yes' if child.nat_t else 'no'}", "children {", "c {", *body]
    return "\n".join([*lines, "}", "}", "}", "}"]) + "\n"


def _ends(child: Child) -> list[tuple[str, str]]:
    return [
        (key, value if _ADDRESS.match(value) else "")
        for key, value in (("local_addrs", child.local), ("remote_addrs", child.remote))
    ]


def _selector(nets: Sequence[str], port: str) -> str:
    found = [net for net in nets if _ADDRESS.match(net)] or ["dynamic"]
    protocol, _, service = port.strip().lower().partition("/")
    service = "" if service in ("%any", "any", "0") or not _PORT.match(service) else f"/{service}"
    known = number(protocol)
    shown = f"[{known}{service}]" if known else f"[{service}]" if service else ""
    return ",".join(f"{net}{shown}" for net in found)
