"""Up to the release's MTU, on request and last: every node has confirmed; receivers first, then senders, then proof."""

from __future__ import annotations

import contextlib

from netplan.problems import ExitCode, present
from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Failed, Outcome


def raise_mtu(engine: Engine, outcome: Outcome) -> None:
    """Raise the MTU of every node from ``outcome.to_raise``; what does not prove itself goes down again."""
    size, _ = present(outcome.to_raise, "an MTU to raise")  # callers ask only where there is one
    engine.participants.held_mtu = None
    try:
        with engine.run.failing():
            for step in phases.RAISE:
                engine.stop_if_cancelled()
                engine.step(step)
            outcome.verdict = engine.verdict()
            if not outcome.verdict.ok:
                raise Failed(outcome.verdict.problems())
    except Failed as failure:
        outcome.problems += failure.problems
        outcome.exit_code = ExitCode.VERIFY_FAILED
        for step in phases.LOWER_AGAIN:
            try:
                engine.step(step, {"size": size})
            except Failed as again:
                outcome.problems += again.problems
        return
    finally:
        engine.release_lease()
    outcome.raised, outcome.to_raise = outcome.to_raise, None
    with contextlib.suppress(OSError):  # it is raised, and measured
        engine.memory.raised(engine.participants.planned_mtu)
