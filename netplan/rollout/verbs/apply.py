"""The verbs ``apply`` and ``try``: every step of a bundle, kept only with proof, for a try also only with a yes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from netplan.agent.protocol.reply import Status
from netplan.agent.protocol.request import RequestOptional
from netplan.problems import ExitCode, Problem, errors
from netplan.rollout import phases
from netplan.rollout.change_summary import summary
from netplan.rollout.engine import Engine
from netplan.rollout.nodes import replaced
from netplan.rollout.nodes.view import Hold, agreed_hold, missing_devices, smallest_live_mtu
from netplan.rollout.outcome import Failed, Outcome
from netplan.rollout.phases import Step
from netplan.rollout.record.events import AwaitingConfirm
from netplan.rollout.transport.reply import Answer
from netplan.rollout.verbs.confirm import confirm_all
from netplan.rollout.verbs.raise_mtu import raise_mtu
from netplan.rollout.verbs.revert import undo_after
from netplan.verify.reach import judge, receivers

# Asked with what was proven and the seconds that are left. True keeps, False rolls back, None leaves the question to
# `ipsecplan confirm`.
Keep = Callable[[Outcome, int], bool | None]

RACES = 8  # times to ask for the nodes that another one, who begins at the same moment and will give way, has got
RACE_PAUSE_S = 3.0


def apply(engine: Engine, agree: Callable[[Outcome], bool], *, keep: Keep | None = None) -> Outcome:
    """Apply the bundle. ``agree`` is asked once, with what was found, before the first change.

    With ``keep`` it is a try: after the proof the nodes wait ``Options.keep_s`` seconds for a yes.
    """
    engine.credentials.find_missing()  # found here and not in the middle
    kind = "try" if keep else "apply"
    engine.begin(kind, kind=kind)
    participants = engine.participants
    try:
        participants.keep_only(engine.options.limit, engine.options.exclude)
        seen = _look_for_replaced(engine)
        unheard = settle(engine)
        if errors(unheard):
            raise Failed(unheard)
        engine.acquire_lease()
    except Failed as failure:
        return engine.end(engine.nothing_changed(failure))
    status = engine.run.results.status
    found = {i: status[i] for i in seen}
    changes = sum(1 for result in found.values() if result["differs"])
    outcome = Outcome("planned", ExitCode.OK, unheard, nodes=found, changes=changes)
    outcome.left_out = participants.pairs_left_out()
    held, too_small = smallest_live_mtu([target.node for target in engine.targets.values()], found)
    held_mtu = held.size if held else None
    outcome.held = (held.size, participants.planned_mtu, held.because) if held else None
    facts = {i: participants.facts(target) for i, target in engine.targets.items()}
    outcome.change = summary(facts, {i: target.digest for i, target in engine.targets.items()}, found, held_mtu)
    if not changes:
        outcome.outcome, outcome.held = "unchanged", None
        outcome.to_raise = _waits_at(engine, found)
    elif hindered := too_small or missing_devices(engine.targets, found, held_mtu) or _below_confirmed(engine, held):
        return engine.end(engine.nothing_changed(Failed(hindered)))
    elif short := engine.fit((*_steps(engine), *ending(keep))):
        return engine.end(engine.nothing_changed(Failed(short)))
    elif not _agreed(engine, agree, outcome):
        outcome.outcome = "declined"
    else:
        participants.held_mtu = held_mtu
        engine.remember()
        finish(engine, _steps(engine), outcome, keep)
    if outcome.outcome in ("confirmed", "awaiting-confirm"):
        outcome.problems += replaced.warnings(engine.targets, participants.replaced)
    if outcome.to_raise and engine.options.lift and outcome.outcome in ("unchanged", "confirmed"):
        raise_mtu(engine, outcome)
    return engine.end(outcome)


def _waits_at(engine: Engine, found: Mapping[str, Status]) -> tuple[int, int] | None:
    """Return the MTU at which the nodes wait to be raised and the planned one; None where they don't."""
    memory = engine.memory.of({node["state"]["tx"] for node in found.values()})
    size = memory.held_mtu if memory else agreed_hold([target.node for target in engine.targets.values()], found)
    return (size, engine.participants.planned_mtu) if size else None


def _below_confirmed(engine: Engine, held: Hold | None) -> list[Problem]:
    """Return why all nodes do not go below the size that was confirmed, unless the operator wants it."""
    before = engine.memory.confirmed
    if held is None or before is None or held.size >= before.mtu or engine.options.hold:
        return []
    text = f"all nodes would go down from {before.mtu} bytes, which were confirmed, to {held.size}: {held.because}"
    hint = "raise that device again; or `--hold-mtu`, if all nodes are to have its size"
    return [Problem(code="IPP639", message=text, hint=hint)]


def _agreed(engine: Engine, agree: Callable[[Outcome], bool], outcome: Outcome) -> bool:
    """Ask; until the answer comes nothing changes, and whoever measures need not wait."""
    engine.state.waits(True)
    answer = agree(outcome)
    engine.state.waits(False)
    return answer


def _steps(engine: Engine) -> tuple[Step, ...]:
    return phases.in_waves(phases.APPLY, len(engine.participants.waves))


def ending(keep: Keep | None) -> tuple[Step, ...]:
    """Return the steps behind the proof."""
    return (*([phases.AWAIT_CONFIRM] if keep else []), phases.PREPARE, phases.CONFIRM)


def _look_for_replaced(engine: Engine) -> dict[str, Answer]:
    """Look at the nodes; go on only where the operator has said which of them are new machines. Raises Failed."""
    participants = engine.participants
    participants.replaced, unknown = replaced.parse_names(engine.targets, engine.options.replace)
    if unknown:
        raise Failed(unknown)

    def wrong() -> list[Problem]:
        return replaced.check(engine.targets, engine.run.results.status, participants.replaced, participants.known)

    try:
        seen = _look(engine)
    except Failed as failure:  # whatever else failed may have this reason
        raise Failed(wrong() or failure.problems, failure.unreachable) from None
    if wrong():
        raise Failed(wrong())
    return seen


def _look(engine: Engine) -> dict[str, Answer]:
    """Ask every node for its state and readiness; with ``defer_away``, do without those that can't be reached."""
    extra: RequestOptional = {"stop_when_same": not engine.participants.replaced}
    try:
        return engine.step(phases.LOOK, extra)
    except Failed as failure:
        away = {i for i, target in engine.targets.items() if target.name in failure.unreachable}
        if not (engine.options.defer_away and away) or len(engine.targets) - len(away) < 2:
            raise
        engine.participants.leave_out(away)
        engine.run.results.clear()
        return engine.step(phases.LOOK, extra)  # the others may have missed them, too


def finish(engine: Engine, steps: Sequence[Step], outcome: Outcome, keep: Keep | None) -> None:
    """Do these steps, the last ones of the transaction, and confirm; or roll everything back. Fills ``outcome``."""
    try:
        with engine.run.failing():
            if not _proven_and_kept(engine, steps, outcome, keep):
                outcome.outcome = "awaiting-confirm"
                return
            engine.stop_if_cancelled()
            confirm_all(engine)
    except Failed as failure:
        if all_leased_by_other(engine, failure):
            outcome.outcome, outcome.exit_code = "failed", ExitCode.FAILURE
            outcome.problems += failure.problems
        else:
            undo_after(engine, failure, outcome)
        return
    engine.confirmed(outcome)


def _proven_and_kept(engine: Engine, steps: Sequence[Step], outcome: Outcome, keep: Keep | None) -> bool:
    """Do the steps up to the proof, and ask. False when the answer comes later and from elsewhere. Raises Failed."""
    for step in steps:
        engine.stop_if_cancelled()
        arm_with_retry(engine, step) if "arm" in step.phases else engine.step(step)
        if "probe" in step.phases:
            outcome.verdict = engine.verdict()
            if not outcome.verdict.ok:
                raise Failed(outcome.verdict.problems())
    return keep is None or ask_to_confirm(engine, outcome, keep)


def arm_with_retry(engine: Engine, step: Step) -> None:
    """Arm the nodes. Where two begin at the same moment, each may have got some: the first node's holder goes on."""
    first = next(iter(engine.targets))
    for left in reversed(range(RACES)):
        try:
            engine.step(step)
            return
        except Failed as failure:
            if not lost_race(failure) or not engine.run.results[step.phases[0]][first]["ok"] or not left:
                raise
            time.sleep(RACE_PAUSE_S)
            engine.run.next_epoch()


def lost_race(failure: Failed) -> bool:
    """Tell whether somebody else was faster, and nothing else is wrong."""
    return {problem.code for problem in failure.problems} <= {"IPP671", "IPP602"}


def all_leased_by_other(engine: Engine, failure: Failed) -> bool:
    """Tell whether another one has got every node: then there is nothing of ours to roll back."""
    armed = engine.run.results.get("arm", {})
    return (
        lost_race(failure) and len(armed) == len(engine.targets) and not any(result["ok"] for result in armed.values())
    )


def ask_to_confirm(engine: Engine, outcome: Outcome, keep: Keep) -> bool:
    """Arm the nodes for the wait and ask. False when the answer comes later and from elsewhere. Raises Failed at no."""
    seconds = engine.options.keep_s
    end = time.time() + seconds  # the nodes' timers count from sending, too
    engine.step(phases.AWAIT_CONFIRM)
    outcome.until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
    outcome.keep_margin_s = engine.timers.pace.keep_margin_s
    seconds = max(0, int(end - time.time()))
    engine.emit(AwaitingConfirm(seconds=seconds, until=outcome.until))
    answer = keep(outcome, seconds)
    if answer is False:
        raise Failed([Problem(code="IPP664", message="not confirmed in time")])
    return answer is True


AGAIN = Step(phases=("reachability",), rearm=False)
AGAIN_S = 20.0  # so long nodes are asked once more for what they had not heard


def settle(engine: Engine) -> list[Problem]:
    """Return what does not pass between nodes whose preflight was run.

    A node that heard less than everything is asked again: with many nodes, some begin when others have answered.
    """
    heard = {i: r["heard"] for i, r in engine.run.results.preflight.items() if r["heard"]}
    nodes = [engine.participants.facts(engine.targets[i]) for i in heard]
    pace, number, end = engine.timers.pace, 0, time.monotonic() + AGAIN_S
    while late := receivers(nodes, heard):
        if (pace.rounds == 1 and number) or time.monotonic() > end:
            break
        # all have begun by now: where they are few, each waits for its peers' packets itself
        if pace.rounds > 1:
            time.sleep(pace.pause(number))
        engine.step(AGAIN, only=late, patience=AGAIN_S if pace.rounds == 1 else 0.0)
        again = engine.run.results.reachability
        heard.update({i: again[i]["heard"] for i in late if i in again and again[i]["heard"]})
        number += 1
    return judge(nodes, heard)
