"""Drift: what nodes tell becomes Problems, lines of a watcher, and one side of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netplan.agent.phases import drift as agent_drift
from netplan.bundle import build
from netplan.bundle.connections import START
from netplan.bundle.node_json import node_facts
from netplan.cli.watch import lines, watch
from netplan.inputs.inventory import Host, Inventory
from netplan.inputs.load import LoadedPlan
from netplan.inputs.rules_hosts import nodes
from netplan.inputs.yaml_source import Source
from netplan.ipsec.impact import Impact, Side, changes
from netplan.ipsec.swanctl import connections_of
from netplan.ipsec.swanctl_parser import read
from netplan.model.planfile import PlanFile
from netplan.plan.build import make_plan
from netplan.plan.types import Plan
from netplan.problems import ExitCode, Problem, ProblemError
from netplan.verify.drift import live_side, problems
from tests.support import replies


def status(**changes: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "state": {"state": "confirmed", "tx": "tx-1", "last": {}},
        "floor": 1,
        "ike_sas": 1,
        "traps": 2,
        "guard": {"mode": "drop", "clear": {"clear_out": 0}},
        "mtu": {"devices": {"ov0": 1416}, "bridge": 1416, "pods": [], "unknown_ports": []},
    }
    return replies.status(**{**usual, **changes})


def drifted(text: str, severity: str = "error") -> dict[str, Any]:
    found = {"code": "IPP681", "message": text, "hint": "do this", "severity": severity, "found": "1", "planned": "2"}
    return status(drift=[found], differs=[text])


def test_each_difference_names_the_node_and_what_to_do() -> None:
    (found,) = problems("n1", drifted("ov0 has MTU 1400, planned 1416"))
    assert (found.code, found.message, found.hint) == ("IPP681", "n1: ov0 has MTU 1400, planned 1416", "do this")
    assert problems("n1", drifted("due", "warning"))[0].severity == "warning"
    assert problems("n1", {**drifted("x"), "state": {"state": "none"}}) == [], "nothing to drift from"
    (found,) = problems("n\x1b[31m", drifted("a\x07"))
    assert "\x1b" not in found.message + (found.hint or "")


def test_a_watcher_says_what_changed_and_nothing_else() -> None:
    names = ["n1", "n2"]
    one, two = status(), status(guard={"mode": "count", "clear": {"clear_out": 7}}, xfrm_errors={"XfrmInNoStates": 2})
    first = list(lines(None, {"n1": one, "n2": one}, names))
    assert first == ["n1: confirmed, guard drop, 0 differences", "n2: confirmed, guard drop, 0 differences"]
    assert list(lines({"n1": one, "n2": one}, {"n1": one, "n2": one}, names)) == []
    assert list(lines({"n1": one}, {"n1": two}, ["n1"])) == [
        "n1: guard drop -> count",
        "n1: clear_out 0 -> 7",
        "n1: XfrmInNoStates 0 -> 2",
    ]
    assert list(lines({"n1": one}, {"n1": drifted("bad")}, ["n1"])) == ["n1: bad"]
    assert list(lines({"n1": drifted("bad")}, {"n1": one}, ["n1"])) == ["n1: no longer: bad"]
    assert list(lines({"n1": one}, {}, ["n1"])) == ["n1: no answer"]
    assert list(lines({}, {}, ["n1"])) == []


def test_the_watch_ends_with_the_code_of_its_last_look(capsys: pytest.CaptureFixture[str]) -> None:
    answers: list[Any] = [
        ({"n1": status()}, [], ExitCode.OK),
        ProblemError(Problem(code="IPP608", message="another ipsecplan is at work"), ExitCode.FAILURE),
        ({"n1": drifted("bad")}, [], ExitCode.DIFFERENCE),
    ]

    def look() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert watch(look, ["n1"], interval_s=0.01, count=3) == ExitCode.DIFFERENCE
    out = [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert out == [
        "n1: confirmed, guard drop, 0 differences",
        "n1: no answer",
        "another ipsecplan is at work",
        "n1: confirmed, guard drop, 1 difference",
        "n1: bad",
    ]


def test_ctrl_c_ends_it_with_that_code_too() -> None:
    calls = []

    def look() -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return {"n1": drifted("bad")}, [], ExitCode.DIFFERENCE

    assert watch(look, ["n1"], interval_s=0.01) == ExitCode.DIFFERENCE


def plan(**ipsec: Any) -> Plan:
    hosts = tuple(
        Host(f"n{n}", {"underlay_address": f"10.77.0.1{n}", "pod_cidr": f"10.244.{n}.0/24"}, frozenset({"all"}))
        for n in (1, 2, 3)
    )
    file = PlanFile.model_validate({"name": "demo", "inventory": "i.yml", "nodes": "all", "ipsec": ipsec})
    inventory = Inventory(Path("i.yml"), "i.yml", "all", hosts)
    loaded = LoadedPlan(file, Source("plan.yaml"), Path("plan.yaml"))
    return make_plan(loaded.plan, nodes(loaded.plan, inventory))


def on_a_node(made: Plan) -> tuple[dict[str, Any], Side, dict[str, Any]]:
    """Return (what a node with this bundle tells, the bundle's own side, its node.json)."""
    node = made.nodes[0]
    files = {f.path.removeprefix(f"nodes/{node.id}/"): f.text for f in build.build(made)}
    swanctl, guard = files["etc/swanctl/conf.d/ipsecplan.conf"], files["etc/ipsecplan/guard-drop.nft"]
    told = status(texts={"swanctl": swanctl, "guard": guard, "wildcard": None, "files": {}})
    told["mtu"] = {"devices": {"ov0": made.pod_mtu}, "bridge": made.pod_mtu, "pods": []}
    facts = node_facts(made, node)
    return (
        told,
        Side(connections=connections_of(read(swanctl + START)), facts=facts, partial="@protected" in guard),
        facts,
    )


def test_a_node_that_has_the_bundle_has_nothing_to_change() -> None:
    for made in (plan(), plan(topology={"hub": "n1"}), plan(protect="hosts", mode="tunnel")):
        told, side, facts = on_a_node(made)
        live = live_side(told, facts)
        assert live
        assert changes(live, side) == []


def test_what_an_apply_would_change_on_a_node() -> None:
    told, _, _ = on_a_node(plan(esp=["aes128gcm16-x25519"]))
    _, side, facts = on_a_node(plan())
    live = live_side(told, facts)
    assert live
    found = changes(live, side)
    assert {(c.what, c.apply) for c in found} == {("ESP proposals", Impact.REBUILT)}
    assert {c.peer for c in found} == {"n2", "n3"}
    told["mtu"]["devices"]["ov0"] = told["mtu"]["bridge"] = 1500
    live = live_side(told, facts)
    assert live
    assert "pod MTU" in {c.what for c in changes(live, side)}
    bare = live_side(status(), facts)
    assert bare is None
    assert [c.what for c in changes(bare, side)] == ["node"]


def test_a_connection_of_nobody_in_the_bundle_is_named_by_its_id() -> None:
    told, side, facts = on_a_node(plan())
    fewer = {**facts, "peers": facts["peers"][:1]}
    live = live_side(told, fewer)
    assert live
    gone = [
        c
        for c in changes(
            live,
            Side(
                connections={k: v for k, v in side.connections.items() if k == fewer["peers"][0]["pair"]},
                facts=fewer,
                partial=False,
            ),
        )
        if c.what == "connection"
    ]
    assert [c.peer for c in gone] == [facts["peers"][1]["pair"]]


def test_a_file_of_the_release_before_that_goes_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, cni = "/etc/ipsecplan/any.conf", "/etc/cni/net.d/10-ipsecplan.conflist"
    kept = {"path": "/etc/ipsecplan/peers", "sha256": "0" * 64, "mode": "0644", "owner": "root:root"}
    monkeypatch.setattr(agent_drift.release_module, "paths", lambda _: [kept["path"], ours, cni, "/etc/gone"])
    monkeypatch.setattr(agent_drift, "digest", lambda path: None if path == "/etc/gone" else "1" * 64)
    now: Any = {"state": "confirmed", "release": "e" * 64}

    def said(now: Any, waits: int) -> list[str]:
        return [row["message"] for row in agent_drift.former(now, [kept], waits)]

    assert said(now, 0) == [f"{ours} is not in this bundle", f"{cni} is not in this bundle"]
    assert said(now, 1416) == [f"{ours} is not in this bundle"], "what is about MTUs waits with them"
    assert said({**now, "state": "none"}, 0) == []
