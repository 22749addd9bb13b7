"""What a change of swanctl.conf does to live SAs: by a bare reload, and by the rollout. Pure, and measured.

The rules are what strongSwan 5.9.8 and 6.0.1 were seen to do with ``start_action = trap`` (docs/strongswan.md, "What a
reload does"): a live CHILD_SA keeps its cipher, mode and lives for ever, neither rekeying takes the new configuration
up, and a connection that is gone from the file leaves its SAs until they expire. The rollout makes the new SAs before
it ends the old ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from netplan.problems import present


class Impact(Enum):
    """What happens to the traffic of a pair, from harmless to worst."""

    NONE = "no effect"
    LATER = "effective at rekey"
    REBUILT = "SA rebuilt"
    LEAK = "would leak"
    BLACKHOLE = "would blackhole"


ORDER = list(Impact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that differs for one peer of one node; ``peer`` is empty where the whole node is meant.

    ``reload`` is what `swanctl --load-all` with the new file on this node alone would do, ``apply`` what the rollout
    does, each with its reason.
    """

    node: str
    peer: str
    what: str
    before: str
    after: str
    reload: Impact
    reload_why: str
    apply: Impact
    apply_why: str

    def as_json(self) -> dict[str, str]:
        """Return the change as data."""
        return {
            "node": self.node,
            "peer": self.peer,
            "what": self.what,
            "before": self.before,
            "after": self.after,
            "reload": self.reload.value,
            "reload_why": self.reload_why,
            "apply": self.apply.value,
            "apply_why": self.apply_why,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One node in one bundle.

    ``connections`` as :func:`netplan.ipsec.swanctl.connections_of` returns them, ``facts`` is its node.json,
    ``partial`` whether its guard names peers one by one.
    """

    connections: Mapping[str, Mapping[str, Any]]
    facts: Mapping[str, Any]
    partial: bool


def _choices(proposals: Sequence[str]) -> set[tuple[frozenset[str], str]]:
    """Return what ESP proposals let an end choose: the words, and which sequence numbers (normal unless said)."""
    found = set()
    for text in proposals:
        words = frozenset(text.split("-"))
        numbers = words & {"esn", "noesn"} or {"noesn"}
        found |= {(words - {"esn", "noesn"}, number) for number in numbers}
    return found


_KEPT = "a live SA keeps what it was made with; rekeying does not take the new value up"
_TWO_FIRST = "the rollout makes the new SAs, sees traffic on them, then ends the old ones"
_NEXT = "taken up when the IKE_SA is made anew"


def changes(before: Side | None, after: Side | None) -> list[Change]:
    """Return what differs for one node, worst first; None stands for a bundle that does not have the node."""
    if before is None or after is None:
        return _node(before, after)
    found = [*_mtu(before, after), *_port(before, after)]
    if before.facts.get("protect", "overlay") != after.facts.get("protect", "overlay"):
        return [_protect(before, after), *found]
    if ("wildcard" in before.facts) != ("wildcard" in after.facts):
        found.append(_rest(after))
    names = _names(before) | _names(after)
    for pair in sorted(before.connections.keys() | after.connections.keys(), key=lambda p: names[p]):
        one, other = before.connections.get(pair), after.connections.get(pair)
        if one is None or other is None:
            found.append(_added(after, names[pair]) if one is None else _removed(before, after, names[pair]))
        else:
            found += _changed(str(after.facts["name"]), names[pair], one, other)
    return sorted(found, key=lambda c: -max(ORDER.index(c.reload), ORDER.index(c.apply)))


def _names(side: Side) -> dict[str, str]:
    return {str(peer["pair"]): str(peer["name"]) for peer in side.facts["peers"]}


def _node(before: Side | None, after: Side | None) -> list[Change]:
    if after is not None:
        return [
            Change(
                node=str(after.facts["name"]),
                peer="",
                what="node",
                before="-",
                after="joins",
                reload=Impact.BLACKHOLE,
                reload_why="it traps before its peers can answer",
                apply=Impact.NONE,
                apply_why="proven by a childless IKE_SA with every peer before anything is switched",
            )
        ]
    return [
        Change(
            node=str(present(before, "a node on either side").facts["name"]),
            peer="",
            what="node",
            before="is there",
            after="-",
            reload=Impact.BLACKHOLE,
            reload_why="its peers drop its clear packets once it stops encrypting",
            apply=Impact.BLACKHOLE,
            apply_why="apply ends its pairs; `revert OLD-BUNDLE --limit NODE` turns it off",
        )
    ]


def _mtu(before: Side, after: Side) -> Iterator[Change]:
    old, new = int(before.facts["mtu"]["pod"]), int(after.facts["mtu"]["pod"])
    if old != new:
        lower = new < old
        yield Change(
            node=str(after.facts["name"]),
            peer="",
            what="pod MTU",
            before=str(old),
            after=str(new),
            reload=Impact.NONE if not lower else Impact.BLACKHOLE,
            reload_why="swanctl changes no MTU" if not lower else "full packets of the old MTU no longer fit the link",
            apply=Impact.NONE,
            apply_why="lowered on every node before any SA changes"
            if lower
            else "stays small until `apply --raise-mtu`: last, on every node, receivers first",
        )


def _port(before: Side, after: Side) -> Iterator[Change]:
    old, new = before.facts["overlay"]["port"], after.facts["overlay"]["port"]
    if old != new:
        yield Change(
            node=str(after.facts["name"]),
            peer="",
            what="overlay port",
            before=str(old),
            after=str(new),
            reload=Impact.BLACKHOLE,
            reload_why="the peers' policies and guards name the old port",
            apply=Impact.BLACKHOLE,
            apply_why="an overlay can't change its port under way: revert, then apply",
        )


def _rest(after: Side) -> Change:
    words = ("full-mesh", "trap-any")
    before, now = words if "wildcard" in after.facts else words[::-1]
    return Change(
        node=str(after.facts["name"]),
        peer="",
        what="topology",
        before=before,
        after=now,
        reload=Impact.REBUILT,
        reload_why="a peer with the other file ends one of the two IKE_SAs of a wildcard",
        apply=Impact.NONE,
        apply_why="live SAs go on; what is made anew comes from the new file",
    )


def _protect(before: Side, after: Side) -> Change:
    blackhole = Impact.BLACKHOLE
    return Change(
        node=str(after.facts["name"]),
        peer="",
        what="protect",
        before=str(before.facts.get("protect", "overlay")),
        after=str(after.facts.get("protect", "overlay")),
        reload=blackhole,
        reload_why="the peers' policies and guards cover something else",
        apply=blackhole,
        apply_why="refused by its preflight: revert, then apply",
    )


def _added(after: Side, peer: str) -> Change:
    return Change(
        node=str(after.facts["name"]),
        peer=peer,
        what="connection",
        before="-",
        after="protected",
        reload=Impact.BLACKHOLE,
        reload_why="the end loaded first traps, and drops the other's clear packets",
        apply=Impact.REBUILT,
        apply_why="both ends loaded and proven, clear and ESP accepted, then switched",
    )


def _removed(before: Side, after: Side, peer: str) -> Change:
    still = any(p["name"] == peer for p in after.facts["peers"]) or not after.partial
    return Change(
        node=str(before.facts["name"]),
        peer=peer,
        what="connection",
        before="protected",
        after="-",
        reload=Impact.BLACKHOLE if still else Impact.LEAK,
        reload_why="its SAs stay until they expire, then the guard drops what is clear"
        if still
        else "its SAs stay until they expire, then its packets leave in clear",
        apply=Impact.LEAK if not still else Impact.BLACKHOLE,
        apply_why="as planned: the topology leaves this pair clear, and the guard does not name it any more"
        if not still
        else "the guard goes on dropping what is clear",
    )


def _changed(node: str, peer: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Change]:
    def change(what: str, old: Any, new: Any, reload: tuple[Impact, str], apply: tuple[Impact, str]) -> Change:
        text = [", ".join(v) if isinstance(v, (list, tuple)) else str(v) for v in (old, new)]
        return Change(
            node=node,
            peer=peer,
            what=what,
            before=text[0],
            after=text[1],
            reload=reload[0],
            reload_why=reload[1],
            apply=apply[0],
            apply_why=apply[1],
        )

    kept, rebuilt = (Impact.NONE, _KEPT), (Impact.REBUILT, _TWO_FIRST)
    child: Mapping[str, Any] = next(iter(one["children"].values()))
    new_child: Mapping[str, Any] = next(iter(other["children"].values()))
    for key, what in (("esp_proposals", "ESP proposals"), ("mode", "mode")):
        old, new = child[key], new_child[key]
        if old != new:
            gone = key == "esp_proposals" and not _choices(old) & _choices(new)
            later = (
                Impact.BLACKHOLE,
                "nothing in common with a peer's old file: no SA once this one expires",
            )
            yield change(what, old, new, later if gone or key == "mode" else kept, rebuilt)
    if one["if_id"] != other["if_id"]:
        under_way = (Impact.BLACKHOLE, "packets are led past its SA, or into an interface without one")
        refused = (
            Impact.BLACKHOLE,
            "xfrm_interface can't come or go under way: refused by its preflight; revert, then apply",
        )
        moved = "0" not in (one["if_id"][0], other["if_id"][0])
        yield change("XFRM interface", one["if_id"][0], other["if_id"][0], under_way, rebuilt if moved else refused)
    if one["encap"] != other["encap"]:
        yield change(
            "UDP encapsulation", one["encap"], other["encap"], kept, (Impact.NONE, _KEPT + "; revert, then apply")
        )
    for key, what in (("local_addrs", "own address"), ("remote_addrs", "peer's address")):
        if one[key] != other[key]:
            blackhole = (Impact.BLACKHOLE, "no policy covers the new address before the peer knows it")
            yield change(what, one[key], other[key], blackhole, rebuilt)
    if one["proposals"] != other["proposals"]:
        common = set(one["proposals"]) & set(other["proposals"])
        lost = (
            Impact.BLACKHOLE,
            "nothing in common with a peer that has the old file: no new IKE_SA",
        )
        yield change(
            "IKE proposals",
            one["proposals"],
            other["proposals"],
            (Impact.NONE, _NEXT) if common else lost,
            (Impact.LATER, _NEXT),
        )
    for name in ("rekey_time", "rekey_packets"):
        if child.get(name) != new_child.get(name):
            yield change(f"child {name}", child.get(name), new_child.get(name), kept, kept)
    if one["rekey_time"] != other["rekey_time"]:
        yield change(
            "IKE rekey_time", one["rekey_time"], other["rekey_time"], (Impact.NONE, _NEXT), (Impact.LATER, _NEXT)
        )
    for side in ("local", "remote"):
        if one[side] != other[side]:
            auth = (Impact.BLACKHOLE, "a peer with the old file refuses it at the next authentication")
            yield change(f"{side} authentication", one[side]["auth"], other[side]["auth"], auth, (Impact.LATER, _NEXT))
