"""One node of three replies with anything: the controller ends with Problems, never with an exception, and rolls back.

Each example changes one place of a valid reply and sends it through the check that every reply of a node passes.
"""

from __future__ import annotations

import copy
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from netplan.cli import progress, status
from netplan.problems import ExitCode, ProblemError
from netplan.rollout import phases
from netplan.rollout.transport.reply import Answer, parse
from netplan.rollout.verbs.confirm import confirm
from netplan.rollout.verbs.measure import verify
from netplan.rollout.verbs.resume import resume
from netplan.rollout.verbs.revert import revert
from netplan.verify import drift
from netplan.verify.junit import junit
from tests.support import replies
from tests.support.fake_nodes import IDS, FakeNodes, Run, engine, opened, target, yes

NODE = IDS[1]
CHANGING = [*dict.fromkeys(p for s in phases.APPLY for p in s.phases), "prepare", "confirm"]
ESCAPES = "\x1b]0;owned\x07\x1b[2J\r\n\x00\ud800"
FINDING = {"code": "IPP641", "message": "as it is", "hint": None, "severity": "warning"}
JUNK: list[Any] = [
    *(None, True, False, 0, -1, 1, 3.5, 2**31, 2**63, 2**64, 10**30, -(10**30), 10**4000, 1e308, -1e308, 1e-320),
    *(float("nan"), float("inf"), float("-inf")),
    *("", "x", ESCAPES, "../../etc/passwd", "{{ lookup('env', 'HOME') }}", "IPP603", "IPP671", "confirmed", "open"),
    *([], {}, [None], [ESCAPES], {"": ""}, {ESCAPES: ESCAPES}, {ESCAPES: 1}, [[[]]]),
]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything inside a value."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*at, key)
        yield from places(inner, (*at, key))


def spoiled(reply: dict[str, Any], where: int, how: str, junk: Any) -> Any:
    """Return a copy of a reply that is wrong in one place; ``where`` counts its places, round and round."""
    reply = copy.deepcopy(reply)
    if how == "whole":
        return junk
    if how == "twice":
        return {**reply, "results": reply["results"] * 2}
    if how == "turned":
        return {**reply, "results": reply["results"][::-1]}
    if how == "short":
        return {**reply, "results": reply["results"][:-1]}
    if how == "failed":  # it says that it failed, and not why
        last = reply["results"][where % len(reply["results"])]
        last |= {"ok": False, "findings": [junk] if isinstance(junk, dict) else []}
        return {**reply, "results": reply["results"][: reply["results"].index(last) + 1]}
    found = list(places(reply))
    *way, key = found[where % len(found)]
    inside: Any = reply
    for step in way:
        inside = inside[step]
    if how == "without":
        del inside[key]
    elif how == "more" and isinstance(inside, list):
        inside.append(junk)
    elif how == "more":
        inside["__class__"] = junk
    else:
        inside[key] = junk
    return reply


HOW = st.sampled_from(["other"] * 6 + ["without", "more", "whole", "twice", "turned", "short", "failed"])
WRONG = st.tuples(st.integers(0, 400), HOW, st.sampled_from(JUNK))


class HostileNode(FakeNodes):
    """One of the nodes is hostile in every answer about one phase; all answers have something in every place."""

    def __init__(self, phase: str, wrong: tuple[int, str, Any]) -> None:
        super().__init__()
        self.phase, self.wrong = phase, wrong
        self.state = {
            **replies.status()["state"],
            "last": {"tx": "tx-0", "result": "reverted", "by": "timer", "at": "x"},
        }

    def _answer(self, node_id: str, request: dict[str, Any]) -> Answer:
        answer = super()._answer(node_id, request)
        for result in answer.results:
            result["findings"] = [FINDING]  # type: ignore[list-item]
            if result["phase"] == "status":
                result |= self.full(result)  # type: ignore[arg-type]
        reply: Any = {"results": answer.results, "clock": answer.clock, "wall": answer.wall}
        if node_id == NODE and self.phase in request["phases"]:
            reply = spoiled(reply, *self.wrong)
        return parse(json.dumps(reply), request)  # type: ignore[arg-type]

    @staticmethod
    def full(result: Any) -> dict[str, Any]:
        """What a status has in places that are empty on a quiet node."""
        whole = replies.status()["transaction"]
        return {
            "transaction": {**whole, **result["transaction"]},
            "state": {**replies.status()["state"], **result["state"]},
            "lease": {"owner": "0" * 16, "who": "me@here", "epoch": 3, "until": 1.0, "boot": "b", "left_s": 0},
            "guard": {"mode": "count", "clear": {"clear_out": 0}},
            "mtu": {
                "devices": {"ov0": 1416},
                "bridge": 1416,
                "pods": [{"port": "v", "mtu": 1416, "port_mtu": 1416}],
                "unknown_ports": ["v1"],
            },
            "timers": ["ipsecplan-tx"],
            "certificates": {"node.pem": {"used_percent": 3, "days_left": 1.5}},
            "xfrm_errors": {"XfrmInNoStates": 2},
            "mtu_before": {"ov0": 1450},
            "drift": [{**FINDING, "code": "IPP681", "found": "1", "planned": "2"}],
            "texts": {"swanctl": None, "guard": None, "wildcard": None, "files": {"/x": None}},
        }


def shown(problems: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Every Problem is fit for a terminal."""
    capsys.readouterr()
    for problem in problems:
        assert all(part.isprintable() for part in (problem.code, problem.message, problem.hint or "")), problem
        assert problem.code.startswith("IPP")


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal of each example need not survive a power cut; waiting for the disk is nine tenths of the time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


QUIET = settings(
    max_examples=20,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["status", "preflight", *CHANGING])
@QUIET
@given(wrong=WRONG)
def test_apply_with_a_hostile_node_ends_with_problems(
    phase: str, wrong: tuple[int, str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = HostileNode(phase, wrong)
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = Run(Path(folder), nodes, soak_s=0.0)
        except ProblemError as error:
            shown(error.problems, capsys)
            assert not any("arm" in sent for sent, _ in nodes.calls)
            return
    outcome = run.outcome
    shown(outcome.problems, capsys)
    lines = progress.Lines()
    for event in run.events:
        json.dumps(event.as_json()).encode()
        lines(event)
    assert all(c.isprintable() or c == "\n" for c in capsys.readouterr().err)
    sent = [p for phases_of, _ in nodes.calls for p in phases_of]
    if outcome.outcome in ("failed", "unchanged"):
        assert "arm" not in sent
    elif outcome.outcome == "confirmed":
        assert outcome.exit_code == ExitCode.OK
        assert sent[-1] == "confirm"
        # whatever was wrong, no node said that a phase of the last round had failed
        assert all(result["ok"] for results in run.engine.run.results.values() for result in results.values())
    else:
        assert outcome.exit_code in (ExitCode.REVERTED, ExitCode.REVERT_INCOMPLETE)
        assert outcome.problems
        assert [p for p in sent if p in ("accept-both", "send-clear", "roll-back")] == [
            "accept-both",
            "send-clear",
            "roll-back",
        ]


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["confirm", "resume", "revert", "verify", "status"])
@QUIET
@given(wrong=WRONG, phase=st.sampled_from(["status", "status", "probe", "confirm", "roll-back"]))
def test_other_verbs_with_a_hostile_node_end_with_problems(
    verb: str, phase: str, wrong: tuple[int, str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = HostileNode(phase, wrong)
    nodes.nodes = {i: opened([s.key for s in phases.APPLY], "try", proven=True) for i in IDS}
    with tempfile.TemporaryDirectory() as folder:
        run = engine(Path(folder), [target(i) for i in IDS], nodes)
        try:
            if verb == "confirm":
                outcome = confirm(run)
            elif verb == "resume":
                outcome = resume(run, lambda *_: True, lambda *_: True)
            elif verb == "revert":
                outcome = revert(run, yes)
            else:
                outcome = verify(run)
        except ProblemError as error:
            shown(error.problems, capsys)
            return
        finally:
            run.state.__exit__()
    shown(outcome.problems, capsys)
    for name, node in run.run.results.status.items():
        shown(drift.problems(name, node), capsys)
        status.lines(name, node)
        json.dumps(node).encode()
        assert all(line.isprintable() for line in drift.changed(name, None, node))
    if outcome.verdict:
        junit(outcome.verdict, cluster="lab", at="x", seconds=1.0, problems=outcome.problems).encode()
