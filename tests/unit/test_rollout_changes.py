"""Changes against played nodes: waves, nodes left out, an MTU that waits and is raised, nodes that leave."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netplan.problems import ExitCode
from netplan.rollout import phases
from netplan.rollout.nodes.view import Hold, fitted, smallest_live_mtu
from netplan.rollout.nodes.waves import Pair
from netplan.rollout.transport.reply import Answer
from netplan.rollout.verbs.apply import apply
from netplan.rollout.verbs.revert import revert
from tests.support.fake_nodes import LIVE, Cluster, engine, mesh, phases_sent, yes


def test_twenty_nodes_are_staged_before_any_pair_switches(tmp_path: Path) -> None:
    nodes, targets = Cluster(), mesh(20, control=(0, 1, 2))
    outcome = apply(engine(tmp_path, targets, nodes, batch=4), yes)
    assert outcome.outcome == "confirmed"
    sent = [(names, set(who)) for names, who in nodes.calls]
    switches = [n for n, (names, _) in enumerate(sent) if "encrypt" in names]
    staged = [n for n, (names, who) in enumerate(sent) if "permissive" in names and len(who) == 20]
    assert max(staged) < min(switches)
    seen: list[str] = []
    for at in switches:
        turn = [
            request.get("pairs", [peer["pair"] for peer in request["node"]["peers"]])
            for request in nodes.requests[at].values()
        ]
        asked = {pair for pairs in turn for pair in pairs}
        holders = [pair for pairs in turn for pair in pairs]
        assert len(holders) == 2 * len(asked), "both ends of a pair switch in the same step"
        seen += sorted(asked - set(seen))
    assert len(seen) == 190
    control = {target.id[2:] for target in targets[:3]}
    late = [any(end in control for end in pair.split("-")[1:]) for pair in seen]
    first = next(at for at, touches in enumerate(late) if touches)
    assert all(late[first:]), "control-network pairs are last"
    assert seen[0] == f"pair-{targets[3].id[2:]}-{targets[4].id[2:]}"


def test_a_node_that_is_away_stops_everything_unless_it_is_deferred(tmp_path: Path) -> None:
    away = mesh(4)[3].id
    nodes = Cluster(lambda _, node: Answer(unreachable="no route") if node == away else None)
    assert apply(engine(tmp_path / "a", mesh(4), nodes), yes).exit_code == ExitCode.UNREACHABLE
    assert len(nodes.calls) == 1

    nodes = Cluster(nodes.spoil)
    outcome = apply(engine(tmp_path / "b", mesh(4), nodes, defer_away=True), yes)
    assert outcome.outcome == "confirmed"
    assert outcome.left_out == {"h3": ["h0-h3", "h1-h3", "h2-h3"]}
    for request in itertools.chain(*(sent.values() for sent in nodes.requests[1:])):
        assert away not in {peer["id"] for peer in request["node"]["peers"]}
        assert [peer["id"] for peer in request["deferred"]] == [away]
        assert not any(away[2:] in pair for pair in request.get("pairs", ()))
    assert outcome.verdict
    assert len(outcome.verdict.pairs) == 6


def test_too_few_nodes_are_not_deferred_for(tmp_path: Path) -> None:
    first = mesh(3)[0].id
    nodes = Cluster(lambda _, node: Answer(unreachable="no route") if node != first else None)
    assert apply(engine(tmp_path, mesh(3), nodes, defer_away=True), yes).exit_code == ExitCode.UNREACHABLE


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"limit": "h0,h2"}, {"h1", "h3"}),
        ({"exclude": "h3"}, {"h3"}),
        ({"limit": "k8s_*", "exclude": "h[01]"}, {"h0", "h1"}),
    ],
)
def test_patterns_leave_nodes_out(tmp_path: Path, options: dict[str, str], left: set[str]) -> None:
    nodes = Cluster()
    outcome = apply(engine(tmp_path, mesh(4), nodes, **options), yes)
    assert outcome.outcome == "confirmed"
    assert set(outcome.left_out) == left
    touched = {t.name for t in mesh(4) for _, who in nodes.calls if t.id in who}
    assert touched == {"h0", "h1", "h2", "h3"} - left


def test_a_pattern_that_leaves_one_node(tmp_path: Path) -> None:
    nodes = Cluster()
    outcome = apply(engine(tmp_path, mesh(3), nodes, limit="h1"), yes)
    assert (outcome.outcome, [p.code for p in outcome.problems], nodes.calls) == ("failed", ["IPP672"], [])


def small(node: str, size: int) -> Callable[[str, str], Any]:
    live = {**LIVE, "devices": {"ov0": size}}
    return lambda phase, who: {"mtu": live} if (phase, who) == ("as status", node) else None


def test_one_small_device_holds_the_whole_cluster(tmp_path: Path) -> None:
    nodes = Cluster(small(mesh(3)[1].id, 1312))
    outcome = apply(engine(tmp_path, mesh(3), nodes), yes)
    assert (outcome.outcome, outcome.to_raise, outcome.raised) == ("confirmed", (1312, 1416), None)
    assert not {"raise-devices", "raise-senders"} & set(phases_sent(nodes))
    for sent in nodes.requests[1:]:
        for request in sent.values():
            assert request["node"]["mtu"] == {"pod": 1312}
            assert {d["mtu"] for d in request["node"]["overlay"]["devices"]} == {1312}
            assert {p["inner_mtu"] for p in request["node"]["peers"]} == {1312}
            assert {p["outer_packet"] for p in request["node"]["peers"]} == {1396}
            assert request.get("held_mtu") == (1312 if "lower-devices" in request["phases"] else None)


def test_a_raise_is_last_and_only_on_request(tmp_path: Path) -> None:
    nodes = Cluster(small(mesh(3)[1].id, 1312))
    outcome = apply(engine(tmp_path, mesh(3), nodes, lift=True), yes)
    assert (outcome.outcome, outcome.to_raise, outcome.raised) == ("confirmed", None, (1312, 1416))
    assert phases_sent(nodes)[-5:] == ["confirm", "raise-devices", "raise-senders", "probe", "release-lease"]
    assert nodes.requests[-2][mesh(3)[0].id]["node"]["mtu"] == {"pod": 1416}


def test_what_waits_is_raised_by_a_later_apply(tmp_path: Path) -> None:
    nodes = Cluster(to_raise=1312)
    nodes.differs = []
    assert apply(engine(tmp_path / "a", mesh(3), nodes), yes).to_raise == (1312, 1416)
    outcome = apply(engine(tmp_path / "b", mesh(3), nodes, lift=True), yes)
    assert (outcome.outcome, outcome.raised) == ("unchanged", (1312, 1416))
    assert phases_sent(nodes)[-4:] == ["raise-devices", "raise-senders", "probe", "release-lease"]


@pytest.mark.parametrize("phase", ["raise-devices", "raise-senders", "probe"])
def test_a_raise_that_fails_goes_down_again_senders_first(tmp_path: Path, phase: str) -> None:
    def spoil(now: str, node: str) -> Any:
        if now == phase and node == mesh(3)[2].id:
            finding = {"code": "IPP620", "message": "no", "hint": None, "severity": "error"}
            return {"rows": [], "ok": now == "probe", "findings": [finding]}
        return None

    nodes = Cluster(spoil, to_raise=1312)
    nodes.differs = []
    outcome = apply(engine(tmp_path, mesh(3), nodes, lift=True), yes)
    assert (outcome.exit_code, outcome.raised, outcome.to_raise) == (ExitCode.VERIFY_FAILED, None, (1312, 1416))
    assert phases_sent(nodes)[-3:] == ["lower-senders-again", "lower-devices-again", "release-lease"]
    assert all(request["size"] == 1312 for sent in nodes.requests[-3:-1] for request in sent.values())


def test_a_new_device_and_a_raise_are_refused_before_anything_changes(tmp_path: Path) -> None:
    """One device a peer: its files would wait for the raise, and nothing would make it."""
    live = {**LIVE, "devices": {"ov0": 1312, "ov1": None}}
    new = Cluster(lambda phase, who: {"mtu": live} if (phase, who) == ("as status", mesh(3)[1].id) else None)
    outcome = apply(engine(tmp_path, mesh(3), new), lambda _: pytest.fail("asked"))
    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.FAILURE)
    (problem,) = outcome.problems
    assert (problem.code, problem.message) == (
        "IPP639",
        "h1: ov1 would be new, while every node stays at 1312 bytes",
    )
    assert "`apply --raise-mtu` a bundle without the new nodes first" in str(problem.hint)
    assert set(phases_sent(new)) == {"status", "preflight"}
    live["devices"] = {"ov0": 1416, "ov1": None}
    assert apply(engine(tmp_path / "b", mesh(3), new), yes).outcome == "confirmed", "without a raise it is simply made"


def test_a_node_that_left_is_turned_off_alone_but_not_while_others_hold_it(tmp_path: Path) -> None:
    targets = mesh(3)
    nodes = Cluster()
    nodes.state = {"state": "confirmed", "tx": "tx-1", "release": targets[0].digest, "last": {}}
    outcome = revert(engine(tmp_path / "a", targets, nodes, limit="h2"), yes)
    assert [p.code for p in outcome.problems] == ["IPP673"]
    assert phases_sent(nodes) == ["status"]

    nodes = Cluster()
    nodes.state = {"state": "confirmed", "tx": "tx-1", "release": "f" * 64, "last": {}}
    outcome = revert(engine(tmp_path / "b", targets, nodes, limit="h2"), yes)
    assert outcome.outcome == "removed"
    assert [who for _, who in nodes.calls[1:]] == [(targets[2].id,)] * (len(phases.ROLL_BACK + phases.RESTORE) + 1)


def test_sizes_and_pairs_of_a_fitted_node() -> None:
    node = mesh(3)[0].node
    assert fitted(node, (), None) is node
    assert [p["name"] for p in fitted(node, {mesh(3)[1].id}, None)["peers"]] == ["h2"]

    def smallest(**live: Any) -> Any:
        return smallest_live_mtu([node], {node["id"]: {"mtu": {**LIVE, **live}}})

    assert smallest() == smallest(bridge=1450) == smallest_live_mtu([node], {}) == (None, [])
    assert smallest(pods=[{"mtu": 68, "port_mtu": 1450}]) == (None, []), "a pod of its own size"
    assert smallest(bridge=1400)[0] == Hold(1400, "h0: br")
    assert smallest(bridge=1400, devices={"ov0": 1312, "ov1": None})[0] == Hold(1312, "h0: ov0")
    assert Pair(id="p", ends=("a", "b")).ends == ("a", "b")
