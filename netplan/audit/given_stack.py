"""``--stack``: the packet of pods, said by the caller. A device within it has the part that is inside of it."""

from __future__ import annotations

from netplan.audit.reach import Reach
from netplan.cni.adapter import Setting
from netplan.path.model import Hop, Host, NotKnown
from netplan.problems import ProblemError
from netplan.stack import parse, solve

_IP = ("ip4", "ip6")


def hops(setting: Setting, host: Host | None, stack: str, link: int, reach: Reach) -> list[Hop]:
    """Return the way of a number under a given stack. Raises NotKnown where the link is too small for it.

    For a device of a kind that the stack has, it is the part around what that device carries. A tunnel that the device
    really stands on counts as well.
    """
    text = _around(stack, setting.encap) if setting.semantics == "device" else stack
    try:
        found = [Hop(device="", mtu=link, solution=solve(parse(text), link), kind="path")]
    except ProblemError as error:
        raise NotKnown(error.problems[0].message) from error
    if host is not None and setting.semantics in ("device", "pod"):
        try:
            live = (
                reach.under(host, setting.device) if setting.semantics == "device" else reach.pods(host, setting.device)
            )
        except NotKnown:
            live = []
        found += [h for h in live or () if h.role in ("tunnel", "policy")]
    return found


def _around(stack: str, kind: str) -> str:
    """Return the outer part of a stack up to the packet that a device of this kind carries; all of it for another."""
    tokens = [token.text for token in parse(stack).tokens]
    names = [token.partition(":")[0] for token in tokens]
    word = {"gretap": "gre", "ip6gre": "gre", "ip6gretap": "gre"}.get(kind.partition("+")[0], kind.partition(":")[0])
    if word not in names:
        return stack
    inner = next((i for i in range(names.index(word) + 1, len(names)) if names[i] in _IP), len(names) - 1)
    return "/".join(tokens[: inner + 1])
