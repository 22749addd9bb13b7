"""New credentials for a cluster whose bundle is confirmed, without an outage, and resumable at every point.

Nothing here is a transaction: a node that has not changed yet and one that has accept each other at every moment. What
was reached is on disk before the next step, so the same command goes on where it was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable

from netplan.agent.protocol.request import RequestOptional
from netplan.ipsec.ca_rollover import rollover, under_way
from netplan.ipsec.stored import LAST_PHASE
from netplan.problems import ExitCode, Problem, ProblemError
from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Failed, Outcome


def rotate(engine: Engine, what: str, agree: Callable[[Outcome], bool]) -> Outcome:
    """Rotate ``psk``, ``certificates`` or ``ca`` on every node. ``agree`` is asked once, before the first change."""
    engine.begin("rotate")
    try:
        engine.step(phases.STATUS)
        engine.acquire_lease()
    except Failed as failure:
        return engine.end(_stopped(engine, failure, "failed"))
    found = engine.run.results.status
    outcome = Outcome("planned", ExitCode.OK, nodes=found, changes=len(found), transaction=engine.run.transaction)
    problem = _not_confirmed(engine)
    if problem:
        return engine.end(_stopped(engine, Failed([problem]), "failed"))
    if not agree(outcome):
        outcome.outcome = "declined"
        return engine.end(outcome)
    stopped: Failed | None = None
    try:
        {"psk": _keys, "certificates": _leaves, "ca": _authority}[what](engine)
    except ProblemError as error:
        stopped = Failed(error.problems)
    except Failed as failure:
        stopped = failure
    engine.release_lease()
    if stopped:
        return engine.end(_stopped(engine, stopped, "interrupted"))
    outcome.outcome = "rotated"
    return engine.end(outcome)


def _not_confirmed(engine: Engine) -> Problem | None:
    """Return why nothing can be rotated: a node has nothing confirmed, or another bundle, which may have more nodes."""
    states = [(target, engine.run.results.status[i]["state"]) for i, target in engine.targets.items()]
    nothing = [target.name for target, state in states if state["state"] != "confirmed"]
    if nothing:
        return Problem("IPP603", f"nothing is confirmed on {', '.join(nothing)}", hint="apply the bundle first")
    another = [target.name for target, state in states if state["release"] != target.digest]
    if another:
        message = f"another bundle is confirmed on {', '.join(another)}"
        return Problem("IPP603", message, hint="name that bundle, or apply this one first")
    return None


def _keys(engine: Engine) -> None:
    """Three phases, each on all nodes before the next: see netplan.ipsec.psk for why that never breaks a pair."""
    store = engine.credentials.keys
    store.begin(engine.targets)
    store.save()
    for phase in range(1, LAST_PHASE + 1):
        late = [node for node in engine.targets if store.phases[node] < phase]
        if not late:
            continue
        engine.credentials.key_phase = phase
        engine.run.results.pop("load-psk", None)
        try:
            engine.step(phases.LOAD_PSK, only=late)
        finally:
            for node, result in engine.run.results.get("load-psk", {}).items():
                if result["ok"]:
                    store.reached(node, phase)
            store.save()
    store.finish()
    store.save()


def _leaves(engine: Engine) -> None:
    """A new key on every node, signed here, taken into use: certificates of one CA accept each other in any mixture."""
    if under_way(engine.state.ca):
        message, hint = "a change to a new CA is under way", "end it first: `ipsecplan rotate ca`"
        raise ProblemError(Problem("IPP607", message, hint=hint))
    engine.step(phases.LOAD_CA, {"authorities": [engine.credentials.open_authority().pem] * 2})
    engine.step(phases.NEW_KEY)
    engine.step(phases.INSTALL_CERTIFICATE)


def _authority(engine: Engine) -> None:
    """A new CA: trusted everywhere beside the old one, then certificates from it, then the old one goes."""
    roll = rollover(engine.state.ca, engine.cluster)
    roll.begin(engine.targets)
    moves = (
        (1, [phases.LOAD_CA], roll.trusted),
        (2, [phases.NEW_KEY, phases.INSTALL_CERTIFICATE], None),
        (3, [phases.LOAD_CA], [roll.new.pem] * 2),
    )
    engine.credentials.open_authority(roll.new)
    for phase, steps, trusted in moves:
        late = [node for node in engine.targets if roll.phases[node] < phase]
        for step in steps if late else ():
            engine.run.results.pop(step.phases[0], None)
            extra: RequestOptional = {"authorities": trusted} if trusted else {}
            try:
                engine.step(step, extra, only=late)
            finally:
                done = engine.run.results.get(step.phases[0], {}) if step is steps[-1] else {}
                roll.reached([node for node, result in done.items() if result["ok"]], phase)
    roll.finish()


def _stopped(engine: Engine, failure: Failed, word: str) -> Outcome:
    code = ExitCode.UNREACHABLE if failure.unreachable else ExitCode.FAILURE
    return Outcome(word, code, failure.problems, transaction=engine.run.transaction)
