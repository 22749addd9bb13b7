"""Compares what the nodes measured with the plan, for each direction of each pair. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netplan.agent.protocol.node_json import NodeJson, Peer
from netplan.agent.protocol.reply import ProbeRow
from netplan.problems import Problem


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
class Verdict:
    """All directions of all pairs; ``rising`` is node name -> XFRM error counters that rose meanwhile, and by how many.

    ``nodes`` are the names of all nodes that measured.
    """

    pairs: tuple[PairVerdict, ...]
    rising: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True when there is at least one pair, every one is as planned and no error counter rose."""
        return bool(self.pairs) and all(pair.ok for pair in self.pairs) and not self.rising

    def problems(self) -> list[Problem]:
        """Return one Problem for each direction and each node that failed."""
        if not self.pairs:
            return [Problem(code="IPP701", message="nothing was measured")]
        return [
            Problem(code="IPP703", message=f"{pair.source} -> {pair.destination}: {'; '.join(pair.wrong)}")
            for pair in self.pairs
            if not pair.ok
        ] + [Problem(code="IPP704", message=f"{name}: {self.risen(name)}") for name in self.rising]

    def risen(self, node: str) -> str | None:
        """Return which XFRM error counters of a node rose, in words; None when they are flat."""
        found = self.rising.get(node)
        return ", ".join(f"{name} rose by {n}" for name, n in found.items()) if found else None

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as data."""
        return {
            "ok": self.ok,
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
    names = {node["id"]: node["name"] for node in nodes}
    pairs = []
    for node in nodes:
        measured = {(row["peer"], row["network"]): row for row in rows.get(node["id"], ())}
        for peer in node["peers"]:
            row = measured.get((peer["id"], peer.get("network", "")))
            pairs.append(_pair(names[node["id"]], peer["name"], node, peer, row))
    risen = {names[i]: counters for i, counters in (rising or {}).items() if counters and i in names}
    return Verdict(tuple(pairs), risen, tuple(names[i] for i in rows if i in names))


def _pair(source: str, destination: str, node: NodeJson, peer: Peer, row: ProbeRow | None) -> PairVerdict:
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
        checks=tuple(Check(name, _wrong(check, node, peer, row)) for name, check in CHECKS.items()),
        over=_over(peer),
    )


def _wrong(
    check: Callable[[NodeJson, Peer, ProbeRow], str | None], node: NodeJson, peer: Peer, row: ProbeRow | None
) -> str | None:
    """Return what a check finds wrong; the words in it may be a node's."""
    return check(node, peer, row) if row else "not measured"


def _over(peer: Peer) -> int | None:
    """Return the size in bytes that must be refused towards a peer; between hosts only where Linux refuses one."""
    return peer.get("host_over") if peer.get("network") else peer["inner_mtu"] + 1


def _full(_node: NodeJson, peer: Peer, row: ProbeRow) -> str | None:
    return None if row["passes"] else f"a DF packet of {peer['inner_mtu']} bytes does not arrive ({row['said']})"


def _more(_node: NodeJson, peer: Peer, row: ProbeRow) -> str | None:
    what, over = "arrives" if row["over_answers"] else "was not refused", _over(peer)
    said = f"a DF packet of {over} bytes {what} ({row['said_over']})"
    return None if row["refused"] or over is None else said


def _esp(_node: NodeJson, peer: Peer, row: ProbeRow) -> str | None:
    outer, planned = row["outer"], peer["outer_packet"]
    if not row["esp"]:
        return "no ESP packet left the node"
    if not row["esp_full"]:
        return f"no ESP packet of {planned} bytes left the node, the largest has {outer}"
    if outer < planned or row["esp_full"] > row["esp"]:
        return f"the measurement contradicts itself: {row['esp_full']} of {row['esp']} ESP packets have {planned} bytes"
    most = max(planned, peer["link_mtu"] if "host_mtu" in peer else 0)  # packets between the hosts may be larger
    return f"an ESP packet of {outer} bytes left the node, planned are {most}" if outer > most else None


def _whole(_node: NodeJson, _peer: Peer, row: ProbeRow) -> str | None:
    return f"{row['fragments']} ESP packets are fragments" if row["fragments"] else None


def _clear(_node: NodeJson, peer: Peer, row: ProbeRow) -> str | None:
    return (
        f"{row['plaintext']} {'' if peer.get('network') else 'overlay '}packets left the node in clear"
        if row["plaintext"]
        else None
    )


def _sees(_node: NodeJson, _peer: Peer, row: ProbeRow) -> str | None:
    if row["planted_seen"] == row["planted"] == PLANTED:
        return None
    return "the leak probe did not see the plaintext packet planted for it, so it proves nothing"


def _flow(_node: NodeJson, peer: Peer, row: ProbeRow) -> str | None:
    if peer.get("network"):  # no pod sends there
        return None
    sent, gap = row.get("flow_sent", 0), row.get("flow_gap")
    if not sent or gap is None:
        return "no flow was measured"
    return f"a flow was interrupted: {gap} of {sent} pings lost in a row" if gap >= GAP else None


def _algorithms(node: NodeJson, _peer: Peer, row: ProbeRow) -> str | None:
    found, planned = set(row["algorithms"]), node["esp"]["negotiated"]
    if found and found <= set(planned):
        return None
    return f"negotiated {', '.join(sorted(found)) or 'nothing'}, planned {planned[0]}"


def _mode(node: NodeJson, _peer: Peer, row: ProbeRow) -> str | None:
    found = row["modes"]
    return None if set(found) == {node["esp"]["mode"]} else f"the SAs are in {', '.join(found) or 'no'} mode"


def _selectors(_node: NodeJson, _peer: Peer, row: ProbeRow) -> str | None:
    return "; ".join(f"CHILD_SA {text}" for text in row["unlike"]) or None


def _hosts(_node: NodeJson, peer: Peer, row: ProbeRow) -> str | None:
    """What is wrong with packets between the hosts themselves, where those are protected too."""
    if "host_mtu" not in peer or peer.get("network"):  # there they are all that is measured
        return None
    found, over = row.get("host"), peer.get("host_over")
    if found is None:
        return "packets between the hosts were not measured"
    wrong = []
    if not found["passes"]:
        wrong.append(f"a DF packet of {peer['host_mtu']} bytes between the hosts does not arrive ({found['said']})")
    if over is not None and not found["refused"]:
        wrong.append(f"a DF packet of {over} bytes between the hosts was not refused")
    return "; ".join(wrong) or None


PLANTED = 1  # plaintext packets that a node sends on purpose to each peer
GAP = 2  # pings lost in a row that are an interruption; one may be the first packet after a rekey
# every assert about a direction, in the order of the packet's way
CHECKS: dict[str, Callable[[NodeJson, Peer, ProbeRow], str | None]] = {
    "a full packet arrives": _full,
    "one byte more is refused": _more,
    "ESP of the planned size": _esp,
    "no fragment": _whole,
    "nothing in clear": _clear,
    "the leak probe sees": _sees,
    "the flow is uninterrupted": _flow,
    "the planned algorithms": _algorithms,
    "the planned selectors": _selectors,
    "packets between the hosts": _hosts,
    "the planned mode": _mode,
}
