"""The gate between a play and the engine: a step begins when the play's task for one of its phases asks for it.

The engine's thread waits in :meth:`Gate.enter`, the tasks' threads in :meth:`Gate.ask`. What a task gets is what the
nodes answered; a phase that a run doesn't have is nobody's failure. From the first failure on nothing waits any more:
nodes are taken back whatever the play does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from netplan.problems import Problem, errors
from netplan.rollout.outcome import Failed
from netplan.rollout.record.events import Event, NodeResult, PhaseFinished, PhaseStarted, Reverting

# The first line looks, before a question. The second one must not wait for anybody: once one node has confirmed, the
# others follow; what a failed raise of the MTU left is lowered again.
UNGATED = frozenset({"status", "preflight", "reachability", "facts"}) | {
    "confirm",
    "hold",
    "release-lease",
    "lower-senders-again",
    "lower-devices-again",
}
SHARE = 2  # the play may take one of so many parts of an armed timer before it asks; the rest is for taking back
POLL_S = 0.5


class Gate:
    """Lets steps through one by one. ``cancelled``: set where the play was interrupted."""

    def __init__(self, cancelled: threading.Event) -> None:
        self.cancelled = cancelled
        self.over = False
        self._changed = threading.Condition()
        self._asked = ""  # the phase of the task that runs now
        self._task = ""
        self._at: tuple[str, ...] = ()  # the step that waits for the play; () while none does
        self._free = False
        self._timer_s: int | None = None
        self._results: dict[str, dict[str, NodeResult]] = {}
        self._fresh: set[tuple[str, str]] = set()  # (phase, node) that changed and that no task has told yet

    def enter(self, phases: Sequence[str]) -> None:
        """Wait until the play asks for one of these phases. Raises Failed where it is gone, or would be too late."""
        if UNGATED.issuperset(phases):
            return
        with self._changed:
            limit = self._timer_s / SHARE if self._timer_s else None
            begin = time.monotonic()
            self._at = tuple(phases)
            self._changed.notify_all()
            try:
                while not (self._free or self._asked in phases):
                    if self.cancelled.is_set():
                        self._free = True
                        raise Failed([Problem(code="IPP660", message="stopped by the operator")])
                    if limit is not None and time.monotonic() - begin > limit:
                        self._free = True
                        raise Failed([_late(phases[0], limit)])
                    self._changed.wait(POLL_S)
            finally:
                self._at = ()

    def take(self, event: Event) -> None:
        """Take what the engine tells."""
        with self._changed:
            if isinstance(event, NodeResult):
                self._results.setdefault(event.phase, {})[event.node] = event
                if event.changed:
                    self._fresh.add((event.phase, event.node))
            elif isinstance(event, PhaseStarted) and event.timer_s is not None:
                self._timer_s = event.timer_s
            elif isinstance(event, Reverting) or (isinstance(event, PhaseFinished) and not event.ok):
                self._free = True
            self._changed.notify_all()

    def forget(self) -> None:
        """Forget what nodes said: another run of the same play begins."""
        with self._changed:
            self._results.clear()
            self._fresh.clear()

    def free(self) -> None:
        """Let everything through that is left."""
        with self._changed:
            self._free = True
            self._changed.notify_all()

    def end(self) -> None:
        """Say that the run is over."""
        with self._changed:
            self.over = True
            self._changed.notify_all()

    def until_it_waits(self, alive: Callable[[], bool]) -> None:
        """Return when a step waits for the play, or the run is over, or nobody is there to hear it."""
        self._until(lambda: bool(self._at), alive)

    def until_over(self, alive: Callable[[], bool]) -> None:
        """Return when the run is over."""
        self._until(lambda: False, alive)

    def ask(self, task: str, phase: str, alive: Callable[[], bool]) -> None:
        """Let the steps of a phase through and wait until the engine is past them, or over.

        ``task`` is alike for all hosts of one task. Several steps may have the same phase (waves): all of them pass.
        """
        with self._changed:
            if task != self._task:
                self._task, self._asked = task, phase
                self._changed.notify_all()
        self._until(lambda: bool(self._at) and self._asked not in self._at, alive)

    def answer(self, phase: str, node: str) -> NodeResult | None:
        """Return what a node said last of a phase; ``changed`` is told once."""
        with self._changed:
            return self._results.get(phase, {}).get(node)

    def has_changed(self, phase: str, node: str) -> bool:
        """Tell whether a phase changed a node since this was asked last."""
        with self._changed:
            told = (phase, node) in self._fresh
            self._fresh.discard((phase, node))
            return told

    def _until(self, met: Callable[[], bool], alive: Callable[[], bool]) -> None:
        while True:
            with self._changed:
                if self.over or met():
                    return
                self._changed.wait(POLL_S)
            if not alive():
                self.cancelled.set()
                return


def _late(phase: str, limit: float) -> Problem:
    said = f"the play did not ask for {phase} within {limit:.0f} s, and the nodes' timers are running"
    hint = "no pause between the phases; with many hosts a longer rollback_timeout and more forks"
    return Problem(code="IPP659", message=said, hint=hint)


def words(result: NodeResult | None) -> dict[str, Any]:
    """Return a node's result as a task shows it."""
    if result is None:
        return {}
    return {
        "ok": result.ok,
        "detail": result.detail,
        "seconds": result.seconds,
        "problems": [problem.as_json() for problem in result.problems],
        "wrong": [line for problem in errors(result.problems) for line in problem.lines()],
    }
