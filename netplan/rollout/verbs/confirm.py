"""The verb ``confirm``, and the act itself: the timers of all nodes end, and what was proven stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from netplan.agent.protocol.reply import Status
from netplan.agent.protocol.request import RequestOptional
from netplan.problems import ExitCode, Problem
from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.nodes.view import has_release
from netplan.rollout.nodes.witness import deadlines_of, witnesses
from netplan.rollout.outcome import Failed, Outcome
from netplan.rollout.pace import least_deadline_s
from netplan.rollout.verbs.revert import undo_after


def confirm_all(engine: Engine) -> None:
    """Confirm on all nodes, in three rounds: all are prepared, one of each part of the mesh decides, the rest follows.

    A controller that dies before the second round leaves everything old, after it everything new: a node that hears
    nothing more asks. Raises Failed where everything is to be rolled back. Confirming twice does no harm, so a lost
    answer is asked for again, as long as there is time to roll back before a node would ask.
    """
    roles = witnesses({i: [peer["id"] for peer in target.node["peers"]] for i, target in engine.targets.items()})
    pace = engine.timers.pace
    least = least_deadline_s(pace)
    deadlines = deadlines_of(roles, engine.timers.timer_s, least_s=least, apart_s=pace.apart_s)
    begin = time.monotonic()
    each: dict[str, RequestOptional] = {i: {"witness": role.witness} for i, role in roles.items()}
    engine.step(phases.PREPARE, each=each, timers=deadlines)
    first = min(deadlines[i] for i, role in roles.items() if role.witness or len(roles) == 1)
    for decides in (True, False):
        nodes = [i for i, role in roles.items() if (role.witness is None) is decides]
        if not nodes:
            continue
        confirm_these(engine, nodes, again=lambda: time.monotonic() - begin + pace.again_s < first)


def confirm_these(engine: Engine, nodes: list[str], *, again: Callable[[], bool] = lambda: True) -> None:
    """Confirm on nodes that are prepared; once more for a lost answer if ``again`` then says so. Raises Failed."""
    try:
        engine.step(phases.CONFIRM, only=nodes)
    except Failed:
        if not again():
            raise
        engine.step(phases.CONFIRM, only=nodes)


def confirm(engine: Engine) -> Outcome:
    """Confirm the open and proven transaction of this bundle, proving it once more first."""
    try:
        found = engine.read_begun(before=True)
        stolen = engine.acquire_lease()
    except Failed as failure:
        engine.begin("confirm", journal=False)
        return engine.end(engine.nothing_changed(failure))
    outcome = Outcome("planned", ExitCode.OK, nodes=found, changes=len(found), problems=stolen)
    outcome.left_out = engine.participants.pairs_left_out()
    states = {node["state"]["state"] for node in found.values()}
    transactions = {node["state"]["tx"] for node in found.values()}
    if states == {"confirmed"} and all(has_release(engine.targets[i], node) for i, node in found.items()):
        engine.begin("confirm", journal=False)
        outcome.outcome, outcome.changes = "unchanged", 0
        return engine.end(outcome)
    refused = _refusals(engine, found)
    if refused:
        engine.begin("confirm", journal=False)
        outcome.outcome, outcome.exit_code, outcome.problems = "failed", ExitCode.FAILURE, [*stolen, *refused]
        return engine.end(outcome)
    engine.begin("confirm", transaction=transactions.pop(), kind="try")
    if short := engine.fit((phases.PROBE, phases.PREPARE, phases.CONFIRM)):
        outcome.outcome, outcome.exit_code, outcome.problems = "failed", ExitCode.FAILURE, [*stolen, *short]
        return engine.end(outcome)
    try:
        with engine.run.failing():
            engine.step(phases.PROBE)
            outcome.verdict = engine.verdict()
            if not outcome.verdict.ok:
                raise Failed(outcome.verdict.problems())
            engine.stop_if_cancelled()
            confirm_all(engine)
    except Failed as failure:
        undo_after(engine, failure, outcome)
        return engine.end(outcome)
    engine.confirmed(outcome)
    return engine.end(outcome)


def _refusals(engine: Engine, found: Mapping[str, Status]) -> list[Problem]:
    """Return why this can't be confirmed; empty when it can."""
    opened = {i: node for i, node in found.items() if node["state"]["state"] == "open"}
    if not opened:
        return [Problem(code="IPP665", message="nothing is open: there is nothing to confirm", hint=ended(found))]
    problems = []
    if len({node["state"]["tx"] for node in opened.values()}) > 1:
        problems.append(Problem(code="IPP665", message="different transactions are open", hint="ipsecplan revert"))
    for node_id, node in found.items():
        name = engine.targets[node_id].name
        if node["state"]["state"] == "confirmed" and node["state"]["tx"] in {n["state"]["tx"] for n in opened.values()}:
            hint = "`ipsecplan resume` confirms it on the others"
            problems.append(Problem(code="IPP665", message=f"{name}: confirmed already, and others are not", hint=hint))
        elif node_id not in opened or node["transaction"].get("rolling_back"):
            problems.append(
                Problem(
                    code="IPP665",
                    message=f"{name}: {state_words(node)}, so the others can't be confirmed any more",
                    hint="they roll back by themselves, or `ipsecplan resume` does it now",
                )
            )
        elif not has_release(engine.targets[node_id], node):
            problems.append(Problem(code="IPP665", message=f"{name}: what is open there is not this bundle"))
        elif not node["transaction"]["proven"]:
            problems.append(
                Problem(
                    code="IPP665",
                    message=f"{name}: the transaction is not verified yet",
                    hint="`ipsecplan resume` continues it, `ipsecplan revert` rolls it back",
                )
            )
    return problems


def state_words(node: Status) -> str:
    """Return in words what a node has and how its last transaction ended."""
    state = node["state"]
    last = state["last"]
    if state["state"] == "open":
        return "being rolled back" if node["transaction"].get("rolling_back") else "open"
    if last.get("result") == "reverted":
        return f"rolled back by {last.get('by')} at {last.get('at')}"
    return "confirmed" if state["state"] == "confirmed" else "nothing is applied"


def ended(found: Mapping[str, Status]) -> str:
    """Return one hint about nodes of which none is open."""
    return "; ".join(sorted({state_words(node) for node in found.values()})) + ": `ipsecplan apply` begins anew"
