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


def undo_after(engine: Engine, failure: Failed, outcome: Outcome) -> None:
    """Roll the transaction back on every node, now; who can't be reached has its timer. Fills ``outcome``."""
    engine.emit(Reverting(reason=str(failure)))
    outcome.problems += failure.problems
    lost: list[str] = []
    for step in phases.ROLL_BACK:
        try:
            engine.step(step)
        except Failed as again:
            outcome.problems += again.problems
            lost += again.unreachable or ["?"]
    if lost:
        longest = max(engine.timers.timer_s, engine.options.keep_s if engine.run.kind == "try" else 0)
        hint = f"an unreachable node rolls back by itself within {longest} s; see `ipsecplan status`"
        outcome.problems.append(
            Problem(code="IPP663", message="rollback incomplete: not every node could be reached for it", hint=hint)
        )
        outcome.outcome, outcome.exit_code = "rollback-incomplete", ExitCode.REVERT_INCOMPLETE
    else:
        outcome.outcome, outcome.exit_code = "rolled-back", ExitCode.REVERTED


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
    for step in (phases.ROLL_BACK if live else ()) + (() if upgrade else phases.RESTORE):
        if outcome.exit_code and (not opened or step in phases.RESTORE):
            break  # what is confirmed stays protected, and MTUs stay low, until all nodes follow
        try:
            engine.step(step, {"off": not upgrade, "any": True})
        except Failed as failure:  # the others are not left to their timers because of one
            outcome.outcome, outcome.exit_code = "rollback-incomplete", ExitCode.REVERT_INCOMPLETE
            outcome.problems += failure.problems
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
