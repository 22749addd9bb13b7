"""The verb ``resume``: what a control process left behind when it died is finished, or rolled back.

The nodes' own memory decides, not the journal: they know which steps they have done. Every phase does nothing where it
is done already, so a step that only some nodes have finished is sent to all again.
"""

from __future__ import annotations

from collections.abc import Callable

from netplan.agent.protocol.reply import Status
from netplan.problems import ExitCode, Problem, counted
from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.nodes.view import smallest_live_mtu
from netplan.rollout.outcome import Failed, Outcome
from netplan.rollout.phases import Step
from netplan.rollout.verbs.apply import Keep, ending, finish
from netplan.rollout.verbs.confirm import confirm_these, ended, state_words
from netplan.rollout.verbs.raise_mtu import raise_mtu
from netplan.rollout.verbs.revert import undo_after

Found = dict[str, Status]


def resume(engine: Engine, agree: Callable[[Outcome, str], bool], keep: Keep) -> Outcome:
    """Go on with the transaction of this bundle. ``agree`` is asked once, with what will be done in words."""
    try:
        found = engine.read_begun(before=True)
        stolen = engine.acquire_lease()
    except Failed as failure:
        engine.begin("resume", journal=False)
        return engine.end(engine.nothing_changed(failure))
    outcome = Outcome("planned", ExitCode.OK, nodes=found, changes=len(found), problems=stolen)
    outcome.left_out = engine.participants.pairs_left_out()
    transaction, problem = _transaction(engine, found)
    if transaction is None:
        engine.begin("resume", journal=False)
        outcome.changes = 0
        outcome.outcome = "failed" if problem else "unchanged"
        outcome.exit_code = ExitCode.FAILURE if problem else ExitCode.OK
        outcome.problems += [problem] if problem else []
        return engine.end(outcome)
    kind = "try" if "try" in {node["transaction"]["kind"] for node in found.values()} else "apply"
    engine.begin("resume", transaction=transaction, kind=kind)
    try:
        words, act = _what_to_do(engine, found, transaction, outcome, keep if kind == "try" else None)
    except Failed as failure:
        outcome.outcome, outcome.exit_code = "failed", ExitCode.FAILURE
        outcome.problems += failure.problems
        return engine.end(outcome)
    if agree(outcome, words):
        act()
        if outcome.to_raise and engine.options.lift and outcome.outcome == "confirmed":
            raise_mtu(engine, outcome)
    else:
        outcome.outcome = "declined"
    return engine.end(outcome)


def _unless_answered(engine: Engine) -> str:
    """Return in words how long the question can wait for its answer."""
    left = engine.open_until()
    return f"; unless this goes on, the first node rolls back by itself in {min(left.values()):.0f} s" if left else ""


def _transaction(engine: Engine, found: Found) -> tuple[str | None, Problem | None]:
    """Return the transaction that needs an end, or why there is none (no problem: nothing is unfinished)."""
    opened = {node["state"]["tx"] for node in found.values() if node["state"]["state"] == "open"}
    if len(opened) > 1:
        hint = "`ipsecplan revert` rolls all of them back"
        return None, Problem(code="IPP665", message="different transactions are open", hint=hint)
    if opened:
        wrong = [
            engine.targets[i].name
            for i, node in found.items()
            if node["state"]["state"] == "open" and node["transaction"]["release"] != engine.targets[i].digest
        ]
        if wrong:
            message = f"what is open on {', '.join(wrong)} is not this bundle"
            return None, Problem(code="IPP665", message=message, hint="give the bundle that was being applied")
        return opened.pop(), None
    confirmed = {n["state"]["tx"] for n in found.values() if n["state"]["state"] == "confirmed"}
    for transaction in confirmed:
        if any(_reverted(node, transaction) for node in found.values()):
            return transaction, None
    if any(node["differs"] for node in found.values()):
        return None, Problem(
            code="IPP665", message="nothing is open: there is nothing to go on with", hint=ended(found)
        )
    return None, None


def _reverted(node: Status, transaction: str) -> bool:
    if node["state"]["state"] == "open" and node["state"]["tx"] == transaction:
        return node["transaction"].get("rolling_back", False)
    last = node["state"]["last"]
    return bool(node["state"]["state"] != "open" and last.get("tx") == transaction and last.get("result") == "reverted")


def _what_to_do(
    engine: Engine, found: Found, transaction: str, outcome: Outcome, keep: Keep | None
) -> tuple[str, Callable[[], None]]:
    """Decide between going on, finishing to confirm, and rolling back; return it in words and as what does it.

    Raises Failed when the timer that was asked for is too short to go on with.
    """
    names = {i: engine.targets[i].name for i in found}
    gone = [names[i] for i, node in found.items() if _reverted(node, transaction)]
    done = [i for i, n in found.items() if n["state"]["state"] == "confirmed" and n["state"]["tx"] == transaction]
    if gone:
        said = f"{', '.join(gone)} rolled back; roll back the others"
        failure = Failed(
            [Problem(code="IPP603", message=f"{names[i]}: {state_words(found[i])}") for i in found if names[i] in gone]
        )
        return said, lambda: undo_after(engine, failure, outcome)
    until = _unless_answered(engine)
    if done:
        rest = [i for i in found if i not in done]
        said = f"confirmed on {len(done)} of {counted(len(found), 'node')}; confirm on the others{until}"
        return said, lambda: _confirm(engine, rest, outcome)
    steps = unfinished(found, engine.participants.chosen)
    stays = _held(engine, found) if steps else ""
    short = engine.fit((*(steps or (phases.PROBE,)), *ending(keep)))
    if short:
        raise Failed(short)
    if not steps:
        if keep is None:
            return f"verified on every node; confirm it{until}", lambda: finish(engine, (phases.PROBE,), outcome, None)
        return f"verified on every node; ask whether to keep it{until}", lambda: finish(
            engine, (phases.PROBE,), outcome, keep
        )
    return f"go on at {steps[0].phases[0]}{stays}{until}", lambda: finish(engine, steps, outcome, keep)


def _held(engine: Engine, found: Found) -> str:
    """Return in words that all nodes stay at a size; one that nobody has told yet is found again. Raises Failed."""
    participants = engine.participants
    if participants.held_mtu is None and engine.memory.of([engine.run.transaction]) is None:
        held, wrong = smallest_live_mtu([target.node for target in engine.targets.values()], found)
        if wrong:
            raise Failed(wrong)
        participants.held_mtu = held.size if held else None
        return f"; all nodes stay at {held.size} bytes, because of {held.because}" if held else ""
    return f"; all nodes stay at {participants.held_mtu} bytes" if participants.held_mtu else ""


def _confirm(engine: Engine, nodes: list[str], outcome: Outcome) -> None:
    try:
        confirm_these(engine, nodes)
    except Failed as failure:
        undo_after(engine, failure, outcome)
        return
    engine.confirmed(outcome)


def unfinished(found: Found, chosen: Callable[[Step], list[str]]) -> tuple[Step, ...]:
    """Return the steps from the first on that one of its nodes has not done.

    A step that needs what the nodes answered to an earlier one (requests for certificates) begins with that one.
    """
    for number, step in enumerate(phases.APPLY):
        if any(step.key not in found[i]["transaction"]["steps"] for i in chosen(step)):
            first = next((n for n, s in enumerate(phases.APPLY) if "stage" in s.phases), number)
            return phases.APPLY[min(first, number) if "credentials" in step.phases else number :]
    return ()
