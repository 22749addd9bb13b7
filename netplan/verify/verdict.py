"""Compares what the nodes measured with the plan, for each direction of each pair. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    nodes: Sequence[Mapping[str, Any]],
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    rising: Mapping[str, Mapping[str, int]] | None = None,
) -> Verdict:
    """Return the verdict on the ``rows`` that each node (by id) measured; ``nodes`` are the ``node.json`` documents.

    ``rising`` is node id -> XFRM error counters that rose meanwhile. A direction that no node measured is a failure:
    silence proves nothing.
    """
    names = {node["id"]: str(node["name"]) for node in nodes}
    pairs = []
    for node in nodes:
        measured = {(row["peer"], row.get("plane", "")): row for row in rows.get(node["id"], ())}
        for peer in node["peers"]:
            row = measured.get((peer["id"], peer.get("plane", "")))
            pairs.append(_pair(names[node["id"]], str(peer["name"]), node, peer, row or {}))
    risen = {names[i]: counters for i, counters in (rising or {}).items() if counters and i in names}
    return Verdict(tuple(pairs), risen, tuple(names[i] for i in rows if i in names))


def _pair(
    source: str, destination: str, node: Mapping[str, Any], peer: Mapping[str, Any], row: Mapping[str, Any]
) -> PairVerdict:
    return PairVerdict(
        source=source,
        destination=destination,
        inner_mtu=int(peer["inner_mtu"]),
        passes=bool(row.get("passes")),
        refused=bool(row.get("refused")),
        outer=int(row.get("outer", 0)),
        outer_planned=int(peer["outer_packet"]),
        esp=int(row.get("esp", 0)),
        plaintext=int(row.get("plaintext", 0)),
        planted=int(row.get("planted", 0)),
        planted_seen=int(row.get("planted_seen", 0)),
        algorithms=tuple(row.get("algorithms", ())),
        flow_sent=int(row.get("flow_sent", 0)),
        flow_gap=int(row.get("flow_gap", 0)),
        checks=tuple(Check(name, check(node, peer, row) if row else "not measured") for name, check in CHECKS.items()),
        over=_over(peer),
    )


def _over(peer: Mapping[str, Any]) -> int | None:
    """The size in bytes that must be refused towards a peer; on an additional network the hosts' own, if any is."""
    return peer.get("host_over") if peer.get("plane") else int(peer["inner_mtu"]) + 1


def _full(_: Mapping[str, Any], peer: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    said = row.get("said", "no answer")
    return None if row["passes"] else f"a DF packet of {peer['inner_mtu']} bytes does not arrive ({said})"


def _more(_: Mapping[str, Any], peer: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    what, over = "arrives" if row.get("over_answers") else "was not refused", _over(peer)
    said = f"a DF packet of {over} bytes {what} ({row.get('said_over', '')})"
    return None if row["refused"] or over is None else said


def _esp(_: Mapping[str, Any], peer: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    outer, planned = int(row.get("outer", 0)), int(peer["outer_packet"])
    if not row["esp"]:
        return "no ESP packet left the node"
    if not row["esp_full"]:
        return f"no ESP packet of {planned} bytes left the node, the largest has {outer}"
    most = max(planned, int(peer["link_mtu"]) if "host_mtu" in peer else 0)  # packets between the hosts may be larger
    return f"an ESP packet of {outer} bytes left the node, planned are {most}" if outer > most else None


def _whole(_: Mapping[str, Any], __: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    return f"{row['fragments']} ESP packets are fragments" if row["fragments"] else None


def _clear(_: Mapping[str, Any], peer: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    return (
        f"{row['plaintext']} {'' if peer.get('plane') else 'overlay '}packets left the node in clear"
        if row["plaintext"]
        else None
    )


def _sees(_: Mapping[str, Any], __: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    if row["planted"] and row["planted_seen"] == row["planted"]:
        return None
    return "the leak probe did not see the plaintext packet planted for it, so it proves nothing"


def _flow(_: Mapping[str, Any], __: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    if row.get("flow_sent", 1) and row.get("flow_gap", 0) < GAP:
        return None
    return f"a flow was interrupted: {row['flow_gap']} of {row['flow_sent']} pings lost in a row"


def _algorithms(node: Mapping[str, Any], _: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    found, planned = set(row.get("algorithms", ())), node["esp"]["negotiated"]
    if found and found <= set(planned):
        return None
    return f"negotiated {', '.join(sorted(found)) or 'nothing'}, planned {planned[0]}"


def _mode(node: Mapping[str, Any], _: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    found = row.get("modes", ())
    return f"the SAs are in {', '.join(found)} mode" if set(found) - {node["esp"]["mode"]} else None


def _selectors(_: Mapping[str, Any], __: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    return "; ".join(f"CHILD_SA {text}" for text in row.get("unlike", ())) or None


def _hosts(_: Mapping[str, Any], peer: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    """What is wrong with packets between the hosts themselves, where those are protected too."""
    if "host_mtu" not in peer or peer.get("plane"):  # there they are all that is measured
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


GAP = 2  # pings lost in a row that are an interruption; one may be the first packet after a rekey
# every assert about a direction, in the order of the packet's way
CHECKS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]], str | None]] = {
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
