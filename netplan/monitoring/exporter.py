"""What the exporter says of clusters: the last answers of their nodes, reckoned into samples when they come.

A scrape only prints samples that are there, so it costs the same whenever the nodes were asked. Sets of labels are
bounded: pods that are as planned are a smallest and a largest size, and what is odd is named, NAMED of a node at most.
Names of users are values of labels, which prometheus_client escapes.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily, Metric

from netplan.agent.protocol.reply import Status
from netplan.rollout.record.history import Past
from netplan.rollout.record.seen import Proof
from netplan.verify.drift import problems

PREFIX = "ipsecplan_exporter_"
NAMED = 20
NODE = ("cluster", "node")
# metric without the prefix -> (help, labels)
METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "node_up": ("Whether the node answered the last look.", NODE),
    "node_state": ("What the node remembers: 1 for the state that it is in.", (*NODE, "state")),
    "drift": ("Differences from what was confirmed, by code.", (*NODE, "code", "severity")),
    "device_mtu_bytes": ("The MTU that a device of the overlay has; 0 where it is missing.", (*NODE, "device")),
    "pod_mtu_bytes": ("The smallest and the largest MTU among a node's pods.", (*NODE, "bound")),
    "pod_odd_mtu_bytes": ("The MTU of a pod that is not the planned one.", (*NODE, "port")),
    "pods": ("Pods that were found on the node.", NODE),
    "guard_drops": ("Whether the leak guard drops.", NODE),
    "block_policies": ("Block policies in the kernel.", NODE),
    "permissive": ("Whether the policy that lets clear packets in is there.", NODE),
    "rollback_timer_seconds": ("Seconds until the open transaction rolls itself back.", NODE),
    "lease_seconds": ("Seconds that a control machine still holds the node.", NODE),
    "deferred_pairs": ("Pairs that wait for a node that was away.", NODE),
    "pod_mtu_planned_bytes": ("The MTU that the plan gives pods.", ("cluster",)),
    "pairs": ("Pairs of nodes that answered.", ("cluster",)),
    "pairs_encrypted": ("Pairs that have every SA, as the ends that answered say.", ("cluster",)),
    "look_success": ("Whether every node answered the last look.", ("cluster",)),
    "look_timestamp_seconds": ("When the nodes were last asked.", ("cluster",)),
    "look_seconds": ("How long that took.", ("cluster",)),
    "proof_success": ("Whether the last proof on the wire found everything as planned.", ("cluster",)),
    "proof_timestamp_seconds": ("When that was.", ("cluster",)),
    "proof_directions": ("Directions that it measured.", ("cluster", "result")),
    "probed_mtu_bytes": ("The smallest and the largest packet that passed in that proof.", ("cluster", "bound")),
    "probed_odd_mtu_bytes": (
        "The packet that did not pass from one node to another as planned.",
        ("cluster", "source", "to"),
    ),
    "transaction_awaiting": ("Whether a transaction waits for its confirmation.", ("cluster",)),
    "transaction_success": ("Whether the last run of a transaction ended well.", ("cluster", "verb")),
}
Samples = dict[str, list[tuple[tuple[str, ...], float]]]


@dataclass
class Cluster:
    """What is known of one cluster: samples by metric, of each node and of all together."""

    name: str
    nodes: dict[str, Samples] = field(default_factory=dict)
    whole: Samples = field(default_factory=dict)


def of_node(cluster: str, name: str, planned: int, status: Status) -> Samples:
    """Return the samples of one node's answer; ``planned``: the MTU of pods in bytes."""
    at = (cluster, name)
    mtu, left = status["mtu"], status["transaction"]["left_s"]
    sizes = [pod["mtu"] for pod in mtu["pods"]]
    bounds: list[tuple[tuple[str, ...], float]] = (
        [((*at, "min"), min(sizes)), ((*at, "max"), max(sizes))] if sizes else []
    )
    odd = [pod for pod in mtu["pods"] if pod["mtu"] != planned][:NAMED]
    none = status["state"]["state"] == "none"  # where nothing is applied, nothing differs from it
    kinds = Counter((p.code, p.severity) for p in problems(name, status)) if not none else Counter()
    found: Samples = {
        "node_up": [(at, 1.0)],
        "node_state": [((*at, status["state"]["state"]), 1.0)],
        "drift": [((*at, *kind), float(number)) for kind, number in sorted(kinds.items())],
        "device_mtu_bytes": [((*at, d), float(size or 0)) for d, size in list(mtu["devices"].items())[:NAMED]],
        "pod_mtu_bytes": bounds,
        "pod_odd_mtu_bytes": [((*at, pod["port"]), float(pod["mtu"])) for pod in odd],
        "pods": [(at, float(len(sizes)))],
        "guard_drops": [(at, float(status["guard"]["mode"] == "drop"))],
        "block_policies": [(at, float(status["floor"]))],
        "permissive": [(at, float(status["permissive"]))],
        "lease_seconds": [(at, float(status["lease"]["left_s"]))],
        "deferred_pairs": [(at, float(len(status["deferred"])))],
    }
    if left is not None:
        found["rollback_timer_seconds"] = [(at, left)]
    return found


def of_look(cluster: str, planned: int, *, ok: bool, at: float, seconds: float, pairs: int, encrypted: int) -> Samples:
    """Return the samples of a look at all nodes: when it was (seconds since 1970) and how long it took."""
    own = (cluster,)
    return {
        "pod_mtu_planned_bytes": [(own, float(planned))],
        "look_success": [(own, float(ok))],
        "look_timestamp_seconds": [(own, at)],
        "look_seconds": [(own, seconds)],
        "pairs": [(own, float(pairs))],
        "pairs_encrypted": [(own, float(encrypted))],
    }


def of_proof(cluster: str, proof: Proof) -> Samples:
    """Return the samples of the last proof on the wire."""
    passed = [one.inner_mtu for one in proof.directions if one.passes]
    lost = [one for one in proof.directions if not one.passes][:NAMED]
    bounds: list[tuple[tuple[str, ...], float]] = (
        [((cluster, "min"), float(min(passed))), ((cluster, "max"), float(max(passed)))] if passed else []
    )
    good = proof.measured - proof.failed
    return {
        "proof_success": [((cluster,), float(proof.ok))],
        "proof_timestamp_seconds": [((cluster,), proof.at)],
        "proof_directions": [((cluster, "ok"), float(good)), ((cluster, "failed"), float(proof.failed))],
        "probed_mtu_bytes": bounds,
        "probed_odd_mtu_bytes": [((cluster, one.source, one.to), float(one.inner_mtu)) for one in lost],
    }


def of_journals(cluster: str, found: list[Past]) -> Samples:
    """Return the samples of the last transaction."""
    if not found or not found[-1].runs:
        return {}
    last = found[-1].runs[-1]
    made: Samples = {"transaction_awaiting": [((cluster,), float(last.outcome == "awaiting-confirm"))]}
    if last.exit_code is not None:
        made["transaction_success"] = [((cluster, last.verb), float(last.exit_code == 0))]
    return made


class States:
    """The samples of all clusters, for prometheus_client to collect; one thread takes them, others print them."""

    def __init__(self) -> None:
        self._clusters: dict[str, Cluster] = {}
        self._lock = threading.Lock()

    def put(self, cluster: Cluster) -> None:
        """Take a cluster as it is now, in the place of what it was."""
        with self._lock:
            self._clusters[cluster.name] = cluster

    def before(self, name: str) -> Cluster:
        """Return what is known of a cluster; empty where nothing is."""
        with self._lock:
            return self._clusters.get(name) or Cluster(name)

    def collect(self) -> Iterator[Metric]:
        """Yield every family that has samples."""
        with self._lock:
            clusters = list(self._clusters.values())
        for name, (about, labels) in METRICS.items():
            family = GaugeMetricFamily(PREFIX + name, about, labels=labels)
            for samples in _all(clusters):
                for values, value in samples.get(name, ()):
                    family.add_metric(values, value)
            if family.samples:
                yield family


def _all(clusters: Iterable[Cluster]) -> Iterator[Samples]:
    for cluster in clusters:
        yield cluster.whole
        yield from cluster.nodes.values()


def silent(cluster: str, name: str) -> Samples:
    """Return the sample of a node that did not answer: what it said before is not said again."""
    return {"node_up": [((cluster, name), 0.0)]}
