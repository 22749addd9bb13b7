"""Which pairs switch together, in which order: canary pair, canary node, then doubling; control network last. Pure.

Every node is staged before any pair switches, so an order concerns pairs only. A pair switches with its earlier node;
a pair with an end in the control network waits for that end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One protected pair: its id and the ids of its two ends."""

    id: str
    ends: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Pairs that switch in one step. ``why`` says so to people; ``nodes`` are the ends concerned, in node order."""

    why: str
    pairs: tuple[str, ...]
    nodes: tuple[str, ...]


def waves(
    nodes: Sequence[str], pairs: Sequence[Pair], *, last: Collection[str] = (), limit: int | None = None
) -> tuple[Wave, ...]:
    """Return the waves in which ``pairs`` of ``nodes`` switch, each pair once.

    ``last``: nodes whose pairs come after all others. ``limit``: at most so many nodes take their turn in a wave
    (1 or more; None: no limit). Pairs with an end that is not among the nodes belong to the other end.
    """
    if limit is not None and limit < 1:
        raise ValueError("a wave has at least one node")
    behind = set(last)
    early, late = [n for n in nodes if n not in behind], [n for n in nodes if n in behind]
    if not early:  # all are the control network: then none is more so
        early, late = late, []
    order = {node: at for at, node in enumerate(early + late)}
    turn: dict[str, list[Pair]] = {node: [] for node in order}
    control = set(late)
    for pair in pairs:
        ends = [end for end in pair.ends if end in order]
        if not ends:
            continue
        held = [end for end in ends if end in control]
        turn[max(held, key=order.__getitem__) if held else min(ends, key=order.__getitem__)].append(pair)
    for mine in turn.values():
        mine.sort(key=lambda pair: (sorted(order.get(end, len(order)) for end in pair.ends), pair.id))
    out: list[Wave] = []
    canary = next((node for node in order if turn[node]), None)
    if canary is None:
        return ()
    first, rest = turn[canary][0], turn[canary][1:]
    turn[canary] = rest
    out.append(_wave("canary pair", [first], order))
    if rest:
        out.append(_wave("canary node", rest, order))
    for group, word in ((early, "batch"), (late, "control network")):
        waiting = [node for node in group if node != canary and turn[node]]
        for members in _doubling(waiting, 2 if group is early else 1, limit):
            out.append(_wave(f"{word} of {len(members)}", [p for node in members for p in turn[node]], order))
    return tuple(out)


def _doubling(nodes: Sequence[str], size: int, limit: int | None) -> Iterator[Sequence[str]]:
    at = 0
    while at < len(nodes):
        take = min(size, limit or size)
        yield nodes[at : at + take]
        at, size = at + take, size * 2


def _wave(why: str, pairs: Sequence[Pair], order: Mapping[str, int]) -> Wave:
    ends = {end for pair in pairs for end in pair.ends if end in order}
    return Wave(why=why, pairs=tuple(pair.id for pair in pairs), nodes=tuple(n for n in order if n in ends))


def matches(patterns: str, name: str, groups: Collection[str]) -> bool:
    """Tell whether a node is meant by ``patterns``: names or groups with shell wildcards, separated by commas."""
    return any(
        fnmatchcase(word, pattern)
        for pattern in filter(None, (part.strip() for part in patterns.split(",")))
        for word in (name, *groups)
    )
