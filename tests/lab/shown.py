"""What a node's own programs show beside each metric that Prometheus has of it: swanctl, ip, nft, /proc and so on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509

from netplan.lab.cluster import Lab

from .pace import until
from .watching import TEXTFILES, Prometheus

Labels = tuple[tuple[str, str], ...]
Values = dict[tuple[str, Labels], float]
Row = tuple[str, str, float | None, float]  # metric, labels, what Prometheus has, what the node shows
SHOWS = {
    "at": f"grep ^ipsecplan_collected {TEXTFILES}/ipsecplan.prom",
    "swanctl": "swanctl --list-sas",
    "now": "date +%s.%N",
    "nft": "nft list table inet ipsecplan",
    "policies": "ip xfrm policy list nosock",
    "cache": "ip route show cache",
    "peers": "cat /etc/ipsecplan/peers",
    "floor": "cat /etc/ipsecplan/floor",
    "xfrm": "cat /proc/net/xfrm_stat",
    "preflights": "cat /run/ipsecplan/preflight-packets*",
    "snmp": "cat /proc/net/snmp",
    "snmp6": "cat /proc/net/snmp6",
    "devices": "cd /sys/class/net && grep -H . ov0/mtu cni0/mtu eth0/mtu */statistics/[rt]x_*",
    "pod": "ip netns exec pod1 cat /sys/class/net/eth0/mtu",
    "units": "systemctl is-active strongswan ipsecplan-watch",
    "leaf": "cat /etc/swanctl/x509/ipsecplan.pem",
    "ca": "cat /etc/swanctl/x509ca/ipsecplan-ca.pem",
    "state": "cat /var/lib/ipsecplan/state.json",
    "journal": "journalctl -b -u 'strongswan*' -o cat --no-pager",
}
# what charon says, by the reason that it is counted as; a line counts once
WORDS = {
    "authentication": ("AUTHENTICATION_FAILED", "AUTH_FAILED", "no matching peer config found"),
    "proposal": ("NO_PROPOSAL_CHOSEN", "proposals unacceptable", "no acceptable proposal found"),
    "selectors": ("TS_UNACCEPTABLE",),
    "no-answer": ("giving up after",),
    "integrity": ("could not decrypt payloads",),
    "rekey": ("failed to establish CHILD_SA", "SA rekeying failed", "rekeying IKE_SA failed"),
}
ROLES = {"ov0": "overlay", "cni0": "bridge", "eth0": "underlay"}
KINDS = ("rx_errors", "rx_dropped", "tx_errors", "tx_dropped", "tx_carrier_errors")


@dataclass(frozen=True)
class Child:
    """A CHILD_SA as swanctl lists it; seconds since it came and to its rekey, and what it has counted."""

    name: str
    suite: str
    age: float
    due: float
    counted: dict[str, float]


def looked(lab: Lab, server: Prometheus, node: str) -> tuple[Values, dict[str, str]]:
    """Have a node collect and show at one moment; return both once Prometheus has that collection."""
    parts = "".join(f"echo '@@@ {name}'; ({words}) 2>&1\n" for name, words in SHOWS.items())
    script = f"systemctl stop ipsecplan-metrics.timer; systemctl start ipsecplan-metrics.service\n{parts}true"
    try:
        said = lab.exec(node, ["sh", "-c", script], check=True).stdout
        shows = dict(part.split("\n", 1) for part in said.split("@@@ ")[1:])
        at = float(shows["at"].split()[1])
        asked = f'ipsecplan_collected_timestamp_seconds{{instance="{node}"}}'
        until("Prometheus has it", lambda: [value for _, value in server.query(asked)] == [at], 2)
        found = server.query(f'{{__name__=~"ipsecplan_.+",instance="{node}"}}')
    finally:
        lab.exec(node, ["systemctl", "start", "ipsecplan-metrics.timer"], check=True)
    drop = ("__name__", "instance", "job")
    return {
        (labels["__name__"], tuple(sorted((k, v) for k, v in labels.items() if k not in drop))): value
        for labels, value in found
    }, shows


def children(listed: str) -> list[Child]:
    """Return the CHILD_SAs that are installed."""
    found = []
    for block in re.split(r"(?m)^  (?=\S+: #\d+, reqid )", listed)[1:]:
        head = re.match(r"(\S+): #\d+, reqid \d+, INSTALLED, \w+.*ESP:(\S+)", block)
        times = re.search(r"installed (\d+)s ago, rekeying in (\d+)s", block)
        if head and times:
            counted = {
                f"{word}_{what}": float(number)
                for way, word in (("in", "receive"), ("out", "transmit"))
                for line in re.findall(rf"(?m)^    {way}  ?\S+?,\s+(\d+) bytes,\s+(\d+) packets", block)
                for what, number in zip(("bytes", "packets"), line, strict=True)
            }
            found.append(Child(head[1], head[2], float(times[1]), float(times[2]), counted))
    return found


def compare(values: Values, shows: dict[str, str], node: str, peer: str) -> Iterator[Row]:
    """Yield a row for every metric of a node that is at rest; a time may be as much off as lies between both looks."""
    slack = 3 + float(shows["now"]) - float(shows["at"].split()[1]) + values["ipsecplan_collect_seconds", ()]

    def row(name: str, shown: float, **labels: str) -> Row:
        own = tuple(sorted((k, v) for k, v in labels.items() if v))  # an empty label is none
        return name, str(labels or ""), values.get(("ipsecplan_" + name, own)), float(shown)

    def about(name: str, shown: float, **labels: str) -> Row:
        _, said, is_, _ = row(name, shown, **labels)
        near = is_ is not None and abs(is_ - shown) <= slack
        return name, said, shown if near else is_, float(shown)

    pair = {"peer": peer, "network": ""}
    yield from _of_charon(values, shows, pair, row, about)
    yield from _of_kernel(shows, row)
    strongswan, watchdog = shows["units"].split()
    yield row("charon_up", strongswan == "active")
    yield row("watchdog_up", watchdog == "active")
    for name in ("leaf", "ca"):
        for what, seconds in zip(("before", "after"), _dates(shows[name]), strict=True):
            yield row(f"certificate_not_{what}_timestamp_seconds", seconds, certificate=name)
    state = json.loads(shows["state"])
    for word in ("none", "open", "confirmed"):
        yield row("node_state", state["state"] == word, state=word)
    yield row("release_info", 1, release=state["release"][:12])
    yield row("lease_seconds", 0)
    yield row("node_info", 1, cluster="lab", node=node)
    yield row("collected_timestamp_seconds", float(shows["at"].split()[1]))
    for name in ("collect_seconds", "collect_cpu_seconds"):  # nobody else knows them
        yield name, "above 0", float(values.get(("ipsecplan_" + name, ()), 0) > 0), 1.0


def _of_charon(values: Values, shows: dict[str, str], pair: dict[str, str], row, about) -> Iterator[Row]:  # type: ignore[no-untyped-def]
    living = children(shows["swanctl"])
    heads = re.findall(r"(?m)^\S+: #\d+, (\w+)", shows["swanctl"])
    whole = len({child.name for child in living}) == 2
    yield row("ike_sas", len(heads))
    yield row("ike_sas_half_open", heads.count("CONNECTING"))
    yield row("pairs_planned", len(shows["peers"].splitlines()))
    yield row("pairs_up", whole)
    yield row("pairs_rekey_overdue", sum(child.due < -180 for child in living))
    yield row("pair_sa_installed", whole, **pair)
    yield about("pair_sa_age_seconds", max(child.age for child in living), **pair)
    yield about("pair_sa_rekey_seconds", min(child.due for child in living), **pair)
    for suite in {child.suite.partition("/")[0] for child in living}:  # without the key exchange of a rekey
        yield row("pair_suite_info", 1, **pair, suite=suite)
        yield row("pairs_by_suite", 1, suite=suite)
    for what in ("receive_bytes", "receive_packets", "transmit_bytes", "transmit_packets"):
        # over rekeys, so at least what the living ones have; what a packet adds is a test of its own
        least = sum(child.counted[what] for child in living)
        for name, labels in ((f"pairs_{what}_total", {}), (f"pair_{what}_total", pair)):
            is_ = row(name, least, **labels)[2]
            yield name, f"at least {least:.0f}", float(is_ is not None and is_ >= least), 1.0
    lines = shows["journal"].splitlines()
    yield row("pair_retransmits_total", sum("retransmit " in s and " of request" in s for s in lines), **pair)
    for reason, words in WORDS.items():
        yield row("ike_failures_total", sum(any(word in line for word in words) for line in lines), reason=reason)


def _of_kernel(shows: dict[str, str], row) -> Iterator[Row]:  # type: ignore[no-untyped-def]
    for name, number in re.findall(r"(?m)^(Xfrm\w+)\s+(\d+)$", shows["xfrm"]):
        yield row("xfrm_errors_total", int(number), error=name)
    yield row("preflight_packets_total", sum(int(line) for line in shows["preflights"].split()))
    for protocol, names in (
        ("Ip", ("FragOKs", "FragFails", "FragCreates", "ReasmReqds", "ReasmOKs", "ReasmFails", "OutDiscards")),
        ("Icmp", ("OutDestUnreachs",)),
    ):
        head, numbers = (line.split() for line in shows["snmp"].splitlines() if line.startswith(protocol + ":"))
        for name in names:
            yield row("ip_fragments_total", int(numbers[head.index(name)]), event=protocol + name)
    six = r"(?m)^(Ip6(?:Frag\w+|Reasm(?:Reqds|OKs|Fails)|OutDiscards|InTooBigErrors)|Icmp6OutPktTooBigs)\s+(\d+)$"
    for name, number in re.findall(six, shows["snmp6"]):
        yield row("ip_fragments_total", int(number), event=name)
    learned = shows["cache"].count(" mtu ")
    yield row("path_mtu_exceptions", learned)
    yield row("block_policies", shows["policies"].count("priority 4000050"))
    yield row("block_policies_planned", shows["floor"].count("priority 4000050"))
    for mode, is_ in (("drop", " drop" in shows["nft"]), ("count", False), ("absent", "table" not in shows["nft"])):
        yield row("guard_mode", is_, mode=mode)
    for name, packets in re.findall(r"counter (\w+) \{\s+packets (\d+)", shows["nft"]):
        yield row("guard_clear_packets_total", int(packets), counter=name)
    told = dict(line.split(":", 1) for line in shows["devices"].splitlines())
    for device, role in ROLES.items():
        at = {"device": device, "role": role}
        yield row("device_mtu_bytes", int(told[f"{device}/mtu"]), **at)
        yield row("device_mtu_planned_bytes", int(told[f"{device}/mtu"]), **at)
        for kind in KINDS:
            yield row("device_errors_total", int(told[f"{device}/statistics/{kind}"]), **at, kind=kind)
    yield row("pod_mtu_planned_bytes", int(shows["pod"]))


def _dates(text: str) -> tuple[float, float]:
    found = x509.load_pem_x509_certificate(text.encode())
    return found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()
