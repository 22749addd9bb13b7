"""A node is not trusted: a reply of another shape is no reply, and nothing of it gets further."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netplan.agent.phase_table import PHASES
from netplan.agent.protocol import reply as protocol
from netplan.problems import Problem
from netplan.rollout.answers import judge
from netplan.rollout.pace import Limits, Pace
from netplan.rollout.phases import Step
from netplan.rollout.timers import Timers
from netplan.rollout.transport.reply import Answer, parse
from tests.support import replies

NODE = replies.node_json("n-a", [{"id": "n-b", "pair": "pair-1", "name": "b"}])


def result(phase: str, **about: Any) -> dict[str, Any]:
    said = {"phase": phase, "ok": True, "changed": False, "detail": "", "findings": [], "seconds": 0.5}
    return {**said, **replies.added(phase, NODE), **about}


def reply(*results: dict[str, Any], asked: list[str] | None = None, same: bool = False, **about: Any) -> Answer:
    request: Any = {"phases": asked or [one["phase"] for one in results], "stop_when_same": same, "node": NODE}
    return parse(json.dumps({"results": results, "clock": 1.5, "wall": 2, **about}), request)


@pytest.mark.parametrize("phase", PHASES)
def test_a_whole_reply_is_taken_as_it_is(phase: str) -> None:
    said = result(phase)
    assert reply(said) == Answer(results=[said], clock=1.5, wall=2)  # type: ignore[list-item]


def test_keys_that_nobody_knows_are_dropped() -> None:
    assert reply(result("arm", evil={"a": 1})) == reply(result("arm"))
    assert "evil" not in reply(result("status", evil=1)).results[0]


@pytest.mark.parametrize(
    ("said", "where"),
    [
        (result("status", state={"state": "strange"}), "state"),
        (result("status", differs="no list"), "differs"),
        (result("status", lease=None), "lease"),
        (result("status", ike_sas="3"), "ike_sas"),
        (result("probe", rows=[{"peer": "n-b"}]), "rows.0"),
        (result("preflight", heard=[{"peer": "n-b", "esp": 1}]), "heard.0"),
        (result("facts", version=5), "version"),
        (result("facts", kernel={"iptfs": "perhaps", "per_cpu_sas": "works"}), "kernel.iptfs"),
        (result("stage", request=["a"]), "request"),
        (result("arm", ok="yes"), "results.0.ok"),
        (result("arm", findings=[{"code": "IPP601"}]), "results.0.findings.0"),
        (result("arm", seconds=float("inf")), "results.0.seconds"),
        (result("arm", seconds=1e308), "results.0.seconds"),
        (result("status", ike_sas=10**30), "ike_sas"),
        ({"phase": "arm"}, "results.0.ok"),
    ],
)
def test_what_has_another_shape_is_no_reply(said: dict[str, Any], where: str) -> None:
    found = reply(said)
    assert found.results == []
    assert str(found.broken).startswith(f"its reply has another shape: {where}")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '{"results": 1}', '{"results": []}', "[" * 100_000])
def test_what_is_no_reply_at_all(text: str) -> None:
    found = parse(text, {"phases": ["arm"]})  # type: ignore[typeddict-item]
    assert found.results == []
    assert found.broken


def test_what_the_action_plugin_says_in_its_stead() -> None:
    request: Any = {"phases": ["arm"]}
    assert parse('{"unreachable": "no route"}', request) == Answer(unreachable="no route")
    assert parse('{"unreachable": "Warning: added\\nno route \\n"}', request) == Answer(unreachable="no route")
    assert parse('{"broken": "exit 1: oh"}', request) == Answer(broken="exit 1: oh")


def test_it_answers_what_it_was_asked() -> None:
    asked = ["status", "preflight"]
    assert reply(result("status"), result("preflight"), asked=asked).results
    assert reply(result("status"), asked=asked, same=True).results, "nothing differs"
    assert reply(result("status", ok=False), asked=asked).results, "it stopped at the first that failed"
    for wrong in ([result("status")], [result("preflight"), result("status")], [result("arm")]):
        assert "other phases" in str(reply(*wrong, asked=asked).broken)


def test_a_result_that_failed_needs_no_more_than_every_result() -> None:
    short = {"phase": "status", "ok": False, "changed": False, "detail": "no", "findings": [], "seconds": 1.0}
    assert reply(short).results == [short]


def test_a_broken_reply_becomes_a_problem() -> None:
    found = reply(result("status", lease=None))
    timers = Timers(None, 600, Pace())
    problems, away = judge(Step(phases=("status",), rearm=False), {"n-a": found}, {"n-a": "a"}, {}, timers, Limits())
    assert away == []
    assert [(p.code, p.message) for p in problems if isinstance(p, Problem)] == [
        ("IPP662", "a gave no answer to status: its reply has another shape: lease: Input should be a valid dictionary")
    ]


@pytest.mark.parametrize("findings", [[], [{"code": "IPP641", "message": "x", "hint": None, "severity": "warning"}]])
def test_a_phase_that_failed_without_an_error_fails_the_step(findings: list[Any]) -> None:
    found = reply(result("enforce", ok=False, findings=findings))
    timers = Timers(None, 600, Pace())
    problems, _ = judge(Step(phases=("enforce",)), {"n-a": found}, {"n-a": "a"}, {}, timers, Limits())
    assert [(p.code, p.message) for p in problems] == [("IPP662", "a says that enforce failed, and not why")]


def test_every_phase_that_says_more_has_a_shape_of_its_own() -> None:
    assert set(protocol.RESULTS) <= set(PHASES)
    common = set(protocol.Result.__annotations__)
    assert all(common < set(shape.__annotations__) for shape in protocol.RESULTS.values())


ERROR = {"code": "IPP641", "message": "x", "hint": None, "severity": "error"}


@pytest.mark.parametrize(
    "results",
    [
        [result("status", differs=["x"])],  # something differs, so preflight was to be next
        [result("status", ok=False), result("preflight")],
        [result("status"), result("status"), result("preflight")],
        [result("status"), result("preflight"), result("arm")],
    ],
)
def test_a_phase_that_is_left_out_or_too_many_is_no_reply(results: list[dict[str, Any]]) -> None:
    assert "other phases" in str(reply(*results, asked=["status", "preflight"], same=True).broken)


def test_texts_for_people_are_cut_and_printable_and_documents_are_not() -> None:
    evil = "\x1b]0;owned\x07\u202e" + "x" * 1000
    said = result("status", differs=[evil], timers=[evil], detail=evil, xfrm_errors={evil: 1})
    said["texts"] = {"swanctl": evil, "guard": None, "wildcard": None, "files": {"/x": evil}}
    found: Any = reply(said).results[0]
    for text in (*found["differs"], *found["timers"], found["detail"], *found["xfrm_errors"]):
        assert text.isprintable()
        assert len(text) == 300
    assert (found["texts"]["swanctl"], found["texts"]["files"]) == (evil, {"/x": evil})
    request: Any = reply(result("stage", request=evil)).results[0]
    assert request["request"] == evil


def test_of_many_findings_the_errors_are_kept_and_the_rest_is_counted() -> None:
    many = [{**ERROR, "severity": "warning", "message": str(n)} for n in range(10_000)]
    found = reply(result("arm", ok=False, findings=[*many, ERROR])).results[0]["findings"]
    assert len(found) == 50
    assert found[0] == ERROR
    assert found[-1]["message"] == "and 9952 more"


@pytest.mark.parametrize(
    ("phase", "rows"),
    [
        ("probe", [replies.row(peer="n-b"), replies.row(peer="n-b")]),
        ("probe", [replies.row(peer="n-z")]),
        ("probe", [replies.row(peer="n-b", network="other")]),
        ("reachability", [{"peer": "n-z", "esp": True, "esp_full": True, "udp": True, "udp_full": True}]),
    ],
)
def test_rows_about_others_than_were_asked_for_are_no_reply(phase: str, rows: list[dict[str, Any]]) -> None:
    said = result(phase, **{"rows" if phase == "probe" else "heard": rows})
    assert "a row about" in str(reply(said).broken)


@pytest.mark.parametrize("epoch", [2**53 + 1, -1, 10**4000, 1.0, "1", True])
def test_an_epoch_out_of_bounds_is_no_reply(epoch: Any) -> None:
    lease = {**replies.status()["lease"], "epoch": epoch}
    assert reply(result("status", lease=lease)).broken
    assert reply(result("status", lease={**lease, "epoch": 2**53})).results


@pytest.mark.parametrize("key", ["plaintext", "planted", "flow_gap", "outer", "esp"])
def test_a_count_below_zero_is_no_reply(key: str) -> None:
    assert reply(result("probe", rows=[replies.row(peer="n-b", **{key: -1})])).broken
