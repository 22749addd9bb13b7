"""Two looks at the counters of nodes become rates: of each pair, and of each node's drops and fragments. Pure.

Bytes are what charon and the kernel count: inner bytes, without ESP and the outer header. A CHILD_SA counts from 0 at
each rekey, so a rate is the sum of what each SA counted more; one that began between the looks counts whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from netplan.agent.protocol.node_json import NodeJson
from netplan.agent.protocol.reply import CountedChild, Counters, PairCounters

DROPS = ("rx_errors", "rx_dropped", "tx_errors", "tx_dropped")  # of the devices that the plan is about
FRAGMENTS = ("IpFragCreates", "Ip6FragCreates")  # made here; whether of ESP or of other packets the kernel doesn't say
REASSEMBLED = ("IpReasmReqds", "Ip6ReasmReqds")
REFUSED = ("IpFragFails", "Ip6FragFails")  # packets that were too large and must not be cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What one node sends another through IPsec. ``bytes_s``, ``packets_s``: a second, None at the first look.

    ``bytes``, ``packets``: what its living SAs count since their rekey. ``lost``: at least so many packets of these
    SAs never arrived; None where that can't be told, see :func:`_lost`.
    """

    source: str
    destination: str
    network: str
    bytes: int
    packets: int
    bytes_s: float | None
    packets_s: float | None
    lost: int | None
    installed: int
    wanted: int
    suites: tuple[str, ...]
    path_mtu: int | None

    def as_json(self) -> dict[str, Any]:
        """Return the flow as data."""
        return {
            "from": self.source,
            "to": self.destination,
            "network": self.network,
            "bytes": self.bytes,
            "packets": self.packets,
            "bytes_per_second": None if self.bytes_s is None else round(self.bytes_s, 1),
            "packets_per_second": None if self.packets_s is None else round(self.packets_s, 2),
            "lost": self.lost,
            "installed": self.installed,
            "wanted": self.wanted,
            "suites": list(self.suites),
            "path_mtu": self.path_mtu,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTraffic:
    """What one node lost or cut: since it booted, and in the interval (None at the first look).

    ``names``: which counters rose in the interval, and by how many. Pairs have no such counters.
    """

    name: str
    seconds: float | None
    xfrm_errors: int
    drops: int
    fragments: int
    reassembled: int
    refused: int
    clear: int
    rose: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Return the node as data."""
        return {
            "node": self.name,
            "seconds": None if self.seconds is None else round(self.seconds, 2),
            "xfrm_errors": self.xfrm_errors,
            "drops": self.drops,
            "fragments": self.fragments,
            "reassembled": self.reassembled,
            "refused": self.refused,
            "clear_packets": self.clear,
            "rose": dict(self.rose),
        }


@dataclass(frozen=True, slots=True)
class Traffic:
    """One interval: the flows, the busiest first, the nodes, and the names of those that did not answer."""

    flows: tuple[Flow, ...]
    nodes: tuple[NodeTraffic, ...]
    silent: tuple[str, ...]


ORDERS = {
    "rate": lambda flow: (flow.bytes_s or 0.0, flow.bytes),
    "packets": lambda flow: (flow.packets_s or 0.0, flow.packets),
    "lost": lambda flow: (flow.lost or 0, flow.bytes_s or 0.0),
    "total": lambda flow: (flow.bytes, flow.packets),
}


def traffic(
    nodes: Mapping[str, NodeJson],
    before: Mapping[str, Counters],
    after: Mapping[str, Counters],
    *,
    order: str = "rate",
) -> Traffic:
    """Return what went on between two looks (node id -> answer); the first look has an empty ``before``."""
    old = {i: _rows(found) for i, found in before.items()}
    new = {i: _rows(found) for i, found in after.items()}
    flows = [
        flow
        for i, found in after.items()
        if i in nodes
        for flow in _flows(nodes[i], _seconds(before.get(i), found), found, old, new)
    ]
    flows.sort(key=ORDERS[order], reverse=True)
    told = [_node(nodes[i]["name"], before.get(i), found) for i, found in after.items() if i in nodes]
    return Traffic(tuple(flows), tuple(told), tuple(n["name"] for i, n in nodes.items() if i not in after))


Key = tuple[str, str]  # id of a peer, and the network
Rows = dict[Key, PairCounters]


def _rows(found: Counters) -> Rows:
    return {(row["peer"], row["network"]): row for row in found["pairs"]}


def _flows(
    node: NodeJson, seconds: float | None, found: Counters, old: Mapping[str, Rows], new: Mapping[str, Rows]
) -> Iterator[Flow]:
    names = {(peer["id"], peer.get("network", "")): peer["name"] for peer in node["peers"]}
    for key, row in new[node["id"]].items():
        peer, network = key
        mine = (node["id"], network)
        before = old.get(node["id"], {}).get(key)
        sent = _more(before, row, "packets_out") if seconds else None
        there, then = new.get(peer, {}).get(mine), old.get(peer, {}).get(mine)
        yield Flow(
            source=node["name"],
            destination=names.get(key, peer),
            network=network,
            bytes=row["bytes_out"],
            packets=row["packets_out"],
            bytes_s=_more(before, row, "bytes_out") / seconds if seconds else None,
            packets_s=sent / seconds if sent is not None and seconds else None,
            lost=_lost(before, row, then, there) if seconds else None,
            installed=row["installed"],
            wanted=row["wanted"],
            suites=tuple(row["suites"]),
            path_mtu=found["path_mtu"].get(peer),
        )


def _more(old: PairCounters | None, new: PairCounters, key: str) -> int:
    """Return by how much the SAs of a pair counted more; an SA that is gone has taken its last packets with it."""
    known = {child["id"]: child for child in (old["children"] if old else ())}
    return sum(max(0, _of(child, key) - _of(known.get(child["id"]), key)) for child in new["children"])


def _lost(
    sent: PairCounters | None, later: PairCounters, before: PairCounters | None, came: PairCounters | None
) -> int | None:
    """Return how many packets the sender had counted at the earlier look and the receiver has not at the later one.

    Two nodes are never asked at one moment, and on a busy control machine they are seconds apart. But every first look
    is over before a second one begins, so what is missing then is lost. While packets flow it is a lower bound. None
    where an end did not answer, or where its SAs are others than before: then the two don't count the same.
    """
    if sent is None or before is None or came is None or _ids(sent) != _ids(later) or _ids(before) != _ids(came):
        return None
    return max(0, sent["packets_out"] - came["packets_in"])


def _ids(row: PairCounters) -> set[int]:
    return {child["id"] for child in row["children"]}


def _of(child: CountedChild | None, key: str) -> int:
    value = child[key] if child else 0  # type: ignore[literal-required]
    return int(value)


def _seconds(old: Counters | None, new: Counters) -> float | None:
    """Return the seconds between two looks on the node's own clock; None where there is no earlier one of this boot."""
    seconds = new["at"] - old["at"] if old else 0.0
    return seconds if seconds > 0 else None


def _node(name: str, old: Counters | None, new: Counters) -> NodeTraffic:
    now, then = _counted(new), _counted(old) if old else {}
    seconds = _seconds(old, new)
    rose = {key: now[key] - then.get(key, 0) for key in now if seconds and now[key] > then.get(key, 0)}
    return NodeTraffic(
        name=name,
        seconds=seconds,
        xfrm_errors=sum(new["xfrm"].values()),
        drops=sum(_ending(now, DROPS)),
        fragments=_sum(new["ip"], FRAGMENTS),
        reassembled=_sum(new["ip"], REASSEMBLED),
        refused=_sum(new["ip"], REFUSED),
        clear=sum(new["guard"]["clear"].values()),
        rose=rose,
    )


def _counted(found: Counters) -> dict[str, int]:
    """Return everything that tells of a loss or a cut: counter -> how many."""
    devices = {
        f"{device['device']} {key}": device["counters"].get(key, 0) for device in found["devices"] for key in DROPS
    }
    ip = {key: found["ip"].get(key, 0) for key in (*FRAGMENTS, *REASSEMBLED, *REFUSED)}
    return {**found["xfrm"], **devices, **ip, **found["guard"]["clear"]}


def _ending(counted: Mapping[str, int], ends: tuple[str, ...]) -> Iterable[int]:
    return (value for key, value in counted.items() if key.endswith(tuple(f" {end}" for end in ends)))


def _sum(counters: Mapping[str, int], keys: tuple[str, ...]) -> int:
    return sum(counters.get(key, 0) for key in keys)
