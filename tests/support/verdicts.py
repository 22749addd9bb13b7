"""A verdict of directions that are given, for what shows or keeps one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from netplan.verify.verdict import PairClass, PairVerdict, Tally, Verdict

_ALIKE = PairClass(inner_mtu=1416, over=1417, outer_planned=1500, algorithms=(), wrong=())


def verdict_of(
    pairs: Sequence[PairVerdict],
    rising: Mapping[str, Mapping[str, int]] | None = None,
    nodes: tuple[str, ...] = (),
) -> Verdict:
    """Return the verdict; its directions count as one class."""
    tally = Tally([*pairs], Counter({_ALIKE: len(pairs)}), {_ALIKE: []}, sum(not pair.ok for pair in pairs))
    return Verdict(tuple(pairs), tally, rising or {}, nodes)
