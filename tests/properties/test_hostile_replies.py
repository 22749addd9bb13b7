"""One node of three answers with anything, in any phase of any verb: every run ends in something that is true.

Confirmed: the other two have it, and no timer runs. Rolled back: they are as before, and no timer runs. Refused:
nothing was changed. Never an exception, and never a node left to its timer by a controller that lives. Each answer is a
valid one that is wrong in one place, and passes the check that every reply passes.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from netplan.cli import outcome as shown_outcome
from netplan.cli import progress, status
from netplan.problems import ExitCode
from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Options, Outcome
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.transport.reply import Answer, parse
from netplan.rollout.verbs import apply as apply_module
from netplan.rollout.verbs.apply import apply
from netplan.rollout.verbs.confirm import confirm
from netplan.rollout.verbs.measure import status as look
from netplan.rollout.verbs.measure import verify
from netplan.rollout.verbs.resume import resume
from netplan.rollout.verbs.revert import revert
from netplan.rollout.verbs.rotate import rotate
from netplan.verify import drift
from netplan.verify.junit import junit
from tests.sizes import DRILLS
from tests.support.fake_nodes import IDS, LIVE, RELEASE, target, yes
from tests.support.mutations import FINDING, spoiled
from tests.support.remembering import RememberingNodes, confirmed

OLD, NEW = "e" * 64, RELEASE
# what a status has in places that are empty on a quiet node, so that every place is tried
FULL: dict[str, Any] = {
    "guard": {"mode": "count", "clear": {"clear_out": 0}},
    "mtu": {**LIVE, "unknown_ports": ["v1"]},
    "timers": ["ipsecplan-tx"],
    "certificates": {"node.pem": {"used_percent": 3, "days_left": 1.5}},
    "xfrm_errors": {"XfrmInNoStates": 2},
    "mtu_before": {"ov0": 1450},
    "drift": [{**FINDING, "code": "IPP681", "found": "1", "planned": "2"}],
    "close": [
        {
            "peer": "n-1",
            "network": "",
            "ike": "ESTABLISHED",
            "established_s": 1,
            "rekey_s": 2,
            "route": "x",
            "xfrm_errors": {"XfrmInNoStates": 2},
            "words": ["said"],
            "children": [
                {
                    "name": "a",
                    "state": "INSTALLED",
                    "transform": "x",
                    "mode": "TRANSPORT",
                    "encap": False,
                    "bytes_in": 1,
                    "bytes_out": 1,
                    "packets_in": 1,
                    "packets_out": 1,
                    "installed_s": 1,
                    "rekey_s": 1,
                }
            ],
        }
    ],
    "texts": {"swanctl": None, "guard": None, "wildcard": None, "files": {"/x": None}},
}


class Hostile(RememberingNodes):
    """The answers of one node to requests with one phase are wrong: all of them, or one."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance, self.node, self.phase, self.only = chance, "", "", 0
        self.asked: list[str] = []  # the phases of a run
        self.spoiled = 0

    def _sent(self, node_id: str, request: dict[str, Any]) -> Answer:
        answer = self._answer(node_id, request)
        for result in answer.results:
            own: Any = result
            own["findings"] = own["findings"] or [FINDING]
            if own["phase"] == "status" and own["ok"]:
                own |= {"differs": [*own["differs"]], **copy.deepcopy(FULL)}
            self.asked.append(own["phase"])
        reply: Any = {"results": answer.results, "clock": answer.clock, "wall": answer.wall}
        if node_id == self.node and self.phase in request["phases"] and (not self.only or self.spoiled < self.only):
            self.spoiled += 1
            return parse(spoiled(self.chance, reply), request)  # type: ignore[arg-type]
        return parse(json.dumps(reply), request)  # type: ignore[arg-type]


Verb = Callable[[Engine], Outcome]


def try_detached(engine: Engine) -> Outcome:
    return apply(engine, yes, keep=lambda *_: None)


def go_on(engine: Engine) -> Outcome:
    return resume(engine, lambda *_: True, lambda *_: True)


# verb -> (what was before: nothing, an older release, this one confirmed, a try of it; its options; the act)
VERBS: dict[str, tuple[str, dict[str, Any], Verb]] = {
    "apply": ("nothing", {}, lambda e: apply(e, yes)),
    "apply over a release": ("older", {}, lambda e: apply(e, yes)),
    "apply again": ("confirmed", {}, lambda e: apply(e, yes)),
    "apply --raise-mtu": ("small", {"lift": True}, lambda e: apply(e, yes)),
    "apply --exclude": ("nothing", {"exclude": "c"}, lambda e: apply(e, yes)),
    "try": ("nothing", {}, try_detached),
    "try, yes": ("older", {}, lambda e: apply(e, yes, keep=lambda *_: True)),
    "try, no": ("older", {}, lambda e: apply(e, yes, keep=lambda *_: False)),
    "confirm": ("tried", {}, confirm),
    "resume of a try": ("tried", {}, go_on),
    "resume": ("begun", {}, go_on),
    "revert": ("confirmed", {}, lambda e: revert(e, yes)),
    "revert of a try": ("tried", {}, lambda e: revert(e, yes)),
    "verify": ("confirmed", {}, verify),
    "status": ("confirmed", {}, look),
    "rotate certificates": ("confirmed", {}, lambda e: rotate(e, "certificates", yes)),
    "rotate ca": ("confirmed", {}, lambda e: rotate(e, "ca", yes)),
    "rotate psk": ("psk", {}, lambda e: rotate(e, "psk", yes)),
}


def engine(nodes: Hostile, state: ClusterState, events: list[Any], auth: str, **options: Any) -> Engine:
    targets = [target(i) for i in IDS]
    for one in targets:
        one.node["auth"] = auth
        for peer in one.node["peers"]:
            peer["pair"] = "pair-" + peer["pair"][-2:] * 6
    return Engine("lab", "d" * 64, targets, nodes, state, events.append, Options(soak_s=0.0, **options))


def prepared(before: str, state: ClusterState, nodes: Hostile, auth: str) -> None:
    """Bring the nodes to where a verb begins."""
    if before == "older":
        confirmed(nodes, release=OLD)
    elif before in ("confirmed", "psk", "small"):
        if before == "small":
            small = {**LIVE, "devices": {"ov0": 1312}, "unknown_ports": []}
            nodes.live = {i: {"mtu": small} for i in IDS}
        made = apply(engine(nodes, state, [], auth), yes)
        assert made.outcome == "confirmed", made.problems
        nodes.live = {}
    elif before == "tried":
        assert try_detached(engine(nodes, state, [], auth)).outcome == "awaiting-confirm"
    elif before == "begun":
        begun = engine(nodes, state, [], auth)
        begun.read_state()
        begun.begin("apply")
        begun.acquire_lease()
        begun.remember()
        for step in phases.APPLY[:3]:
            begun.step(step)
        begun.abandon()
    nodes.asked.clear()


def side(nodes: Hostile, node_id: str) -> tuple[Any, ...]:
    """Return where a node stands: its state, its release, whether its timer runs."""
    state = nodes.here[node_id]["state"]
    return state["state"], state["release"], node_id in nodes.armed


def harmless(outcome: Outcome, run: Engine, events: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Everything that people get to see is fit for a terminal, and can be written as JSON and XML."""
    capsys.readouterr()
    lines = progress.Lines()
    for event in events:
        json.dumps(event.as_json()).encode()
        lines(event)
    for problem in outcome.problems:
        assert all(
            part.isprintable() and len(part) < 2000 for part in (problem.code, problem.message, problem.hint or "")
        )
        assert problem.code.startswith("IPP")
    for name, node in run.run.results.status.items():
        drift.problems(name, node)
        status.lines(name, node)
        json.dumps(node).encode()
        list(drift.changed(name, None, node))
    if outcome.verdict:
        junit(outcome.verdict, cluster="lab", at="x", seconds=1.0, problems=outcome.problems).encode()
    if outcome.outcome in (
        "confirmed",
        "rolled-back",
        "rollback-incomplete",
        "awaiting-confirm",
        "unchanged",
        "failed",
    ):
        for json_ in (False, True):
            with contextlib.suppress(click.exceptions.Exit):
                shown_outcome.ended(outcome, json_=json_)
    said = capsys.readouterr()
    assert all(c.isprintable() or c in "\n\t" for c in said.err + said.out)


def judge(outcome: Outcome, nodes: Hostile, before: dict[str, Any], keep: Any) -> None:
    """What the outcome says is true of the nodes that were honest, and none is left to its timer."""
    honest = [i for i in IDS if i != nodes.node and i not in keep]
    now, was = {i: side(nodes, i) for i in honest}, {i: before[i] for i in honest}
    sides = set(now.values())
    word = outcome.outcome
    if word == "confirmed":
        assert sides == {("confirmed", NEW, False)}
        assert outcome.exit_code in (ExitCode.OK, ExitCode.VERIFY_FAILED)  # the latter where a raise was not proven
    elif word in ("rolled-back", "rollback-incomplete"):
        assert sides <= {("none", "", False), ("confirmed", OLD, False)} or (word, now) == ("rollback-incomplete", was)
        assert not any(timer for *_, timer in sides)
        assert outcome.problems
    elif word == "removed":
        assert sides == {("none", "", False)}
    elif word == "awaiting-confirm":
        assert {state for state, *_ in sides} == {"open"}
    else:  # failed, unchanged, verified, seen, rotated, interrupted: nothing of the transaction was changed
        assert now == was, word
        assert word in ("failed", "unchanged", "verified", "seen", "rotated", "interrupted", "declined")
        assert word in ("unchanged", "verified", "seen", "rotated") or outcome.problems
    if word == "verified":
        assert outcome.verdict is not None
        assert len(outcome.verdict.pairs) == 6


def asked_by(verb: str, root: Path) -> list[str]:
    """Return the phases that a verb asks for when all is well."""
    before, options, act = VERBS[verb]
    nodes = Hostile(random.Random(0))
    auth = "psk" if before == "psk" else "certificates"
    with ClusterState(root, "lab") as state:
        prepared(before, state, nodes, auth)
        act(engine(nodes, state, [], auth, **options))
    return list(dict.fromkeys(nodes.asked))


def attack(verb: str, phase: str, seed: int, root: Path, capsys: pytest.CaptureFixture[str]) -> int:
    """Run a verb with one hostile node; return how many of its answers were wrong."""
    before, options, act = VERBS[verb]
    chance = random.Random(f"{verb} {phase} {seed}")
    nodes = Hostile(chance)
    auth = "psk" if before == "psk" else "certificates"
    events: list[Any] = []
    with ClusterState(root, "lab") as state:
        prepared(before, state, nodes, auth)
        was = {i: side(nodes, i) for i in IDS}
        nodes.node = chance.choice(IDS[:2] if "exclude" in options else IDS)
        nodes.phase, nodes.only = phase, chance.choice([0, 1])
        run = engine(nodes, state, events, auth, **options)
        outcome = act(run)
        assert run.run.defects == [], run.run.defects
        assert run.recorder.unheard is None
        journal = state.last()
        assert not journal or verb in ("verify", "status") or journal[-1]["event"] == "RunFinished"
    judge(outcome, nodes, was, {IDS[2]} if "exclude" in options else ())
    harmless(outcome, run, events, capsys)
    return nodes.spoiled


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal of each run need not survive a power cut; who waits for another one does not wait here."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(apply_module, "RACE_PAUSE_S", 0)


def campaign(verb: str, count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> int:
    """Attack every phase of a verb until so many answers were wrong; return how many were."""
    asked = asked_by(verb, tmp_path / "asked")
    wrong = seed = 0
    while wrong < count:
        for phase in asked:
            seed += 1
            wrong += attack(verb, phase, seed, tmp_path / f"{seed}", capsys)
        assert seed < 40 * count
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_hostile_node_ends_no_verb_in_a_lie(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert campaign(verb, 6, tmp_path, capsys) >= 6


@pytest.mark.drill
@pytest.mark.skipif(not DRILLS, reason="a drill")
@pytest.mark.parametrize("verb", VERBS)
def test_ten_thousand_answers_end_no_verb_in_a_lie(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count = 10_000 // len(VERBS) + 1
    assert campaign(verb, count, tmp_path, capsys) >= count
