"""Progress of a rollout on the terminal: lines, or a live line for each phase."""

from __future__ import annotations

import time

from netplan.agent import phase_table
from netplan.cli.output import note
from netplan.problems import counted
from netplan.rollout.record.events import (
    AwaitingConfirm,
    Event,
    NodeResult,
    Paced,
    PhaseFinished,
    PhaseStarted,
    Progress,
    Reverting,
    RunStarted,
    WorkerLost,
)

FEW = 8  # nodes whose results alone say how far a step is
EVERY_S = 10.0


def _how_far(event: Progress) -> str:
    """Return in words how far a step is, and about how long the run goes on."""
    words = f"{event.done} of {counted(event.nodes, 'node')}"
    if event.waiting:
        words += f", {event.waiting} wait for peers"
    if event.left_s is None:
        return words
    minutes = round(event.left_s / 60)
    return f"{words}; about {minutes} min left" if minutes > 1 else f"{words}; about {event.left_s:.0f} s left"


class Lines:
    """Progress as plain lines on stderr: one a node and phase, and how far a long step is."""

    def __init__(self) -> None:
        self._width = 0
        self._told = 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._width = max(len(name) for name in event.nodes.values())
            if event.verb in ("apply", "try", "confirm", "resume", "revert"):
                note(f"{event.verb} {event.transaction}: cluster {event.cluster}, {counted(len(event.nodes), 'node')}")
        elif isinstance(event, Paced):
            note(
                f"a round trip takes up to {event.trip_s:g} s, the work on a node {event.work_s:g} s more: nodes roll "
                f"back by themselves {event.timer_s} s after the last step was sent"
            )
        elif isinstance(event, NodeResult):
            self.result(event)
        elif isinstance(event, Progress):
            self.progress(event)
        elif isinstance(event, WorkerLost):
            note(event.words())
        elif isinstance(event, AwaitingConfirm):
            note(f"verified; waiting for confirmation until {event.until[11:19]} UTC, then all nodes roll back")
        elif isinstance(event, Reverting):
            note(f"rolling back on every node: {event.reason}")

    def progress(self, event: Progress) -> None:
        """Print how far a step is, now and then, where nodes are many."""
        if event.nodes > FEW and time.monotonic() - self._told >= EVERY_S:
            self._told = time.monotonic()
            note(f"  {event.phases[-1]}: {_how_far(event)}")

    def result(self, event: NodeResult) -> None:
        """Print one result."""
        if event.phase == "status" or (event.phase == "hold" and event.ok):
            return
        word = "ok" if event.ok else "FAILED"
        note(f"  {event.phase:<13} {event.node:<{self._width}}  {word:<6} {event.seconds:5.1f} s  {event.detail}")
        for problem in event.problems:
            if problem.severity == "warning":
                note(f"    warning {problem.code}: {problem.message}")


class Live(Lines):
    """The same lines, with the phase at work and the nodes still out at the bottom of the terminal."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("")
        self._out: dict[str, set[str]] = {}
        self._far = ""

    def __call__(self, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self._out[event.phase], self._far = set(event.nodes), ""
            self._status.start()
        elif isinstance(event, Progress):
            self._far = f" ({_how_far(event)})"
        elif isinstance(event, NodeResult):
            self._out.get(event.phase, set()).discard(event.node)
        elif isinstance(event, PhaseFinished):
            self._out.pop(event.phase, None)
            if not self._out:
                self._status.stop()
        super().__call__(event)
        waiting = next(((phase, nodes) for phase, nodes in self._out.items() if nodes), None)
        if waiting:
            phase, nodes = waiting
            shown = " ".join(sorted(nodes)[:8]) + (f" and {len(nodes) - 8} more" if len(nodes) > 8 else "")
            words = f"{phase}: {phase_table.title(phase)}{self._far}  [waiting for {shown}]"
            self._status.update(words.replace("[", "\\["))

    def progress(self, event: Progress) -> None:
        """The live line says it."""
