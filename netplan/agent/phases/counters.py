"""Phase ``counters``: what counts on a node and lives for seconds, at one moment. Looks only, and sends no packet.

It comes from charon (list-sas, stats), /proc, /sys, nft and the kernel's routes. What a reader has to know of it:

* A CHILD_SA counts inner bytes: without ESP, without the outer header. It begins at 0 at each rekey, and for 5 s the
  one that it replaces is listed beside it; that one is left out here, so each child of a pair counts once.
* An MTU that is too large moves no XFRM counter, but fragments (``ip``) and what paths have learned (``path_mtu``).
* The kernel's fragment counters don't say which packets they are of: before ESP, after it, or without it.
"""

from __future__ import annotations

import contextlib
import os
import time

from ..system import addresses, core, preflight_packets, vici, xfrm
from ..system.core import Stop, read
from . import guard, trap_any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson, Peer
    from ..protocol.reply import CountedChild, CountersWork, DeviceCounters, PairCounters
    from ..protocol.request import Request
    from ..protocol.words import Json, Role

CHARON_S = 20.0  # the longest wait for a word of charon, which a journald that doesn't read holds up
LIVING = ("INSTALLED", "REKEYING")  # states of a CHILD_SA that is the pair's; the others are on their way out
DEVICES = 200  # devices that are told one by one: an overlay with a device for each peer has thousands
# What says that an MTU is wrong, and what loses packets: rows of /proc/net/snmp by protocol, names of /proc/net/snmp6
IP4 = {
    "Ip": ("FragOKs", "FragFails", "FragCreates", "ReasmReqds", "ReasmOKs", "ReasmFails", "OutDiscards"),
    "Icmp": ("OutDestUnreachs",),
}
IP6 = (
    "Ip6FragOKs",
    "Ip6FragFails",
    "Ip6FragCreates",
    "Ip6ReasmReqds",
    "Ip6ReasmOKs",
    "Ip6ReasmFails",
    "Ip6OutDiscards",
    "Ip6InTooBigErrors",
    "Icmp6OutPktTooBigs",
)
STATISTICS = (
    "rx_bytes",
    "rx_packets",
    "rx_errors",
    "rx_dropped",
    "tx_bytes",
    "tx_packets",
    "tx_errors",
    "tx_dropped",
    "tx_carrier_errors",
)


def counters(request: Request) -> CountersWork:
    """Return every counter of this node."""
    return look(request["node"])


def look(node: NodeJson) -> CountersWork:
    """Return what counts here. Where charon does not answer, ``charon`` is false and no pair has an SA."""
    listed: list[tuple[str, Json]] = []
    stats: Json = {}
    answers = False
    with contextlib.suppress(Stop), vici.Vici(CHARON_S) as link:
        listed = [(name, sa) for event in link.stream("list-sas", "list-sa") for name, sa in event.items()]
        stats = link.call("stats").get("ikesas", {})
        answers = True
    found = pairs(node, trap_any.sas(node, listed))
    up = sum(1 for pair in found if pair["installed"] == pair["wanted"])
    return {
        "changed": False,
        "detail": f"{up} of {len(found)} pairs have their SAs",
        "at": time.monotonic(),
        "charon": answers,
        "ike_sas": _number(stats.get("total")),
        "half_open": _number(stats.get("half-open")),
        "pairs": found,
        "devices": devices(node),
        "ip": ip_counters(),
        "xfrm": xfrm_counters(),
        "preflight_packets": preflight_packets.came(),
        "guard": xfrm.guard(),
        "floor": sum(map(xfrm.is_floor, xfrm.policies())),
        "floor_planned": len(guard.planned_policies()),
        "watchdog": guard.running() and not os.path.exists(guard.DEAF),
        "path_mtu": path_mtus(node),
    }


def pairs(node: NodeJson, listed: list[tuple[str, Json]]) -> list[PairCounters]:
    """Return what the SAs with each peer count; ``listed``: every IKE_SA as (pair, fields)."""
    held: dict[str, list[Json]] = {}
    for name, sa in listed:
        held.setdefault(name, []).append(sa)
    return [_pair(peer, held.get(peer["pair"], [])) for peer in node["peers"]]


def _pair(peer: Peer, sas: list[Json]) -> PairCounters:
    newest = max(sas, key=lambda sa: _number(sa.get("uniqueid")), default={})
    ours = [c for sa in sas for c in sa.get("child-sas", {}).values() if c.get("name") in peer["children"]]
    living = [child for child in ours if child.get("state") in LIVING]
    due = [seconds for seconds in (vici.seconds(child.get("rekey-time")) for child in living) if seconds is not None]
    return {
        "peer": peer["id"],
        "network": peer.get("network", ""),
        "ike": str(newest.get("state", "none")),
        "wanted": len(peer["children"]),
        "installed": len({child["name"] for child in living}),
        "suites": sorted({vici.algorithm(child) for child in living}),
        "age_s": max((_number(child.get("install-time")) for child in living), default=None),
        "due_s": min(due, default=None),
        "bytes_in": sum(_number(child.get("bytes-in")) for child in living),
        "bytes_out": sum(_number(child.get("bytes-out")) for child in living),
        "packets_in": sum(_number(child.get("packets-in")) for child in living),
        "packets_out": sum(_number(child.get("packets-out")) for child in living),
        "children": [_child(child) for child in ours],
    }


def _child(child: Json) -> CountedChild:
    return {
        "id": _number(child.get("uniqueid")),
        "bytes_in": _number(child.get("bytes-in")),
        "bytes_out": _number(child.get("bytes-out")),
        "packets_in": _number(child.get("packets-in")),
        "packets_out": _number(child.get("packets-out")),
    }


def _number(text: object) -> int:
    """Return a number that somebody else says in decimal digits; 0 where there is none."""
    said = str(text)
    return int(said) if said.isdigit() and len(said) < 20 else 0


def devices(node: NodeJson) -> list[DeviceCounters]:
    """Return the devices that the plan is about, the first DEVICES: underlay, overlay, bridge, XFRM interfaces."""
    overlay = node["overlay"]
    roles: list[tuple[str, Role]] = [(name, "underlay") for name in _underlay(node)]
    roles += [(device["name"], "overlay") for device in overlay["devices"]]
    roles += [(overlay["bridge"] or "", "bridge")]
    roles += [(peer.get("device", ""), "xfrm") for peer in node["peers"]]
    found: list[DeviceCounters] = []
    seen: set[str] = set()
    for name, role in roles:
        folder = "/sys/class/net/" + name
        if name in seen:
            continue
        seen.add(name)
        if name and "/" not in name and len(found) < DEVICES and os.path.isdir(folder):
            counted = {key: _number((read(f"{folder}/statistics/{key}") or "").strip()) for key in STATISTICS}
            mtu = _number((read(folder + "/mtu") or "").strip())
            found.append({"device": name, "role": role, "mtu": mtu, "counters": counted})
    return sorted(found, key=lambda device: (device["role"], device["device"]))


def _underlay(node: NodeJson) -> list[str]:
    """Return the devices that have this node's own addresses."""
    own = set(addresses.addresses(node))
    return [
        link["ifname"]
        for link in core.run_json("ip", "-j", "addr", "show")
        if own & {str(one.get("local")) for one in link.get("addr_info", ())}
    ]


def ip_counters() -> dict[str, int]:
    """Return the kernel's counters of fragments and refusals: IPv4 as ``IpFragOKs``, IPv6 by the names there."""
    found: dict[str, int] = {}
    heads: dict[str, list[str]] = {}
    for line in (read("/proc/net/snmp") or "").splitlines():
        protocol, _, rest = line.partition(": ")
        words = rest.split()
        if protocol not in heads:
            heads[protocol] = words
            continue
        values = dict(zip(heads[protocol], words))  # noqa: B905  needs Python 3.10
        found.update({protocol + name: _number(values[name]) for name in IP4.get(protocol, ()) if name in values})
    six = dict(line.split()[:2] for line in (read("/proc/net/snmp6") or "").splitlines() if len(line.split()) > 1)
    found.update({name: _number(six[name]) for name in IP6 if name in six})
    return found


def xfrm_counters() -> dict[str, int]:
    """Return every XFRM error counter of this kernel, those at 0 too; node_exporter knows 28, kernels have more."""
    words = (line.split() for line in (read("/proc/net/xfrm_stat") or "").splitlines())
    return {word[0]: _number(word[1]) for word in words if len(word) == 2}


def path_mtus(node: NodeJson) -> dict[str, int]:
    """Return peer (id) -> MTU in bytes that the kernel has learned for the way to it, where it is below the planned."""
    peers = {peer["address"]: peer for peer in node["peers"]}
    found: dict[str, int] = {}
    for family in ("-4", "-6"):
        for route in core.run_json("ip", family, "-j", "route", "show", "table", "all", "cache"):
            peer = peers.get(str(route.get("dst")))
            mtu = addresses.route_mtu(route)
            if peer and 0 < mtu < peer["link_mtu"]:
                found[peer["id"]] = min(mtu, found.get(peer["id"], mtu))
    return found
