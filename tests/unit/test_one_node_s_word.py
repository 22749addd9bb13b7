"""What one node says about others, or about itself, where our own memory or a second node has to agree."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from click.testing import CliRunner

from netplan.cli import ask
from netplan.cli import verify as verify_verb
from netplan.problems import ExitCode
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Options
from netplan.rollout.record.events import silent
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.record.memory import FILE, Memory
from netplan.rollout.transport.reply import Answer
from netplan.rollout.verbs.apply import apply
from netplan.rollout.verbs.confirm import confirm
from netplan.rollout.verbs.measure import status, verify
from netplan.rollout.verbs.resume import resume
from netplan.rollout.verbs.revert import revert
from netplan.verify.junit import junit
from tests.support.fake_nodes import IDS, LIVE, target, yes
from tests.support.remembering import RememberingNodes, confirmed, request_of_key

A, B, C = IDS


class Nodes(RememberingNodes):
    """``away``: nodes that can't be reached."""

    def __init__(self) -> None:
        super().__init__()
        self.away: set[str] = set()

    def _sent(self, node_id: str, request: dict[str, Any]) -> Answer:
        return Answer(unreachable="no route") if node_id in self.away else super()._sent(node_id, request)


def engine(state: ClusterState, nodes: Nodes, **options: Any) -> Engine:
    return Engine("lab", "d" * 64, [target(i) for i in IDS], nodes, state, silent, Options(soak_s=0.0, **options))


def run(root: Path, nodes: Nodes, verb: Any, *more: Any, **options: Any) -> Any:
    with ClusterState(root, "lab") as state:
        return verb(engine(state, nodes, **options), *more)


def report(text: str) -> Xml.Element:
    return Xml.fromstring(text.encode())  # noqa: S314  our own output


def measured(nodes: Nodes) -> set[str]:
    """Return the nodes that were asked to measure."""
    return {i for sent in nodes.requests if "probe" in sent[next(iter(sent))]["phases"] for i in sent}


def liar(nodes: Nodes) -> Nodes:
    """c says that it waits for a."""
    nodes.live[C] = {"deferred": [A]}
    return nodes


def test_verify_measures_a_node_that_another_one_says_is_deferred(tmp_path: Path) -> None:
    nodes = Nodes()
    confirmed(nodes)
    outcome = run(tmp_path, liar(nodes), verify)
    assert (outcome.outcome, outcome.exit_code, outcome.left_out) == ("verified", ExitCode.OK, {})
    assert len(outcome.verdict.pairs) == 6
    assert measured(nodes) == set(IDS)


def test_verify_fails_where_such_a_node_can_t_be_reached(tmp_path: Path) -> None:
    nodes = liar(Nodes())
    confirmed(nodes)
    nodes.away = {A}
    outcome = run(tmp_path, nodes, verify)
    assert (outcome.exit_code, [p.code for p in outcome.problems]) == (ExitCode.UNREACHABLE, ["IPP661"])


def test_confirm_goes_to_all_nodes_whatever_one_says(tmp_path: Path) -> None:
    nodes = Nodes()
    assert run(tmp_path, nodes, lambda e: apply(e, yes, keep=lambda *_: None)).outcome == "awaiting-confirm"
    assert run(tmp_path, liar(nodes), confirm).outcome == "confirmed"
    assert {nodes.word(i) for i in IDS} == {"confirmed"}
    assert nodes.armed == set()


@pytest.mark.parametrize("says_deferred", [True, False])
def test_status_tells_of_every_node_that_can_t_be_reached(tmp_path: Path, says_deferred: bool) -> None:
    nodes = liar(Nodes()) if says_deferred else Nodes()
    confirmed(nodes)
    nodes.away = {A}
    outcome = run(tmp_path, nodes, status)
    assert (outcome.exit_code, [p.message[:22] for p in outcome.problems]) == (
        ExitCode.UNREACHABLE,
        ["a can't be reached: no"],
    )
    assert set(outcome.nodes) == {B, C}


@pytest.mark.parametrize("answers", [False, True])
@pytest.mark.parametrize("ours", [True, False], ids=["own memory", "another control machine"])
def test_who_was_left_out_is_named_and_verify_fails_unless_it_is_meant(
    tmp_path: Path, answers: bool, ours: bool
) -> None:
    nodes = Nodes()
    assert run(tmp_path / "one", nodes, lambda e: apply(e, yes), exclude="a").outcome == "confirmed"
    nodes.away = set() if answers else {A}
    root = tmp_path / ("one" if ours else "other")
    outcome = run(root, nodes, verify)
    if not answers and not ours:  # nobody that we may believe says that it was left out
        assert outcome.exit_code == ExitCode.UNREACHABLE
    else:
        assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.VERIFY_FAILED)
        assert [p.code for p in outcome.problems] == ["IPP705"]
        assert outcome.left_out == {"a": ["b-a", "c-a"]}
        text = junit(outcome.verdict, cluster="lab", at="x", seconds=1, problems=outcome.problems, left_out=["a"])
        assert [case.get("name") for case in report(text).iter("testcase")][-1] == "IPP705"
    meant = run(root, nodes, verify, exclude="a")
    assert (meant.outcome, meant.exit_code, list(meant.left_out)) == ("verified", ExitCode.OK, ["a"])
    text = junit(meant.verdict, cluster="lab", at="x", seconds=1, problems=[], left_out=meant.left_out)
    assert report(text)[0].get("skipped") == "1"


@pytest.mark.parametrize(("words", "code"), [((), 5), (("--exclude", "a"), 0)])
def test_verify_shows_who_was_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int
) -> None:
    nodes = Nodes()
    run(tmp_path, nodes, lambda e: apply(e, yes), exclude="a")

    @contextlib.contextmanager
    def opened(_: Path, __: Any, ___: Any, options: Options, **____: Any) -> Iterator[Engine]:
        with ClusterState(tmp_path, "lab", reading=True) as state:
            yield Engine("lab", "d" * 64, [target(i) for i in IDS], nodes, state, silent, options)

    monkeypatch.setattr(verify_verb, "opened", opened)
    done = CliRunner().invoke(verify_verb.command, ["bundle", "--junit", str(tmp_path / "x.xml"), *words])
    assert done.exit_code == code
    assert "a left out: b-a c-a not measured" in done.output
    assert ("error IPP705: a was left out" in done.output) == bool(code)
    assert ("verified: 2 directions measured" in done.output) == (not code)
    (suite,) = report((tmp_path / "x.xml").read_text())
    assert (suite.get("errors"), suite.get("skipped")) == (("1", "0") if code else ("0", "1"))
    said = json.loads(CliRunner().invoke(verify_verb.command, ["bundle", "--json", *words]).output)
    assert (said["result"]["ok"], said["result"]["left_out"]) == (not code, {"a": ["b-a", "c-a"]})
    assert [problem["code"] for problem in said["errors"]] == (["IPP705"] if code else [])


def test_a_try_without_a_node_is_confirmed_without_it(tmp_path: Path) -> None:
    """Also where that node has an older release, which it says itself."""
    nodes = Nodes()
    confirmed(nodes, release="e" * 64)
    tried = run(tmp_path, nodes, lambda e: apply(e, yes, keep=lambda *_: None), exclude="a")
    assert tried.outcome == "awaiting-confirm"
    outcome = run(tmp_path, nodes, confirm)
    assert (outcome.outcome, list(outcome.left_out)) == ("confirmed", ["a"])
    assert [nodes.here[i]["state"]["release"][0] for i in IDS] == ["e", "0", "0"]


def test_what_was_completed_is_measured_again(tmp_path: Path) -> None:
    nodes = Nodes()
    run(tmp_path, nodes, lambda e: apply(e, yes), exclude="a")
    assert run(tmp_path, nodes, lambda e: apply(e, yes)).outcome == "confirmed"
    assert run(tmp_path, nodes, verify).outcome == "verified"
    assert measured(nodes) == set(IDS)


# --- the MTU


def smaller(nodes: Nodes, node: str, size: int) -> Nodes:
    nodes.live[node] = {"mtu": {**LIVE, "devices": {"ov0": size}, "unknown_ports": []}}
    return nodes


def test_the_question_names_the_size_and_the_device(tmp_path: Path) -> None:
    asked: list[str] = []
    nodes = smaller(Nodes(), C, 1312)
    outcome = run(tmp_path, nodes, lambda e: apply(e, lambda o: bool(asked.append(ask.to_change(o)))))
    assert outcome.outcome == "declined"
    assert "all nodes stay at 1312 bytes instead of 1416, because of c: ov0" in asked[0]


def test_below_what_was_confirmed_nothing_goes_unless_it_is_wanted(tmp_path: Path) -> None:
    nodes = Nodes()
    assert run(tmp_path, nodes, lambda e: apply(e, yes)).outcome == "confirmed"
    smaller(nodes, C, 1312)
    nodes.here[C]["state"]["release"] = "e" * 64  # so that there is something to change
    outcome = run(tmp_path, nodes, lambda e: apply(e, lambda _: pytest.fail("asked")))
    (problem,) = outcome.problems
    assert (outcome.outcome, problem.code) == ("failed", "IPP639")
    assert problem.message == "all nodes would go down from 1416 bytes, which were confirmed, to 1312: c: ov0"
    assert "--hold-mtu" in str(problem.hint)
    outcome = run(tmp_path, nodes, lambda e: apply(e, yes), hold=True)
    assert (outcome.outcome, outcome.to_raise) == ("confirmed", (1312, 1416))


@pytest.mark.parametrize("ours", [True, False])
def test_a_size_that_waits_is_our_own_or_of_two_nodes(tmp_path: Path, ours: bool) -> None:
    """One node that says 576 changes neither what is measured nor what is raised from."""
    nodes = smaller(Nodes(), C, 1312)
    assert run(tmp_path / "one", nodes, lambda e: apply(e, yes)).to_raise == (1312, 1416)
    nodes.live[C] = {"to_raise": 576}
    root = tmp_path / ("one" if ours else "other")
    outcome = run(root, nodes, verify)
    assert {pair.inner_mtu for pair in outcome.verdict.pairs} == {1312}
    assert run(root, nodes, lambda e: apply(e, yes)).to_raise == (1312, 1416)
    raised = run(root, nodes, lambda e: apply(e, yes), lift=True)
    assert raised.raised == (1312, 1416)


def test_one_node_alone_holds_nothing_for_another_control_machine(tmp_path: Path) -> None:
    nodes = Nodes()
    confirmed(nodes)
    nodes.live[C] = {"to_raise": 576}
    assert {pair.inner_mtu for pair in run(tmp_path, nodes, verify).verdict.pairs} == {1416}


# --- another machine


@pytest.mark.parametrize(
    "told",
    [
        {"state": "none", "tx": "", "release": "", "last": {}},
        {"state": "none", "tx": "", "release": "", "last": {"tx": "tx-1", "result": "reverted", "by": "timer"}},
        {"state": "confirmed", "tx": "tx-1", "release": "e" * 64, "last": {}},
    ],
)
def test_another_machine_gets_no_certificate_whatever_it_tells(tmp_path: Path, told: dict[str, Any]) -> None:
    nodes = Nodes()
    assert run(tmp_path, nodes, lambda e: apply(e, yes)).outcome == "confirmed"
    nodes.here[C]["state"] = {**nodes.here[C]["state"], **told}
    nodes.here[C]["held"] = []
    nodes.certified.discard(C)
    nodes.requests_of[C] = request_of_key()
    outcome = run(tmp_path, nodes, lambda e: apply(e, yes))
    assert outcome.outcome in ("failed", "rolled-back")
    assert {p.code for p in outcome.problems} == {"IPP674"}
    assert C not in nodes.certified
    if told["state"] == "none":
        assert run(tmp_path, nodes, lambda e: apply(e, yes), replace="c").outcome == "confirmed"
        assert C in nodes.certified


def test_a_node_that_a_later_apply_left_out_is_still_known_by_its_key(tmp_path: Path) -> None:
    nodes = Nodes()
    run(tmp_path, nodes, lambda e: apply(e, yes))
    for here in nodes.here.values():
        here["state"]["release"] = "e" * 64  # so that there is something to change
    assert run(tmp_path, nodes, lambda e: apply(e, yes), exclude="c").outcome == "confirmed"
    nodes.certified.discard(C)
    nodes.requests_of[C] = request_of_key()
    outcome = run(tmp_path, nodes, lambda e: apply(e, yes))
    assert (outcome.outcome, {p.code for p in outcome.problems}) == ("rolled-back", {"IPP674"})


def test_after_a_revert_every_node_may_have_a_new_key(tmp_path: Path) -> None:
    nodes = Nodes()
    run(tmp_path, nodes, lambda e: apply(e, yes))
    assert run(tmp_path, nodes, lambda e: revert(e, yes)).outcome == "removed"
    nodes.requests_of = {i: request_of_key() for i in IDS}
    assert run(tmp_path, nodes, lambda e: apply(e, yes)).outcome == "confirmed"


def test_a_key_of_an_apply_that_was_rolled_back_may_be_another_one(tmp_path: Path) -> None:
    nodes = Nodes()
    nodes.spoil = lambda phase, _: {"ok": False} if phase == "trap" else None
    assert run(tmp_path, nodes, lambda e: apply(e, yes)).outcome == "rolled-back"
    nodes.spoil = lambda *_: None
    nodes.certified.clear()
    nodes.requests_of = {i: request_of_key() for i in IDS}
    assert run(tmp_path, nodes, lambda e: apply(e, yes)).outcome == "confirmed"


# --- the memory itself


@pytest.mark.parametrize("text", ["", "{", "[]", '{"transactions": 3}', '{"transactions": [{"transaction": 1}]}', "\0"])
def test_a_damaged_memory_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert Memory(tmp_path).confirmed is None
    assert Memory(tmp_path).of(["tx-1"]) is None


def test_resume_remembers_what_another_control_machine_began(tmp_path: Path) -> None:
    nodes = Nodes()
    assert run(tmp_path / "one", nodes, lambda e: apply(e, yes, keep=lambda *_: None)).outcome == "awaiting-confirm"
    resumed = run(tmp_path / "other", nodes, lambda e: resume(e, lambda *_: True, lambda *_: True), steal=True)
    assert resumed.outcome == "confirmed"
    with ClusterState(tmp_path / "other", "lab") as state:
        remembered = Memory(state.folder).confirmed
    assert remembered is not None
    assert (remembered.nodes, remembered.mtu) == (frozenset(IDS), 1416)
    assert (state.folder / FILE).stat().st_mode & 0o777 == 0o600
