"""``--mtu`` of verbs that take a link MTU or the name of a cloud."""

from __future__ import annotations

from netplan.explain.presets import UNDERLAYS
from netplan.problems import Problem, ProblemError, closest, quoted
from netplan.stack import parse_size


def link_mtu(text: str) -> int:
    """Return the link MTU that a number or the name of an underlay says. Raises ProblemError, IPP106 or IPP112."""
    word = text.strip().lower()
    if word in UNDERLAYS:
        return UNDERLAYS[word].mtu
    if word[:1].isalpha():
        near = closest(word, UNDERLAYS)
        hint = (f"did you mean {near}? " if near else "") + "'ipsecplan explain underlays' lists them"
        raise ProblemError(Problem(code="IPP112", message=f"no underlay is called {quoted(text)}", hint=hint))
    link = parse_size(text, "link MTU")
    if not 68 <= link <= 65535:
        raise ProblemError(Problem(code="IPP106", message=f"link MTU {link} is out of range: 68 to 65535"))
    return link
