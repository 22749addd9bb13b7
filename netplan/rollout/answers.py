"""What the nodes' answers to one step mean: problems, and who can't be reached. Nothing that a node says is trusted."""

from __future__ import annotations

from collections.abc import Mapping

from netplan.agent.protocol.reply import Finding, Last, Result
from netplan.problems import Problem, errors
from netplan.rollout.pace import Limits
from netplan.rollout.phases import Step
from netplan.rollout.timers import SYMPTOMS, Failure, Timers
from netplan.rollout.transport.reply import Answer


def problems_of(name: str, result: Result) -> list[Problem]:
    """Return the findings of one phase of a node as Problems."""
    return [
        Problem(
            code=f["code"],
            message=f"{name}: {f['message']}",
            hint=f["hint"],
            severity=f["severity"],
        )
        for f in result["findings"]
    ]


SKEW_S = 60  # as on the node, netplan/agent/phases/preflight.py, which finds a clock that is behind


def clock_is_ahead(answer: Answer, now: float) -> None:
    """Let a node that answers its preflight fail it when its clock is ahead of ``now`` (both wall clocks, in seconds).

    Its answer has been on the way since it read its clock, so a slow way can't be taken for a wrong clock.
    """
    ahead = answer.wall - now if answer.wall is not None else 0.0
    for result in answer.results if ahead > SKEW_S else ():
        if result["phase"] == "preflight":
            text = f"the clock is {round(ahead):+d} s off the controller's"
            found: Finding = {
                "code": "IPP632",
                "message": text,
                "severity": "error",
                "hint": "certificates need true time: set NTP up",
            }
            result["ok"], result["detail"] = False, text
            result["findings"] = [*result["findings"], found]


def lacking(answer: Answer) -> int:
    """Return of how many peers a node lacks something, so that it is to be asked again; 0 where it does not wait."""
    last = answer.results[-1] if answer.results else None
    if last is None or last["ok"] or last["findings"]:
        return 0
    return last.get("lacking", 0) if last.get("waiting_for") else 0


def judge(
    step: Step,
    answers: Mapping[str, Answer],
    names: Mapping[str, str],
    at: Mapping[str, float],
    timers: Timers,
    limits: Limits,
) -> tuple[list[Problem], list[str]]:
    """Return what went wrong in a step, and the names of nodes that can't be reached.

    ``at``: node id -> when it answered, on our monotonic clock. Nodes whose own timer rolled them back during the run
    come first: what the others lack may follow from it.
    """
    problems: list[Problem] = []
    gone: list[Problem] = []
    unreachable = []
    late = []
    for node_id, answer in answers.items():
        if lacking(answer):
            late.append(names[node_id])
            continue
        mine: list[Problem] = []
        ended: Last = {}
        name, phase = names[node_id], step.phases[0]
        if answer.unreachable is not None:
            unreachable.append(name)
            mine.append(_away(name, answer.unreachable, limits))
        elif not answer.results:
            mine.append(
                Problem(
                    code="IPP662", message=f"{name} gave no answer to {step.phases[0]}: {answer.broken or 'no answer'}"
                )
            )
        for result in answer.results:
            if not result["ok"]:
                mine += errors(problems_of(name, result)) or [_no_reason(name, result)]
                phase, ended = result["phase"], _ended(result)
        codes = {problem.code for problem in mine}
        refused = step.rearm and phase == step.phases[0] and "IPP603" in codes
        fired = timers.fired(node_id, name, Failure(phase, codes, at.get(node_id, 0.0), ended, refused))
        if fired:
            gone.append(fired)
            mine = [p for p in mine if p.code not in SYMPTOMS]
        problems += mine
    if late and not (gone or problems):  # it was told that this was the last time
        text = f"{', '.join(late[:6])} said of {step.phases[0]} no more than that peers lack"
        problems = [Problem(code="IPP662", message=text)]
    return gone + problems, unreachable


def _no_reason(name: str, result: Result) -> Problem:
    """A node says that a phase failed, and no more: a failure all the same."""
    return Problem(code="IPP662", message=f"{name} says that {result['phase']} failed, and not why")


def _away(name: str, said: str, limits: Limits) -> Problem:
    waited = f"waited {limits.connect_s} s for a connection, {limits.alive_s} s for a sign of life on one"
    return Problem(code="IPP661", message=f"{name} can't be reached: {said}", hint=waited)


def _ended(result: Result) -> Last:
    """Return how the transaction ended on a node that says so."""
    for finding in result["findings"]:
        ended = finding.get("ended", {})
        if ended.get("result") == "reverted":
            return ended
    return {}
