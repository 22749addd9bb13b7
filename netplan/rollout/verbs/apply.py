"""The verbs ``apply`` and ``try``: every step of a bundle, kept only with proof, for a try also only with a yes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from netplan.problems import ExitCode, Problem, errors
from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.nodes import replaced
from netplan.rollout.nodes.view import not_yet, smallest
from netplan.rollout.outcome import Failed, Outcome
from netplan.rollout.phases import Step
from netplan.rollout.record.events import AwaitingConfirm
from netplan.rollout.transport.ansible import Answer
from netplan.rollout.verbs.confirm import confirm_all
from netplan.rollout.verbs.raise_mtu import lift
from netplan.rollout.verbs.revert import undo_after
from netplan.verify.reach import judge

# Asked with what was proven and the seconds that are left. True keeps, False takes back, None leaves the question to
# `ipsecplan confirm`.
Keep = Callable[[Outcome, int], bool | None]

RACES = 8  # times to ask for the nodes that another one, who begins at the same moment and will give way, has got
RACE_PAUSE_S = 3.0


def apply(engine: Engine, agree: Callable[[Outcome], bool], *, keep: Keep | None = None) -> Outcome:
    """Apply the bundle. ``agree`` is asked once, with what was found, before the first change.

    With ``keep`` it is a try: after the proof the nodes wait ``Options.keep_s`` seconds for a yes.
    """
    if any(target.node.get("auth") == "psk" for target in engine.targets.values()):
        _ = engine.keys  # a store that can't be read, or lacks a key, is found here and not in the middle
    engine.kind = "try" if keep else "apply"
    engine.begin(engine.kind)
    try:
        engine.select()
        seen = _look_for_replaced(engine)
        unheard = settle(engine)
        if errors(unheard):
            raise Failed(unheard)
        engine.claim()
    except Failed as failure:
        return engine.end(engine.nothing_changed(failure))
    found = {i: engine.results["status"][i] for i in seen}
    changes = sum(1 for result in found.values() if result["differs"])
    outcome = Outcome("planned", ExitCode.OK, unheard, nodes=found, changes=changes)
    outcome.left_out = engine.pairs_left_out()
    hold = smallest([target.node for target in engine.targets.values()], found)
    waiting = [size for node in found.values() if (size := node.get("to_raise"))]
    if not changes:
        outcome.outcome = "unchanged"
        outcome.to_raise = (min(waiting), engine.planned) if waiting else None
    elif hindered := not_yet(engine.targets, found, hold):
        return engine.end(engine.nothing_changed(Failed(hindered)))
    elif short := engine.fit((*_steps(engine), *ending(keep))):
        return engine.end(engine.nothing_changed(Failed(short)))
    elif not _agreed(engine, agree, outcome):
        outcome.outcome = "declined"
    else:
        engine.hold = hold
        finish(engine, _steps(engine), outcome, keep)
    if outcome.outcome in ("confirmed", "awaiting-confirm"):
        outcome.problems += replaced.remains(engine.targets, engine.replaced)
    if outcome.to_raise and engine.options.lift and outcome.outcome in ("unchanged", "confirmed"):
        lift(engine, outcome)
    return engine.end(outcome)


def _agreed(engine: Engine, agree: Callable[[Outcome], bool], outcome: Outcome) -> bool:
    """Ask; until the answer comes nothing changes, and whoever measures need not wait."""
    engine.state.waits(True)
    answer = agree(outcome)
    engine.state.waits(False)
    return answer


def _steps(engine: Engine) -> tuple[Step, ...]:
    return phases.in_waves(phases.APPLY, len(engine.waves))


def ending(keep: Keep | None) -> tuple[Step, ...]:
    """Return the steps behind the proof."""
    return (*([phases.HOLD] if keep else []), phases.PREPARE, phases.CONFIRM)


def _look_for_replaced(engine: Engine) -> dict[str, Answer]:
    """Look at the nodes; go on only where the operator has said which of them are new machines. Raises Failed."""
    engine.replaced, unknown = replaced.named(engine.targets, engine.options.replace)
    if unknown:
        raise Failed(unknown)

    def wrong() -> list[Problem]:
        return replaced.judge(engine.targets, engine.results.get("status", {}), engine.replaced)

    try:
        seen = _look(engine)
    except Failed as failure:  # whatever else failed may have this reason
        raise Failed(wrong() or failure.problems, failure.unreachable) from None
    if wrong():
        raise Failed(wrong())
    return seen


def _look(engine: Engine) -> dict[str, Answer]:
    """Ask every node for its state and readiness; with ``defer_away``, do without those that can't be reached."""
    try:
        return engine.step(phases.LOOK, stop_when_same=not engine.replaced)
    except Failed as failure:
        away = {i for i, target in engine.targets.items() if target.name in failure.unreachable}
        if not (engine.options.defer_away and away) or len(engine.targets) - len(away) < 2:
            raise
        engine.leave_out(away)
        engine.results.clear()
        return engine.step(phases.LOOK, stop_when_same=not engine.replaced)  # the others may have missed them, too


def finish(engine: Engine, steps: Sequence[Step], outcome: Outcome, keep: Keep | None) -> None:
    """Do these steps, the last ones of the transaction, and confirm; or take everything back. Fills ``outcome``."""
    try:
        for step in steps:
            engine.stop_if_cancelled()
            _patiently(engine, step) if "arm" in step.phases else engine.step(step)
            if "probe" in step.phases:
                outcome.verdict = engine.verdict()
                if not outcome.verdict.ok:
                    raise Failed(outcome.verdict.problems())
        if keep and not _kept(engine, outcome, keep):
            outcome.outcome = "awaiting-confirm"
            return
        engine.stop_if_cancelled()
        confirm_all(engine)
    except Failed as failure:
        if _kept_out(engine, failure):
            outcome.outcome, outcome.exit_code = "failed", ExitCode.FAILURE
            outcome.problems += failure.problems
        else:
            undo_after(engine, failure, outcome)
        return
    outcome.outcome = "confirmed"
    outcome.to_raise = (engine.hold, engine.planned) if engine.hold else None


def _patiently(engine: Engine, step: Step) -> None:
    """Arm the nodes. Where two begin at the same moment, each may have got some: the first node's holder goes on."""
    first = next(iter(engine.targets))
    for left in reversed(range(RACES)):
        try:
            engine.step(step)
            return
        except Failed as failure:
            if not _lost(failure) or not engine.results[step.phases[0]][first]["ok"] or not left:
                raise
            time.sleep(RACE_PAUSE_S)
            engine.later()


def _lost(failure: Failed) -> bool:
    """Tell whether somebody else was faster, and nothing else is wrong."""
    return {problem.code for problem in failure.problems} <= {"IPP671", "IPP602"}


def _kept_out(engine: Engine, failure: Failed) -> bool:
    """Tell whether another one has got every node: then there is nothing of ours to take back."""
    armed = engine.results.get("arm", {})
    return _lost(failure) and len(armed) == len(engine.targets) and not any(result["ok"] for result in armed.values())


def _kept(engine: Engine, outcome: Outcome, keep: Keep) -> bool:
    """Arm the nodes for the wait and ask. False when the answer comes later and from elsewhere. Raises Failed at no."""
    seconds = engine.options.keep_s
    end = time.time() + seconds  # the nodes' timers count from sending, too
    engine.step(phases.HOLD)
    outcome.until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
    outcome.keep_margin_s = engine.timers.pace.keep_margin_s
    seconds = max(0, int(end - time.time()))
    engine.tell(AwaitingConfirm(seconds=seconds, until=outcome.until))
    answer = keep(outcome, seconds)
    if answer is False:
        raise Failed([Problem(code="IPP664", message="not confirmed in time")])
    return answer is True


AGAIN = Step(phases=("reach",), rearm=False)


def settle(engine: Engine) -> list[Problem]:
    """Return what does not pass between nodes whose preflight was run.

    A node that heard less than everything is asked again: with many nodes, some begin when others have answered.
    """
    heard = {i: r["heard"] for i, r in engine.results.get("preflight", {}).items() if r.get("heard")}
    nodes = [engine.facts(engine.targets[i]) for i in heard]
    if judge(nodes, heard):
        late = [i for i in heard if judge(nodes, {i: heard[i]})]
        engine.step(AGAIN, only=late)
        heard.update({i: r["heard"] for i, r in engine.results["reach"].items() if r.get("heard")})
    return judge(nodes, heard)
