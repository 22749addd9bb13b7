"""What to do with the number: clamps, what modern protocols will make of it, and what one slow path costs the rest."""

from __future__ import annotations

from netplan.stack import Solution, Stack, required_link, solve
from netplan.stack.frozen import frozen
from netplan.stack.headers import EDNS_PAYLOAD, HEADERS, MIN_MTU, QUIC_PAYLOAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def advice(solution: Solution) -> list[str]:
    """Return what follows from an inner MTU, one sentence a line."""
    inner = solution.inner_mtu
    lines = [
        f"MSS clamp, where no interface MTU can be set: {solution.mss4} IPv4, {solution.mss6} IPv6, both ways",
        _udp("QUIC", QUIC_PAYLOAD, inner, "connections fall back to TCP or fail"),
        _udp("EDNS", EDNS_PAYLOAD, inner, "larger DNS answers come in fragments or over TCP"),
    ]
    if inner < MIN_MTU["ip6"]:
        need = required_link(solution.stack, MIN_MTU["ip6"])
        lines.append(
            f"IPv6 refuses an MTU of {inner}: raise the link to {need}, protect less (transport mode instead of tunnel,"
            " a suite with a shorter ICV), or keep the overlay IPv4-only"
        )
    return lines


@frozen
class Path:
    """One path between zones and what it lets through."""

    name: str
    solution: Solution
    limits: bool
    cost: int

    def as_json(self) -> dict[str, Any]:
        """Return the object for ``--json``."""
        return {
            "path": self.name,
            **self.solution.as_json(ledger=False),
            "limits_the_cluster": self.limits,
            "bytes_lost_to_the_limit": self.cost,
        }


def paths(stack: Stack, links: Mapping[str, int]) -> list[Path]:
    """Return every path with the inner MTU it could have and what the slowest one costs it. Raises ProblemError."""
    solutions = {name: solve(stack, link) for name, link in links.items()}
    least = min(solution.inner_mtu for solution in solutions.values())
    return [
        Path(
            name=name,
            solution=solution,
            limits=solution.inner_mtu == least,
            cost=solution.inner_mtu - least,
        )
        for name, solution in solutions.items()
    ]


def paths_text(stack: Stack, found: list[Path]) -> list[str]:
    """Return the paths as a table with the limit, its price, and the way around it."""
    width = max(4, *(len(path.name) for path in found))
    lines = [stack.text, "", f"  {'path':<{width}}   link    MTU  lost to the limit"]
    for path in found:
        word = "limits the cluster" if path.limits else f"{path.cost} bytes a packet ({_share(path)})"
        lines.append(f"  {path.name:<{width}}  {path.solution.link_mtu:>5}  {path.solution.inner_mtu:>5}  {word}")
    slow = [path for path in found if path.limits]
    fast = [path for path in found if not path.limits]
    least = slow[0].solution.inner_mtu
    lines += ["", f"  one MTU for the whole cluster: {least}"]
    if fast:
        best = max(path.solution.inner_mtu for path in fast)
        names = ", ".join(path.name for path in slow)
        lines.append(
            f"  or: interface MTU {best}, and routes over {names} with 'mtu {least}' on both ends"
            f" (ip route change ... mtu {least})"
        )
        lines.append(f"  or: raise {names} to a link MTU of {required_link(stack, best)}")
    return lines


def _share(path: Path) -> str:
    return f"{path.cost / path.solution.inner_mtu:.1%} of its size"


def _udp(name: str, payload: int, inner: int, otherwise: str) -> str:
    four, six = (payload + HEADERS["udp"].bytes + HEADERS[ip].bytes for ip in ("ip4", "ip6"))
    if inner >= six:
        return f"{name}'s {payload}-byte payload fits (needs {four} over IPv4, {six} over IPv6)"
    if inner >= four:
        return f"{name}'s {payload}-byte payload fits over IPv4 ({four}) but not over IPv6 ({six}): {otherwise}"
    return f"{name}'s {payload}-byte payload doesn't fit (needs {four} over IPv4, {six} over IPv6): {otherwise}"
