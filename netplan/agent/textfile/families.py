"""The metrics of a node: what each is, and which series it has.

Sets of labels are bounded. Up to NAMED peers each has its own series; above it only those have that are an outlier, the
first NAMED of them, and the rest is in the sums over all pairs, which are there in every case.
"""

from __future__ import annotations

import time

from .exposition import Family
from .memory import KEYS, REASONS, Memory, key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson, Peer
    from ..protocol.reply import CountersReport, Lease, PairCounters, Progress, State

NAMED = 50
LATE_S = 180  # a rekey is retried every 15 s, and given up after all retransmissions of a request, which take 165 s
MODES = ("absent", "count", "drop")
PAIR = ("peer", "network")
_WAYS = {"in": "receive", "out": "transmit"}


def of_pairs(node: NodeJson, found: CountersReport, memory: Memory) -> list[Family]:
    """Return the metrics of pairs: sums over all, and single ones as far as there is room."""
    by_id = {(pair["peer"], pair["network"]): pair for pair in found["pairs"]}
    known = [
        (peer, by_id[at]) for peer in node["peers"] for at in [(peer["id"], peer.get("network", ""))] if at in by_id
    ]
    shown = known if len(known) <= NAMED else [row for row in known if _odd(*row, found, memory)][:NAMED]
    return [*_sums(known, memory), *_single(shown, memory), *_ways(shown, found)]


def _odd(peer: Peer, pair: PairCounters, found: CountersReport, memory: Memory) -> bool:
    late = pair["due_s"] is not None and pair["due_s"] < -LATE_S
    again = bool(memory.retransmits.get(peer["pair"]))
    return pair["installed"] < pair["wanted"] or late or again or peer["id"] in found["path_mtu"]


def _sums(known: list[tuple[Peer, PairCounters]], memory: Memory) -> list[Family]:
    planned = Family("pairs_planned", "gauge", "Pairs that this node has by the plan.")
    planned.add(len(known))
    up = Family("pairs_up", "gauge", "Pairs with every SA that they need.")
    up.add(sum(1 for _, pair in known if pair["installed"] >= pair["wanted"]))
    late = Family("pairs_rekey_overdue", "gauge", f"Pairs whose rekey is more than {LATE_S} seconds late.")
    late.add(sum(1 for _, pair in known if pair["due_s"] is not None and pair["due_s"] < -LATE_S))
    suites = Family("pairs_by_suite", "gauge", "Pairs by the transform that was negotiated.", ["suite"])
    counted: dict[str, int] = {}
    for _, pair in known:
        for suite in pair["suites"]:
            counted[suite] = counted.get(suite, 0) + 1
    for suite, number in sorted(counted.items())[:NAMED]:
        suites.add(number, suite)
    out = [planned, up, late, suites]
    for name in KEYS:
        what, _, way = name.partition("_")
        total = Family(f"pairs_{_WAYS[way]}_{what}_total", "counter", f"Inner {what} of all pairs' SAs, over rekeys.")
        total.add(memory.all.get(name, 0))
        out.append(total)
    return out


def _single(shown: list[tuple[Peer, PairCounters]], memory: Memory) -> list[Family]:
    installed = Family("pair_sa_installed", "gauge", "Whether every CHILD_SA of the pair is installed.", PAIR)
    age = Family("pair_sa_age_seconds", "gauge", "Seconds since the pair's oldest CHILD_SA was installed.", PAIR)
    due = Family("pair_sa_rekey_seconds", "gauge", "Seconds until the pair's next rekey; below 0 it is late.", PAIR)
    suite = Family("pair_suite_info", "gauge", "The transform that was negotiated.", [*PAIR, "suite"])
    again = Family("pair_retransmits_total", "counter", "IKE requests of the pair that charon sent again.", PAIR)
    sums = {
        name: Family(
            f"pair_{_WAYS[name.partition('_')[2]]}_{name.partition('_')[0]}_total",
            "counter",
            f"Inner {name.partition('_')[0]} of the pair's SAs, over rekeys.",
            PAIR,
        )
        for name in KEYS
    }
    for peer, pair in shown:
        labels = (peer["name"], pair["network"])
        installed.add(pair["installed"] >= pair["wanted"], *labels)
        if pair["age_s"] is not None:
            age.add(pair["age_s"], *labels)
        if pair["due_s"] is not None:
            due.add(pair["due_s"], *labels)
        for name in pair["suites"]:
            suite.add(1, *labels, name)
        again.add(memory.retransmits.get(peer["pair"], 0), *labels)
        for name, family in sums.items():
            family.add(memory.sums.get(key(pair["peer"], pair["network"]), {}).get(name, 0), *labels)
    return [installed, age, due, suite, again, *sums.values()]


def _ways(shown: list[tuple[Peer, PairCounters]], found: CountersReport) -> list[Family]:
    learned = Family("path_mtu_exceptions", "gauge", "Peers the way to which has a smaller MTU than planned.")
    learned.add(len(found["path_mtu"]))
    size = Family("path_mtu_bytes", "gauge", "The MTU that the kernel has learned for the way to a peer.", PAIR)
    for peer, pair in shown:
        if not pair["network"] and peer["id"] in found["path_mtu"]:
            size.add(found["path_mtu"][peer["id"]], peer["name"], "")
    return [learned, size]


def of_ike(found: CountersReport, memory: Memory) -> list[Family]:
    """Return the metrics of charon itself."""
    up = Family("charon_up", "gauge", "Whether charon answers on its control socket.")
    up.add(found["charon"])
    sas = Family("ike_sas", "gauge", "IKE_SAs.")
    half = Family("ike_sas_half_open", "gauge", "IKE_SAs that are not authenticated yet.")
    if found["charon"]:
        sas.add(found["ike_sas"])
        half.add(found["half_open"])
    failures = Family("ike_failures_total", "counter", "Failures that charon wrote to its log.", ["reason"])
    for reason in REASONS:
        failures.add(memory.failures.get(reason, 0), reason)
    return [up, sas, half, failures]


def of_kernel(node: NodeJson, found: CountersReport) -> list[Family]:
    """Return the metrics of the kernel: XFRM errors, fragments, guard, block policies, sizes of devices."""
    errors = Family("xfrm_errors_total", "counter", "The kernel's XFRM error counters, every row.", ["error"])
    for name, number in sorted(found["xfrm"].items()):
        errors.add(number, name)
    came = Family("preflight_packets_total", "counter", "Packets of preflights, which XfrmInNoStates counts, too.")
    came.add(found["preflight_packets"])
    fragments = Family("ip_fragments_total", "counter", "Fragments and refusals, by the kernel's names.", ["event"])
    for name, number in sorted(found["ip"].items()):
        fragments.add(number, name)
    mode = Family("guard_mode", "gauge", "The mode that the leak guard is in: 1.", ["mode"])
    for word in MODES:
        mode.add(found["guard"]["mode"] == word, word)
    clear = Family("guard_clear_packets_total", "counter", "Clear packets that the leak guard saw.", ["counter"])
    for name, number in sorted(found["guard"]["clear"].items())[:NAMED]:
        clear.add(number, name)
    floor = Family("block_policies", "gauge", "Block policies in the kernel.")
    floor.add(found["floor"])
    planned = Family("block_policies_planned", "gauge", "Block policies that the release in force has.")
    planned.add(found["floor_planned"])
    watchdog = Family("watchdog_up", "gauge", "Whether the guard watchdog runs, and hears of changes.")
    watchdog.add(found["watchdog"])
    return [errors, came, fragments, mode, clear, floor, planned, watchdog, *_sizes(node, found)]


def _sizes(node: NodeJson, found: CountersReport) -> list[Family]:
    live = Family("device_mtu_bytes", "gauge", "The MTU that a device has.", ["device", "role"])
    wanted = Family("device_mtu_planned_bytes", "gauge", "The MTU that the plan gives a device.", ["device", "role"])
    dropped = Family("device_errors_total", "counter", "Errors and drops of a device.", ["device", "role", "kind"])
    sizes = {device["name"]: device["mtu"] for device in node["overlay"]["devices"]}
    sizes.update({peer["device"]: peer["device_mtu"] for peer in node["peers"] if "device_mtu" in peer})
    if node["overlay"]["bridge"]:
        sizes[node["overlay"]["bridge"]] = node["mtu"]["pod"]
    for device in found["devices"][:NAMED]:
        labels = (device["device"], device["role"])
        live.add(device["mtu"], *labels)
        planned = node["underlay"]["mtu"] if device["role"] == "underlay" else sizes.get(device["device"])
        if planned:
            wanted.add(planned, *labels)
        for kind in ("rx_errors", "rx_dropped", "tx_errors", "tx_dropped", "tx_carrier_errors"):
            dropped.add(device["counters"].get(kind, 0), *labels, kind)
    pods = Family("pod_mtu_planned_bytes", "gauge", "The MTU that the plan gives pods.")
    pods.add(node["mtu"]["pod"])
    return [live, wanted, dropped, pods]


def of_change(now: State, progress: Progress, lease: Lease) -> list[Family]:
    """Return the metrics of what was applied: release, open transaction, rollback timer, lease."""
    word = Family("node_state", "gauge", "What the node remembers: 1 for the state that it is in.", ["state"])
    for one in ("none", "open", "confirmed"):
        word.add(now["state"] == one, one)
    release = Family("release_info", "gauge", "The release in force, by the first digits of its digest.", ["release"])
    release.add(1, now["release"][:12])
    left = Family("rollback_timer_seconds", "gauge", "Seconds until the open transaction rolls itself back.")
    if progress["left_s"] is not None:
        left.add(progress["left_s"])
    held = Family("lease_seconds", "gauge", "Seconds that a control machine still holds the node; 0 for nobody.")
    held.add(lease["left_s"])
    return [word, release, left, held]


def of_certificates(lives: dict[str, tuple[float, float]]) -> list[Family]:
    """Return the lives of certificates, as times: days are no base unit, and a difference ages by itself."""
    begin = Family(
        "certificate_not_before_timestamp_seconds", "gauge", "When a certificate's life began.", ["certificate"]
    )
    end = Family("certificate_not_after_timestamp_seconds", "gauge", "When a certificate's life ends.", ["certificate"])
    for name, (first, last) in lives.items():
        begin.add(first, name)
        end.add(last, name)
    return [begin, end]


def of_run(node: NodeJson, began: float, cpu_s: float) -> list[Family]:
    """Return the metrics of the collection itself; ``cpu_s``: what it and the programs that it ran have used."""
    info = Family("node_info", "gauge", "Which node this is.", ["cluster", "node"])
    info.add(1, node["cluster"], node["name"])
    at = Family("collected_timestamp_seconds", "gauge", "When this was collected.")
    at.add(time.time())
    took = Family("collect_seconds", "gauge", "How long the collection took.")
    took.add(round(time.monotonic() - began, 3))
    cpu = Family("collect_cpu_seconds", "gauge", "Processor time of this one collection.")
    cpu.add(round(cpu_s, 3))
    return [info, at, took, cpu]
