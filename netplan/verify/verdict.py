"""Judge what the nodes measured: every ordered pair, against the numbers of the plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netplan.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class PairVerdict:
    """One direction of one pair. Sizes are IP packets in bytes; ``planted_seen`` of ``planted`` plaintext packets."""

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
    wrong: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True when everything that was promised was measured."""
        return not self.wrong

    def line(self) -> str:
        """Return the verdict as one line for people."""
        n = self.inner_mtu
        parts = [
            f"DF {n} {'passes' if self.passes else 'FAILS'}",
            f"{n + 1} {'refused' if self.refused else 'NOT REFUSED'}",
            f"ESP seen (outer {self.outer})" if self.esp else "NO ESP SEEN",
            f"{self.plaintext} plaintext ({self.planted} planted, {'seen' if self.planted_seen else 'NOT SEEN'})",
        ]
        return f"{self.source} -> {self.destination}  {', '.join(parts)}"

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as data."""
        return {
            "from": self.source, "to": self.destination, "ok": self.ok, "inner_mtu": self.inner_mtu,
            "passes": self.passes, "one_more_refused": self.refused, "esp_packets": self.esp,
            "outer_packet": self.outer,
            "outer_packet_planned": self.outer_planned, "plaintext_packets": self.plaintext, "planted": self.planted,
            "planted_seen": self.planted_seen, "algorithms": list(self.algorithms), "wrong": list(self.wrong),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """All directions of all pairs."""

    pairs: tuple[PairVerdict, ...]

    @property
    def ok(self) -> bool:
        """True when there is at least one pair and every one is as planned."""
        return bool(self.pairs) and all(pair.ok for pair in self.pairs)

    def problems(self) -> list[Problem]:
        """Return one Problem for each direction that failed."""
        if not self.pairs:
            return [Problem(code="IPP701", message="nothing was measured")]
        return [
            Problem(code="IPP703", message=f"{pair.source} -> {pair.destination}: {'; '.join(pair.wrong)}")
            for pair in self.pairs
            if not pair.ok
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as data."""
        return {"ok": self.ok, "pairs": [pair.as_json() for pair in self.pairs]}


def judge(nodes: Sequence[Mapping[str, Any]], rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Verdict:
    """Return the verdict on the ``rows`` that each node (by id) measured; ``nodes`` are the ``node.json`` documents.

    A direction that no node measured is a failure: silence proves nothing.
    """
    names = {node["id"]: str(node["name"]) for node in nodes}
    pairs = []
    for node in nodes:
        measured = {row["peer"]: row for row in rows.get(node["id"], ())}
        for peer in node["peers"]:
            row = measured.get(peer["id"])
            pairs.append(_pair(names[node["id"]], str(peer["name"]), node, peer, row or {}))
    return Verdict(tuple(pairs))


def _hosts(peer: Mapping[str, Any], row: Mapping[str, Any] | None) -> list[str]:
    """What is wrong with packets between the hosts themselves, where those are protected too."""
    if "host_mtu" not in peer:
        return []
    n, over = int(peer["host_mtu"]), peer.get("host_over")
    if row is None:
        return ["packets between the hosts were not measured"]
    wrong = [] if row["passes"] else [f"a DF packet of {n} bytes between the hosts does not arrive ({row['said']})"]
    return (
        wrong
        if row["refused"] or over is None
        else [*wrong, f"a DF packet of {over} bytes between the hosts was not refused"]
    )


def _pair(
    source: str, destination: str, node: Mapping[str, Any], peer: Mapping[str, Any], row: Mapping[str, Any]
) -> PairVerdict:
    n, outer, planned = int(peer["inner_mtu"]), int(row.get("outer", 0)), int(peer["outer_packet"])
    algorithms = tuple(row.get("algorithms", ()))
    wrong = []
    if not row:
        wrong.append("not measured")
    else:
        if not row["passes"]:
            wrong.append(f"a DF packet of {n} bytes does not arrive ({row.get('said', 'no answer')})")
        if not row["refused"]:
            what = "arrives" if row.get("over_answers") else "was not refused"
            wrong.append(f"a DF packet of {n + 1} bytes {what} ({row.get('said_over', '')})")
        if not row["esp"]:
            wrong.append("no ESP packet left the node")
        elif not row["esp_full"]:
            wrong.append(f"no ESP packet of {planned} bytes left the node, the largest has {outer}")
        elif outer > planned:
            wrong.append(f"an ESP packet of {outer} bytes left the node, planned are {planned}")
        if row["fragments"]:
            wrong.append(f"{row['fragments']} ESP packets are fragments")
        if row["plaintext"]:
            wrong.append(f"{row['plaintext']} overlay packets left the node in clear")
        if not row["planted"] or row["planted_seen"] != row["planted"]:
            wrong.append("the leak probe did not see the plaintext packet planted for it, so it proves nothing")
        if not algorithms or not set(algorithms) <= set(node["esp"]["negotiated"]):
            wrong.append(f"negotiated {', '.join(algorithms) or 'nothing'}, planned {node['esp']['negotiated'][0]}")
        wrong += [f"CHILD_SA {text}" for text in row.get("unlike", ())]
        wrong += _hosts(peer, row.get("host"))
        if set(row.get("modes", ())) - {node["esp"]["mode"]}:
            wrong.append(f"the SAs are in {', '.join(row['modes'])} mode")
    return PairVerdict(
        source=source, destination=destination, inner_mtu=n, passes=bool(row.get("passes")),
        refused=bool(row.get("refused")), outer=outer, outer_planned=planned, esp=int(row.get("esp", 0)),
        plaintext=int(row.get("plaintext", 0)), planted=int(row.get("planted", 0)),
        planted_seen=int(row.get("planted_seen", 0)), algorithms=algorithms, wrong=tuple(wrong),
    )  # fmt: skip
