"""A machine that was replaced: said by name, refused without a word, and no other node is taken for one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.system import vici
from netplan.agent.transaction import replaced as replaced_here
from netplan.cli import status
from netplan.problems import ExitCode
from netplan.rollout.nodes import replaced
from netplan.rollout.verbs.apply import apply
from tests.support.fake_nodes import Cluster, engine, failure, mesh, phases_sent, yes

TARGETS = mesh(3)
IDS = [target.id for target in TARGETS]
CONFIRMED = {"state": "confirmed", "tx": "tx-1", "release": "0" * 64, "last": {"tx": "tx-1", "result": "confirmed"}}
NEW: dict[str, Any] = {"state": "none", "tx": "", "release": "", "last": {}}
PROGRESS = {"steps": [], "proven": False, "kind": ""}


def pairs(node_id: str) -> list[str]:
    return [peer["pair"] for target in TARGETS if target.id == node_id for peer in target.node["peers"]]


def cluster(**states: dict[str, Any]) -> Cluster:
    """Nodes h0, h1, h2: confirmed and keeping all their pairs, unless told otherwise by name."""

    def as_status(phase: str, node: str) -> dict[str, Any] | None:
        state = states.get(f"h{IDS.index(node)}", CONFIRMED)
        held = pairs(node) if state["state"] == "confirmed" else []
        if phase == "as status":
            return {"held": held, "differs": ["x"] if held == [] else []}
        return None

    nodes = Cluster(as_status)
    nodes.nodes = {i: (states.get(f"h{n}", CONFIRMED), PROGRESS) for n, i in enumerate(IDS)}
    return nodes


def test_it_is_refused_by_name_before_anything_changes(tmp_path: Path) -> None:
    nodes = cluster(h1=NEW)
    outcome = apply(engine(tmp_path, TARGETS, nodes), lambda _: pytest.fail("asked"))
    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.FAILURE)
    (problem,) = outcome.problems
    assert (problem.code, problem.severity) == ("IPP674", "error")
    assert problem.message == "h1 was replaced: it has nothing of the release that h0, h2 keep with it"
    assert "--replace h1" in str(problem.hint)
    assert set(phases_sent(nodes)) == {"status", "preflight"}


def test_it_is_the_reason_of_whatever_else_preflight_finds(tmp_path: Path) -> None:
    nodes = cluster(h1=NEW)
    inner = nodes.spoil
    nodes.spoil = lambda phase, node: failure("IPP641") if phase == "preflight" else inner(phase, node)
    assert [p.code for p in apply(engine(tmp_path, TARGETS, nodes), yes).problems] == ["IPP674"]


def test_with_the_word_everybody_takes_part_and_what_is_left_is_said(tmp_path: Path) -> None:
    nodes = cluster(h1=NEW)
    outcome = apply(engine(tmp_path, TARGETS, nodes, replace="h1"), yes)
    assert outcome.outcome == "confirmed"
    assert nodes.calls[0] == (("status", "preflight"), tuple(IDS))
    assert not any(request["stop_when_same"] for request in nodes.requests[0].values())
    staged = next(sent for sent in nodes.requests if "stage" in next(iter(sent.values()))["phases"])
    assert [request["replaced"] for request in staged.values()] == [[IDS[1]]] * 3
    (left,) = outcome.problems
    assert (left.severity, left.message[:4]) == ("warning", "h1: ")
    assert "rotate ca" in left.message


@pytest.mark.parametrize(
    ("words", "states", "said"),
    [
        ("h9", {"h1": NEW}, "is no node of this run"),
        ("h0", {"h1": NEW}, "h0 was not replaced: it still has ipsecplan state"),
        ("h0", {}, "h0 was not replaced"),
        ("h0", {"h0": NEW, "h1": NEW, "h2": NEW}, "no other node keeps a pair with it"),
    ],
)
def test_what_was_not_replaced(tmp_path: Path, words: str, states: dict[str, Any], said: str) -> None:
    nodes = cluster(**states)
    outcome = apply(engine(tmp_path, TARGETS, nodes, replace=words), lambda _: pytest.fail("asked"))
    assert outcome.exit_code == ExitCode.FAILURE
    assert any(said in problem.message for problem in outcome.problems)
    assert "arm" not in phases_sent(nodes)


@pytest.mark.parametrize(
    "state",
    [
        {**NEW, "last": {"tx": "tx-1", "result": "reverted", "by": "timer"}},  # `resume` settles that
        {**CONFIRMED, "state": "open"},
    ],
)
def test_a_node_with_a_memory_is_none(state: dict[str, Any]) -> None:
    found = {i: {"state": CONFIRMED, "held": pairs(i)} for i in IDS} | {IDS[1]: {"state": state, "held": []}}
    targets = {target.id: target for target in TARGETS}
    assert replaced.nodes_without_state(targets, found) == {}
    assert replaced.nodes_without_state(targets, found | {IDS[1]: {"state": NEW, "held": []}}) == {IDS[1]: ["h0", "h2"]}


def test_status_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def opened(*_: Any, **__: Any) -> Iterator[Any]:
        yield engine(tmp_path, TARGETS, cluster(h1=NEW))

    monkeypatch.setattr(status, "opened", opened)
    nodes, outcome, _ = status._look(tmp_path, None, None)
    assert list(nodes) == ["h0", "h1", "h2"]
    assert ([p.code for p in outcome.problems], outcome.exit_code) == (["IPP674"], ExitCode.DIFFERENCE)


def peers(*names: str) -> list[dict[str, Any]]:
    return [{"pair": f"pair-{name}", "id": f"n-{name}"} for name in names]


def test_a_node_keeps_what_it_had_and_not_what_it_only_waits_for(home: Path) -> None:
    def confirmed(tx: str) -> dict[str, str]:
        return {"state": "confirmed", "tx": tx}

    replaced_here.remember("tx-1", peers("b"), peers("c"))
    assert replaced_here.held(confirmed("tx-1")) == ["pair-b"], "c was never there"
    assert replaced_here.held({"state": "open", "tx": "tx-1"}) == []
    (home / "tx" / "tx-2").mkdir()
    (home / "tx" / "tx-2" / "before").write_text("confirmed tx-1 release\n")
    replaced_here.remember("tx-2", peers("d"), peers("b", "c"))
    assert replaced_here.held(confirmed("tx-2")) == ["pair-b", "pair-d"], "b is away, and still kept"


def test_peers_end_what_they_have_with_a_machine_that_is_gone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    class Link:
        def __enter__(self) -> Link:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def call(self, verb: str, ike: str, **_: Any) -> None:
            assert verb == "terminate"
            ended.append(ike)

    monkeypatch.setattr(vici, "Vici", Link)
    monkeypatch.setattr(vici, "sas", lambda: [("pair-b", {}), ("pair-c", {}), ("pair-x", {})])
    replaced_here.meet("tx-1", {"id": "n-a", "peers": peers("b", "c")}, ["n-b"])
    assert ended == ["pair-b"], "the other pairs are not touched"
    assert not replaced_here.here("tx-1")
    replaced_here.meet("tx-1", {"id": "n-b", "peers": peers("x")}, ["n-b"])
    assert replaced_here.here("tx-1")
