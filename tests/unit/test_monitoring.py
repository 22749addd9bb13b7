"""``monitoring:`` in a plan, what the exporter says of clusters, and the log of transactions and proofs."""

from __future__ import annotations

import marshal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from netplan.agent.phases import monitoring as on_node
from netplan.agent.textfile import main as collecting
from netplan.bundle.node_files import NodeFiles
from netplan.host import monitoring
from netplan.monitoring import exporter, logs
from netplan.monitoring.exporter import Cluster, States
from netplan.rollout.record import events
from netplan.rollout.record.seen import Direction, Proof
from tests.support import journals, replies
from tests.support.plans import make_planned

EU = "prod-eu1"  # the cluster of the journals


def paths(**file: object) -> set[str]:
    plan = make_planned(3, **file).plan
    return {one.path for one in NodeFiles(plan).of(plan.nodes[0])}


def test_without_monitoring_a_node_has_not_one_file_more() -> None:
    more = paths(monitoring={"interval": 30}) - paths()
    assert {path.split("/", 2)[2] for path in more} == {monitoring.SCRIPT, monitoring.TIMER, monitoring.SERVICE}
    assert not [path for path in paths() if "metrics" in path]


def test_what_the_node_s_two_halves_call_the_same_is_the_same() -> None:
    assert on_node.TIMER == "/" + monitoring.TIMER
    assert on_node.SERVICE == "/" + monitoring.SERVICE
    assert (on_node.NODE, on_node.KEPT, on_node.FILE) == (collecting.NODE, collecting.KEPT, collecting.FILE)
    script = Path("netplan/templates/node/revert-acts.sh")
    text = (Path(__file__).parents[2] / script).read_text(encoding="utf-8")
    assert on_node.FILE in text
    service = monitoring.files(60)[monitoring.SERVICE]
    assert f"ConditionPathIsDirectory={Path(on_node.FILE).parent}\n" in service
    assert f"ConditionPathExists={on_node.NODE}\n" in service


@pytest.mark.parametrize(("mode", "believed"), [(0o700, True), (0o755, False), (0o770, False)])
def test_compiled_code_is_kept_where_only_the_owner_can_write(tmp_path: Path, mode: int, believed: bool) -> None:
    kept = tmp_path / "metrics.code"
    script = monitoring.files(60)[monitoring.SCRIPT].replace("/run/ipsecplan/metrics.code", str(kept))
    loader = script.partition("COMPILED = compiled()\n")[0]
    here: dict[str, Any] = {}
    exec(loader, here)  # noqa: S102  the text that a node runs
    code = here["compiled"]()
    assert monitoring.FIRST in code
    planted = {monitoring.FIRST: compile("planted = True", "planted", "exec")}
    kept.write_bytes(marshal.dumps((here["MADE_OF"], planted)))
    tmp_path.chmod(mode)
    read = []
    load = marshal.load
    here["marshal"] = SimpleNamespace(load=lambda file: read.append(file) or load(file), dump=marshal.dump)
    assert (here["compiled"]() == planted) is believed
    assert bool(read) is believed, "what others may have written is not even read"


def status(**about: Any) -> Any:
    return {
        "phase": "status",
        "ok": True,
        "changed": False,
        "detail": "",
        "findings": [],
        "seconds": 0.1,
    } | replies.status(**about)


def text_of(*clusters: Cluster) -> str:
    states = States()
    for cluster in clusters:
        states.put(cluster)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(states)
    return generate_latest(registry).decode()


DRIFT = [
    {
        "code": "IPP681",
        "message": "ov0 has MTU 1450",
        "hint": None,
        "severity": "error",
        "found": "1450",
        "planned": "1416",
    },
    {
        "code": "IPP681",
        "message": "cni0 has MTU 1450",
        "hint": None,
        "severity": "error",
        "found": "1450",
        "planned": "1416",
    },
]


def test_a_node_s_answer_becomes_samples() -> None:
    pods = [{"port": "veth1", "mtu": 1416, "port_mtu": 1416}, {"port": "veth2", "mtu": 1450, "port_mtu": 1450}]
    said = status(
        state={"schema": 1, "state": "confirmed", "tx": "t", "release": "a", "at": "", "last": {}},
        mtu={"devices": {"ov0": 1450, "ov1": None}, "bridge": 1450, "pods": pods, "unknown_ports": []},
        drift=DRIFT,
        differs=["x"],
        guard={"mode": "drop", "clear": {}},
    )
    found = exporter.of_node("east", "n1", 1416, said)
    at = ("east", "n1")
    assert found["drift"] == [((*at, "IPP681", "error"), 2.0)]
    assert found["device_mtu_bytes"] == [((*at, "ov0"), 1450.0), ((*at, "ov1"), 0.0)]
    assert found["pod_mtu_bytes"] == [((*at, "min"), 1416), ((*at, "max"), 1450)]
    assert found["pod_odd_mtu_bytes"] == [((*at, "veth2"), 1450.0)]
    assert found["guard_drops"] == [(at, 1.0)]
    assert found["node_state"] == [((*at, "confirmed"), 1.0)]
    assert 'ipsecplan_exporter_pods{cluster="east",node="n1"} 2.0' in text_of(Cluster("east", {"n1": found}))


def test_where_nothing_is_applied_nothing_differs() -> None:
    found = exporter.of_node("east", "n1", 1416, status(drift=DRIFT, differs=["x"]))
    assert found["drift"] == []


def test_a_node_that_does_not_answer_says_nothing_else() -> None:
    text = text_of(Cluster("east", {"n1": exporter.silent("east", "n1")}))
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        'ipsecplan_exporter_node_up{cluster="east",node="n1"} 0.0'
    ]


def test_several_clusters_keep_apart_and_the_newest_look_counts() -> None:
    states = States()
    for value in (1.0, 0.0):
        for name in ("east", "west"):
            states.put(Cluster(name, {}, {"look_success": [((name,), value)]}))
    samples = [sample for family in states.collect() for sample in family.samples]
    assert [(s.labels["cluster"], s.value) for s in samples] == [("east", 0.0), ("west", 0.0)]


def direction(source: str, *, passes: bool = True) -> Direction:
    return Direction(
        source=source,
        to="z",
        ok=passes,
        inner_mtu=1416,
        passes=passes,
        one_more_refused=True,
        esp_packets=1,
        outer_packet=1500,
        outer_packet_planned=1500,
        plaintext_packets=0,
        wrong=[],
        line="",
    )


def proof(*directions: Direction) -> Proof:
    bad = sum(not one.ok for one in directions)
    return Proof(
        at=1e9,
        digest="d",
        transaction="tx-1",
        ok=not bad,
        measured=len(directions),
        failed=bad,
        directions=list(directions),
    )


def test_a_proof_names_what_did_not_pass_and_bounds_the_rest() -> None:
    found = exporter.of_proof("east", proof(direction("a"), *(direction(f"b{i}", passes=False) for i in range(99))))
    assert found["probed_mtu_bytes"] == [(("east", "min"), 1416.0), (("east", "max"), 1416.0)]
    assert len(found["probed_odd_mtu_bytes"]) == exporter.NAMED
    assert found["proof_directions"] == [(("east", "ok"), 1.0), (("east", "failed"), 99.0)]


@pytest.mark.slow
def test_a_scrape_of_a_thousand_nodes_costs_less_than_a_second_of_cpu() -> None:
    pods = [{"port": f"veth{i}", "mtu": 1416, "port_mtu": 1416} for i in range(30)]
    states = States()
    for cluster in ("east", "west"):
        said = status(
            state={"schema": 1, "state": "confirmed", "tx": "t", "release": "a", "at": "", "last": {}},
            mtu={"devices": {"ov0": 1416}, "bridge": 1416, "pods": pods, "unknown_ports": []},
            drift=DRIFT,
        )
        nodes = {f"n{i}": exporter.of_node(cluster, f"n{i}", 1416, said) for i in range(500)}
        states.put(Cluster(cluster, nodes, exporter.of_proof(cluster, proof(direction("a")))))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(states)
    before = time.process_time()
    text = generate_latest(registry)
    assert time.process_time() - before < 1, "seconds of CPU"
    assert text.count(b"\n") > 10_000


def journal(folder: Path, outcome: str = "confirmed", code: int = 0) -> Path:
    end = events.RunFinished(outcome=outcome, exit_code=code).as_json()
    journals.write(folder, [*journals.records(2, 2), {"at": "2026-01-01T00:00:03Z", **end}])
    return folder / "state"


def test_a_transaction_is_one_document_of_the_common_schema(tmp_path: Path) -> None:
    run, measured = logs.documents(journal(tmp_path), EU, proof(direction("a")))
    assert (run["@timestamp"], run["event"]["action"], run["event"]["outcome"]) == (
        "2026-01-01T00:00:00Z",
        "apply",
        "success",
    )
    assert run["event"]["duration"] == 3_000_000_000
    assert run["orchestrator"]["cluster"]["name"] == measured["orchestrator"]["cluster"]["name"] == EU
    assert measured["event"]["id"] == "proof-tx-1-1000000000"
    assert measured["ipsecplan"] == {
        "transaction": "tx-1",
        "bundle": "d",
        "directions": 1,
        "failed": 0,
        "plaintext_packets": 0,
    }


@pytest.mark.parametrize(
    ("outcome", "code", "word"), [("reverted", 6, "failure"), ("unchanged", 0, "success"), ("odd", 9, "failure")]
)
def test_the_outcome_is_the_run_s(tmp_path: Path, outcome: str, code: int, word: str) -> None:
    (run,) = logs.documents(journal(tmp_path, outcome, code), EU, None)
    assert run["event"]["outcome"] == word


def test_a_log_has_each_document_once(tmp_path: Path) -> None:
    root = journal(tmp_path)
    log = tmp_path / "ecs.json"
    assert logs.append(log, logs.documents(root, EU, proof(direction("a")))) == 2
    assert logs.append(log, logs.documents(root, EU, proof(direction("a")))) == 0
    with open(log, "a", encoding="utf-8") as out:
        out.write("no JSON\n{}\n7\n")
    assert logs.append(log, logs.documents(root, EU, proof(direction("a"), direction("b")))) == 0
    assert sum('"event"' in line for line in log.read_text(encoding="utf-8").splitlines()) == 2
