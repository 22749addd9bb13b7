"""From what was found to a packet stack, and its exact size."""

from __future__ import annotations

from collections.abc import Iterable

from netplan.audit.model import Esp
from netplan.cni.adapter import OVERLAY, BuiltinIpsec
from netplan.problems import ProblemError
from netplan.stack import Solution, parse, solve

_IP = {"ipv4": "ip4", "ipv6": "ip6"}


def stack_text(encap: str, family: str, esp: Esp | BuiltinIpsec | None, *, inner: bool = True) -> str | None:
    """Return the stack of a pod's packet; None for an encapsulation that is not known.

    ``inner`` false is traffic of the host itself: no packet lies inside a transport-mode one.
    """
    outer, _, more = encap.partition("+")
    overlay = OVERLAY.get(encap, OVERLAY.get(outer))
    if overlay is None:
        return None
    ip = _IP[family]
    parts = [ip]
    if more == "wireguard":
        parts += [OVERLAY["wireguard"], ip]
    if esp is not None:
        parts += ["udp"] if esp.nat_t else []
        parts.append(f"esp:{esp.suite}")
        if esp.mode == "tunnel" and (overlay or outer == "ipip"):
            parts.append(ip)
    parts += [overlay] if overlay else []
    plain = outer == "none" and (esp is None or (esp.mode == "transport" and not inner))
    parts += [] if plain else ["ip4"]
    if outer == "none" and esp is not None and esp.mode == "tunnel" and not overlay:
        parts = [*parts[: parts.index(f"esp:{esp.suite}") + 1], "ip4"]
    return "/".join(parts)


def smallest(stacks: Iterable[str | None], link: int) -> Solution | None:
    """Return the solution that leaves least; None when no stack can be solved."""
    found: list[Solution] = []
    for text in stacks:
        if text is None:
            return None
        try:
            found.append(solve(parse(text), link))
        except ProblemError:
            return None
    return min(found, key=lambda s: s.inner_mtu) if found else None
