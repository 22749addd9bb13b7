"""What the nodes' answers to a step come to: each failure has a node, a reason and, where there is one, what to do."""

from __future__ import annotations

from typing import Any

import pytest

from netplan.problems import Problem
from netplan.rollout.answers import judge, problems_of
from netplan.rollout.nodes.targets import Target
from netplan.rollout.pace import Limits, Pace
from netplan.rollout.phases import Step
from netplan.rollout.timers import Timers
from netplan.rollout.transport.reply import Answer
from tests.support.fake_nodes import mesh

STEP = Step(phases=("trap", "soak"))
NAMES = {f"n-{c}": c for c in "abcdefgh"}
SLOW = "a round trip to the slowest node takes 2.0 s, a look at it 1.0 s more"


def result(phase: str = "trap", ok: bool = True, **more: Any) -> Any:
    return {"phase": phase, "ok": ok, "changed": True, "detail": "", "seconds": 0.1, "findings": [], **more}


def finding(code: str = "IPP614", severity: str = "error", **more: Any) -> dict[str, Any]:
    return {"code": code, "message": "no", "hint": "do so", "severity": severity, **more}


def failed(*findings: dict[str, Any], phase: str = "trap", **more: Any) -> Answer:
    return Answer(results=[result(phase, ok=False, findings=list(findings), **more)])


def timers(**more: Any) -> Timers:
    return Timers(None, 600, Pace(trip_s=2.0, work_s=1.0, nodes=3), **more)


def judged(step: Step = STEP, at: float = 50.0, clock: Timers | None = None, **said: Answer) -> tuple[Any, list[str]]:
    answers = {f"n-{name}": answer for name, answer in said.items()}
    problems, away = judge(step, answers, NAMES, dict.fromkeys(answers, at), clock or timers(), Limits(600, 7, 9))
    return [(p.code, p.message, p.hint) for p in problems], away


def test_a_finding_of_a_node_has_its_name() -> None:
    assert problems_of("a", result(findings=[finding(), finding("IPP615", "warning", hint=None)])) == [
        Problem(code="IPP614", message="a: no", hint="do so", severity="error"),
        Problem(code="IPP615", message="a: no", hint=None, severity="warning"),
    ]


def test_nothing_is_wrong_where_all_said_yes() -> None:
    warned = Answer(results=[result(), result("soak", findings=[finding(severity="warning")])])
    assert judged(a=Answer(results=[result(), result("soak")]), b=warned) == ([], [])


def test_who_is_away_said_nothing_or_no_is_named() -> None:
    problems, away = judged(
        a=Answer(unreachable="no route"), b=Answer(broken="not JSON"), c=failed(finding()), d=failed(), e=Answer()
    )
    assert away == ["a"]
    assert problems == [
        (
            "IPP661",
            "a can't be reached: no route",
            "waited 7 s for a connection, 9 s for a sign of life on one",
        ),
        ("IPP662", "b gave no answer to trap: not JSON", None),
        ("IPP614", "c: no", "do so"),
        ("IPP662", "d says that trap failed, and not why", None),
        ("IPP662", "e gave no answer to trap: no answer", None),
    ]


def test_a_warning_is_no_reason_of_a_failure() -> None:
    assert judged(a=failed(finding(severity="warning")))[0] == [
        ("IPP662", "a says that trap failed, and not why", None)
    ]


def waits(number: int = 1, **more: Any) -> Answer:
    return failed(waiting_for=["n-b"], lacking=number, **more)


def test_who_lacks_peers_at_the_end_is_named_where_nothing_else_is_wrong() -> None:
    assert judged(**{name: waits() for name in "abcdefgh"})[0] == [
        ("IPP662", "a, b, c, d, e, f said of trap no more than that peers lack", None)
    ]
    assert judged(a=waits(), b=failed(finding()))[0] == [("IPP614", "b: no", "do so")]


def test_a_node_whose_timer_fired_comes_first_and_its_symptoms_are_none() -> None:
    clock = timers()
    clock.sent({f"n-{name}": {"timer": 30} for name in "ab"}, "encrypt", 10.0)  # type: ignore[misc]
    gone = "b rolled back during the run: its timer of 30 s, which counts from the sending of encrypt, fired before "
    problems, _ = judged(a=failed(finding()), b=failed(finding("IPP603"), finding("IPP615"), phase="soak"), clock=clock)
    assert problems == [
        (
            "IPP676",
            f"{gone}soak was done, 40 s later; {SLOW}",
            "apply again: the timer is set by what is measured then",
        ),
        ("IPP614", "a: no", "do so"),
        ("IPP615", "b: no", "do so"),
    ]
    assert judged(a=failed(finding("IPP603")), at=38.9, clock=clock)[0] == [("IPP603", "a: no", "do so")]
    assert [code for code, _, _ in judged(a=failed(finding("IPP603")), at=39.0, clock=clock)[0]] == ["IPP676"]
    assert judged(c=failed(finding("IPP603")), clock=clock)[0] == [("IPP603", "c: no", "do so")]


@pytest.mark.parametrize(
    ("ended", "fired"),
    [
        ({"result": "reverted", "by": "timer"}, True),
        ({"result": "reverted", "by": "operator"}, False),
        ({"result": "confirmed", "by": "timer"}, False),
        ({}, False),
    ],
)
def test_a_transaction_that_its_timer_ended_early_is_told_by_how_it_ended(ended: dict[str, str], fired: bool) -> None:
    """Before our clock says that it can have fired: the node says so itself."""
    clock = timers()
    clock.sent({"n-a": {"timer": 300}}, "encrypt", 10.0)  # type: ignore[misc]
    problems, _ = judged(a=failed(finding("IPP603", ended=ended)), clock=clock)
    assert [code for code, _, _ in problems] == ["IPP676" if fired else "IPP603"]


def test_a_timer_that_was_not_even_armed_anew_is_the_one_before() -> None:
    clock = timers()
    for key, begin in (("trap", 10.0), ("enforce", 45.0)):
        clock.sent({"n-a": {"timer": 30}}, key, begin)  # type: ignore[misc]
    rearming = Step(phases=("enforce", "probe"))
    (problem,), _ = judged(rearming, a=failed(finding("IPP603"), phase="enforce"), clock=clock)
    assert problem[0] == "IPP676"
    assert "from the sending of trap, fired before enforce was done, 40 s later" in problem[1]


def test_of_an_earlier_run_s_timer_it_is_said_what_was_left_of_it() -> None:
    clock = timers()
    clock.take_over("n-a", 20.0, 25.0)
    (problem,), _ = judged(a=failed(finding("IPP603")), clock=clock)
    assert "its timer, of an earlier run and with 20 s left when this one began, fired" in problem[1]
    assert not clock.ours


def test_a_chosen_timer_that_fired_is_to_be_longer() -> None:
    clock = Timers(40, 600, Pace(trip_s=2.0, work_s=1.0, nodes=3))
    clock.sent({"n-a": {"timer": 40}}, "trap", 9.0)  # type: ignore[misc]
    (problem,), _ = judged(a=failed(finding("IPP603")), clock=clock)
    assert problem[2] == "give --rollback-timeout 41 or more, or none: it is measured then"


def nodes(number: int) -> dict[str, Any]:
    made: list[Target] = mesh(number)
    return {target.id: target.node for target in made}


def test_forks_follow_from_the_time_of_a_request_once_they_do_not_reach_all_nodes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[float, ...]] = []
    monkeypatch.setattr("netplan.rollout.timers.arithmetic.forks", lambda *words: asked.append(words) or 7)
    monkeypatch.setattr("netplan.rollout.timers.this_machine", lambda: (2, 10**9))
    clock = Timers(None, 600, Pace(trip_s=2.0, work_s=1.0, forks=4))
    assert clock.fit((STEP,), nodes(4)) == []
    assert (clock.pace.forks, asked) == (4, []), "all at once"
    assert clock.fit((STEP,), nodes(5)) == []
    assert (clock.pace.forks, asked) == (7, [(2, 10**9, 2.25)])
    assert (clock.pace.nodes, clock.pace.peers, clock.pace.directions) == (5, 4, 20)
    chosen = Timers(None, 600, Pace(trip_s=2.0, work_s=1.0, forks=4), forks=4)
    assert chosen.fit((STEP,), nodes(5)) == []
    assert (chosen.pace.forks, len(asked)) == (4, 1), "the operator's"


def test_how_many_rounds_a_step_needs_is_said_where_it_is_more_than_one() -> None:
    one, two = (Timers(None, 600, Pace(trip_s=2.04, work_s=1.06, nodes=n, forks=4)) for n in (4, 5))
    assert one.words() == "a round trip to the slowest node takes 2.0 s, a look at it 1.1 s more"
    assert two.words() == f"{one.words()}, and 5 nodes need 2 of them a step"
    told = one.told()
    assert (told.trip_s, told.work_s, told.timer_s) == (2.0, 1.1, one.timer_s)
