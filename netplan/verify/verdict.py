"""Compares what the nodes measured with the plan, for each direction of each pair. Pure.

A cluster of 1,000 nodes has 999,000 directions. Nearly all are alike, so a verdict has classes of them, each with its
number, and beside those every direction of a small cluster, or the first ones that are not as planned of a large one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netplan.agent.protocol.node_json import NodeJson, Peer
from netplan.agent.protocol.reply import ProbeRow
from netplan.problems import Problem, counted
from netplan.verify.checks import CHECKS, over, wrong_in

KEPT = 400  # directions that a verdict has one by one
KEPT_OF_A_NODE = 20  # of those that are not as planned, where there are more
EXAMPLES = 3  # directions that a class names
MOST_ALGORITHMS = 4  # that a class has: they are a node's words


@dataclass(frozen=True, slots=True)
class Check:
    """One assert about one direction: what was asked, and what is wrong (None when it holds)."""

    name: str
    wrong: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairVerdict:
    """One direction of one pair. Sizes are IP packets in bytes; ``planted_seen`` of ``planted`` plaintext packets;
    ``flow_sent`` pings ran through the whole measurement, ``flow_gap`` of them were lost in a row at most."""

    source: str
    destination: str
    inner_mtu: int
    passes: bool
    refused: bool
    outer: int
    outer_planned: int
    esp: int
    plaintext: int
    planted: int
    planted_seen: int
    algorithms: tuple[str, ...]
    flow_sent: int
    flow_gap: int
    checks: tuple[Check, ...]
    over: int | None = None  # the packet in bytes that was to be refused; None: the kernel refuses none here

    @property
    def wrong(self) -> tuple[str, ...]:
        """What does not hold, in words."""
        return tuple(dict.fromkeys(check.wrong for check in self.checks if check.wrong))

    @property
    def ok(self) -> bool:
        """True when everything that was promised was measured."""
        return not self.wrong

    def line(self) -> str:
        """Return the verdict as one line for people."""
        n = self.inner_mtu
        parts = [
            f"DF {n} {'passes' if self.passes else 'FAILS'}",
            *([f"{self.over} {'refused' if self.refused else 'NOT REFUSED'}"] if self.over else []),
            f"ESP seen (outer {self.outer})" if self.esp else "NO ESP SEEN",
            f"{self.plaintext} plaintext ({self.planted} planted, {'seen' if self.planted_seen else 'NOT SEEN'})",
        ]
        return f"{self.source} -> {self.destination}  {', '.join(parts)}"

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as data."""
        return {
            "from": self.source,
            "to": self.destination,
            "ok": self.ok,
            "inner_mtu": self.inner_mtu,
            "passes": self.passes,
            "one_more_refused": self.refused if self.over else None,
            "esp_packets": self.esp,
            "outer_packet": self.outer,
            "outer_packet_planned": self.outer_planned,
            "plaintext_packets": self.plaintext,
            "planted": self.planted,
            "planted_seen": self.planted_seen,
            "algorithms": list(self.algorithms),
            "wrong": list(self.wrong),
            "flow_pings": self.flow_sent,
            "flow_longest_gap": self.flow_gap,
            "checks": [{"name": c.name, "ok": c.wrong is None, "wrong": c.wrong} for c in self.checks],
        }


@dataclass(frozen=True, slots=True)
class PairClass:
    """Directions that are alike: planned sizes in bytes, algorithms, and the names of the asserts that don't hold."""

    inner_mtu: int
    over: int | None
    outer_planned: int
    algorithms: tuple[str, ...]
    wrong: tuple[str, ...]

    def line(self, number: int, examples: Sequence[tuple[str, str]]) -> str:
        """Return the class as one line for people; ``number`` of directions, and some of them."""
        said = f"not as planned: {', '.join(self.wrong)}" if self.wrong else "as planned"
        if not self.wrong and self.over:
            said += f": DF {self.inner_mtu} passes, {self.over} refused, ESP of {self.outer_planned}, no plaintext"
        shown = ", ".join(f"{source} -> {destination}" for source, destination in examples)
        return f"{counted(number, 'direction')} {said}  ({shown}{', ...' if number > len(examples) else ''})"

    def as_json(self, number: int, examples: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Return the class as data."""
        return {
            "directions": number,
            "ok": not self.wrong,
            "inner_mtu": self.inner_mtu,
            "refused_size": self.over,
            "outer_packet_planned": self.outer_planned,
            "algorithms": list(self.algorithms),
            "wrong": list(self.wrong),
            "examples": [{"from": source, "to": destination} for source, destination in examples],
        }


@dataclass(slots=True)
class Tally:
    """Directions, counted by class. ``pairs``: those that are kept one by one; ``pings``: sent by all flows."""

    pairs: list[PairVerdict] = field(default_factory=list)
    classes: Counter[PairClass] = field(default_factory=Counter)
    examples: dict[PairClass, list[tuple[str, str]]] = field(default_factory=dict)
    failed: int = 0
    pings: int = 0

    def add(self, other: Tally) -> None:
        """Count what another one has, too."""
        self.pairs += other.pairs
        self.classes += other.classes
        for kind, some in other.examples.items():
            mine = self.examples.setdefault(kind, [])
            mine += some[: EXAMPLES - len(mine)]
        self.failed, self.pings = self.failed + other.failed, self.pings + other.pings

    @property
    def directions(self) -> int:
        """How many there are."""
        return self.classes.total()


@dataclass(frozen=True, slots=True)
class Verdict:
    """All directions of all pairs; ``rising`` is node name -> XFRM error counters that rose meanwhile, and by how many.

    ``nodes`` are the names of all nodes that measured. ``pairs``: every direction where there are at most ``KEPT``;
    where there are more, the first that are not as planned.
    """

    pairs: tuple[PairVerdict, ...]
    tally: Tally
    rising: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()

    @property
    def directions(self) -> int:
        """How many directions there are."""
        return self.tally.directions

    @property
    def ok(self) -> bool:
        """True when there is at least one pair, every one is as planned and no error counter rose."""
        return bool(self.directions) and not self.tally.failed and not self.rising

    def lines(self) -> Iterator[str]:
        """Yield the verdict as lines for people: a line a direction, or of many directions a line a class first."""
        if self.directions > len(self.pairs):
            for kind, number in self.tally.classes.most_common(KEPT):
                yield kind.line(number, self.tally.examples[kind])
        yield from (pair.line() for pair in self.pairs)

    def problems(self) -> list[Problem]:
        """Return one Problem for each direction and each node that failed; of very many the first ones."""
        if not self.directions:
            return [Problem(code="IPP701", message="nothing was measured")]
        found = [
            Problem(code="IPP703", message=f"{pair.source} -> {pair.destination}: {'; '.join(pair.wrong)}")
            for pair in self.pairs
            if not pair.ok
        ]
        if self.tally.failed > len(found):
            more = self.tally.failed - len(found)
            found.append(
                Problem(code="IPP703", message=f"and {counted(more, 'more direction')} that are not as planned")
            )
        return found + [Problem(code="IPP704", message=f"{name}: {self.risen(name)}") for name in self.rising]

    def risen(self, node: str) -> str | None:
        """Return which XFRM error counters of a node rose, in words; None when they are flat."""
        found = self.rising.get(node)
        return ", ".join(f"{name} rose by {n}" for name, n in found.items()) if found else None

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as data."""
        return {
            "ok": self.ok,
            "directions": self.directions,
            "not_as_planned": self.tally.failed,
            "classes": [
                kind.as_json(number, self.tally.examples[kind]) for kind, number in self.tally.classes.most_common(KEPT)
            ],
            "pairs": [pair.as_json() for pair in self.pairs],
            "xfrm_errors": {name: dict(self.rising.get(name, {})) for name in self.nodes},
        }


def judge(
    nodes: Sequence[NodeJson],
    rows: Mapping[str, Sequence[ProbeRow]],
    rising: Mapping[str, Mapping[str, int]] | None = None,
) -> Verdict:
    """Return the verdict on the ``rows`` that each node (by id) measured; ``nodes`` are the ``node.json`` documents.

    ``rising`` is node id -> XFRM error counters that rose meanwhile. A direction that no node measured is a failure:
    silence proves nothing.
    """
    every = directions_of(nodes) <= KEPT
    tallies = [judge_node(node, rows.get(node["id"], ()), every=every) for node in nodes]
    return whole(nodes, tallies, list(rows), rising or {})


def directions_of(nodes: Iterable[NodeJson]) -> int:
    """Return how many directions these nodes have to measure."""
    return sum(len(node["peers"]) for node in nodes)


def whole(
    nodes: Sequence[NodeJson],
    tallies: Iterable[Tally],
    measured: Iterable[str],
    rising: Mapping[str, Mapping[str, int]],
) -> Verdict:
    """Return the verdict of what was judged for each node; ``measured``: ids of those that measured."""
    names = {node["id"]: node["name"] for node in nodes}
    tally = Tally()
    for one in tallies:
        tally.add(one)
    risen = {names[i]: counters for i, counters in rising.items() if counters and i in names}
    return Verdict(tuple(tally.pairs[:KEPT]), tally, risen, tuple(names[i] for i in measured if i in names))


def judge_node(node: NodeJson, rows: Sequence[ProbeRow], *, every: bool) -> Tally:
    """Return what came of the directions that one node measured; ``every``: keep each of them.

    Else only the first that are not as planned are kept: what is counted needs no more room with more peers.
    """
    tally = Tally()
    measured = {(row["peer"], row["network"]): row for row in rows}
    for peer in node["peers"]:
        row = measured.get((peer["id"], peer.get("network", "")))
        wrong = wrong_in(node, peer, row)
        kind = PairClass(
            inner_mtu=peer["inner_mtu"],
            over=over(peer),
            outer_planned=peer["outer_packet"],
            algorithms=tuple(row["algorithms"][:MOST_ALGORITHMS]) if row else (),
            wrong=tuple(wrong),
        )
        tally.classes[kind] += 1
        if len(some := tally.examples.setdefault(kind, [])) < EXAMPLES:
            some.append((node["name"], peer["name"]))
        tally.failed += bool(wrong)
        tally.pings += row.get("flow_sent", 0) if row else 0
        if every or (wrong and len(tally.pairs) < KEPT_OF_A_NODE):
            tally.pairs.append(_pair(node["name"], peer["name"], peer, row, wrong))
    return tally


def _pair(source: str, destination: str, peer: Peer, row: ProbeRow | None, wrong: Mapping[str, str]) -> PairVerdict:
    return PairVerdict(
        source=source,
        destination=destination,
        inner_mtu=peer["inner_mtu"],
        passes=bool(row and row["passes"]),
        refused=bool(row and row["refused"]),
        outer=row["outer"] if row else 0,
        outer_planned=peer["outer_packet"],
        esp=row["esp"] if row else 0,
        plaintext=row["plaintext"] if row else 0,
        planted=row["planted"] if row else 0,
        planted_seen=row["planted_seen"] if row else 0,
        algorithms=tuple(row["algorithms"]) if row else (),
        flow_sent=row.get("flow_sent", 0) if row else 0,
        flow_gap=row.get("flow_gap", 0) if row else 0,
        checks=tuple(Check(name, wrong.get(name)) for name in CHECKS),
        over=over(peer),
    )
