"""Rolling back: a failed transaction at once, an open one on request, or everything, to the state before ipsecplan."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import replace

from netplan.problems import ExitCode, Problem, ProblemError
from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Failed, Outcome
from netplan.rollout.record.events import Reverting

ROUNDS = 2  # that the controller rolls back; a node goes on by itself after them


def undo_after(engine: Engine, failure: Failed, outcome: Outcome) -> None:
    """Roll the transaction back on every node, now, and read back that nothing of it is left. Fills ``outcome``.

    Who can't be reached has its timer.
    """
    engine.emit(Reverting(reason=str(failure)))
    outcome.problems += failure.problems
    said: list[Problem] = []
    for _ in range(ROUNDS):
        said, found, lost = _round(engine)
        if lost or not found:
            break  # done; or a node is away, whose own timer is the next that can do something
    if not found:
        outcome.outcome, outcome.exit_code = "rolled-back", ExitCode.REVERTED
        return
    longest = max(engine.timers.timer_s, engine.options.keep_s if engine.run.kind == "try" else 0)
    away = f"an unreachable node rolls back by itself within {longest} s; " if lost else ""
    hint = f"{away}each node goes on until nothing is left; see `ipsecplan status`"
    outcome.problems += [*_unsaid(said, found), *found]
    text = f"rollback incomplete: {_who(engine, found, lost)}"
    outcome.problems.append(Problem(code="IPP663", message=text, hint=hint))
    outcome.outcome, outcome.exit_code = "rollback-incomplete", ExitCode.REVERT_INCOMPLETE


def _round(engine: Engine) -> tuple[list[Problem], list[Problem], list[str]]:
    """Roll back once on every node and read back over a new connection.

    Returns what the steps said, what is wrong at the end, and the names of nodes that can't be reached then. What a
    step said counts only where something is wrong at the end: a node's timer may have been faster.
    """
    said: list[Problem] = []
    for step in phases.ROLL_BACK:
        try:
            engine.step(step)
        except Failed as failure:
            said += failure.problems
    try:
        engine.step(phases.READ_BACK)
    except Failed as failure:
        return said, failure.problems, list(failure.unreachable)
    return said, [], []


def _unsaid(problems: Collection[Problem], beside: Collection[Problem]) -> list[Problem]:
    """Return the problems whose message none of the others has."""
    known = {problem.message for problem in beside}
    return [problem for problem in problems if problem.message not in known]


def _who(engine: Engine, found: Collection[Problem], lost: Collection[str]) -> str:
    """Return in words which nodes are not seen to be back."""
    names = [target.name for target in engine.targets.values()]
    left = [name for name in names if any(p.message.startswith((f"{name}: ", f"{name} ")) for p in found)]
    parts = [f"not every node could be reached for it ({', '.join(lost)})"] if lost else []
    rest = [name for name in left if name not in lost]
    return "; ".join([*parts, *([f"something is left on {', '.join(rest)}"] if rest else [])]) or "see above"


def revert(engine: Engine, agree: Callable[[Outcome], bool]) -> Outcome:
    """Roll the open transaction back, or, where the bundle is confirmed, everything; then raise the MTUs."""
    try:
        found = engine.read_state(before=True)
        stolen = engine.acquire_lease()
    except Failed as failure:
        engine.begin("revert", journal=False)
        return engine.end(engine.nothing_changed(failure))
    held = {
        engine.targets[i].name: node
        for i, node in found.items()
        if node["state"]["release"] == engine.targets[i].digest
    }
    try:
        if engine.options.limit is not None:
            engine.participants.keep_only(engine.options.limit, engine.options.exclude, least=1)
            found = {i: node for i, node in found.items() if i in engine.targets}
            _only_if_dropped(engine, held)
    except Failed as failure:
        engine.begin("revert", journal=False)
        return engine.end(engine.nothing_changed(failure))
    opened = {node["state"]["tx"] for node in found.values() if node["state"]["state"] == "open"}
    transaction = next(iter(opened)) if len(opened) == 1 else None
    try:
        engine.begin("revert", transaction=transaction)
    except ProblemError as error:  # a full disk here is no reason to leave the nodes as they are
        stolen += [replace(problem, severity="warning", hint=None) for problem in error.problems]
        engine.begin("revert", transaction=transaction, journal=False)
    touched = [i for i, node in found.items() if node["state"]["state"] != "none" or node["mtu_before"]]
    outcome = Outcome("planned", ExitCode.OK, nodes=found, changes=len(touched), problems=stolen)
    outcome.left_out = engine.participants.pairs_left_out()
    if not touched:
        outcome.outcome = "unchanged"
        return engine.end(outcome)
    if not agree(outcome):
        outcome.outcome = "declined"
        return engine.end(outcome)
    # an open transaction over a confirmed release goes back to that release, and its MTU stays
    upgrade = any(n["state"]["state"] == "open" and n["state"]["release"] for n in found.values())
    live = any(node["state"]["state"] != "none" for node in found.values())
    steps = (phases.ROLL_BACK if live else ()) + (() if upgrade else phases.RESTORE)
    for step in (*steps, phases.READ_BACK):
        if outcome.exit_code and not opened:
            break  # what is confirmed stays protected until all nodes follow
        if outcome.exit_code and step in phases.RESTORE:
            continue  # and MTUs stay low
        try:
            engine.step(step, {"off": not upgrade, "any": True})
        except Failed as failure:  # the others are not left to their timers because of one
            outcome.outcome, outcome.exit_code = "rollback-incomplete", ExitCode.REVERT_INCOMPLETE
            outcome.problems += _unsaid(failure.problems, outcome.problems)
    if outcome.exit_code:
        return engine.end(outcome)
    outcome.outcome = "rolled-back" if upgrade else "removed"
    if not upgrade:
        with contextlib.suppress(OSError):  # the nodes know it
            engine.memory.forget(engine.targets)
    return engine.end(outcome)


def _only_if_dropped(engine: Engine, held: Collection[str]) -> None:
    """Stop unless every other node has dropped the nodes that are to be turned off: else their pairs would be cut."""
    still = [target.name for target in engine.participants.left_out.values() if target.name in held]
    if still:
        hint = "apply a bundle without the nodes that leave, then turn them off with this one"
        text = f"{', '.join(still)} still protect their pairs with {', '.join(t.name for t in engine.targets.values())}"
        raise Failed([Problem(code="IPP673", message=text, hint=hint)])
