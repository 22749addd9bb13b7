"""The end of a run that opened no transaction: nobody's `confirm` or `back` has ended its lease on the nodes."""

from __future__ import annotations

import contextlib

from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Failed


def leave(engine: Engine) -> None:
    """Give the lease back on every node; one that does not hear of it is free when its lease runs out."""
    if engine.lease:
        with contextlib.suppress(Failed):
            engine.step(phases.LEAVE)
