"""The verb ``verify``: measure in turn, and say so where somebody changed the nodes meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from netplan.problems import ExitCode, Problem, printable
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Outcome
from netplan.rollout.record.at_work import WAIT_S, turn


def measure(engine: Engine, verb: str, say: Callable[[str], object], *, wait_s: float = WAIT_S) -> Outcome:
    """Measure every pair in our turn; ``say`` is told for whom we wait. Raises ProblemError after ``wait_s``."""
    if not engine.state.reading:  # we are the writer that others wait for
        return engine.verify()
    with turn(engine.state.folder, verb, say, cancelled=engine.cancelled.is_set, wait_s=wait_s):
        outcome = engine.verify()
    if outcome.exit_code != ExitCode.OK:
        outcome.problems += meanwhile(engine)
    return outcome


def meanwhile(engine: Engine) -> list[Problem]:
    """Return warnings about who changes the nodes that were measured: what failed may be no more than that."""
    hint = "measure again when it has ended; `ipsecplan status` shows how far it is"
    other = engine.state.at_work()
    if other is not None and not other.waits:
        said = f"{other.words()} began while this was measured"
        return [Problem(code="IPP608", message=said, hint=hint, severity="warning")]
    open_there = {
        engine.targets[i].name: lease
        for i, node in engine.results.get("status", {}).items()
        if i in engine.targets and node["state"]["state"] == "open" and (lease := node.get("lease") or {}).get("left_s")
    }
    return [
        Problem(
            code="IPP671",
            message=f"{name}: a transaction of {printable(str(lease.get('who')))} is open",
            hint=hint,
            severity="warning",
        )
        for name, lease in open_there.items()
    ]
