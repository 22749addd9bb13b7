"""Progress of a rollout on the terminal: lines, or a live line for each phase."""

from __future__ import annotations

import time

from netplan.agent import phase_table
from netplan.cli.output import note
from netplan.problems import counted
from netplan.rollout.phases import in_order
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
    return words + _left(event.left_s)


def _left(seconds: float | None) -> str:
    """Return in words about how long the run goes on, or nothing where that is not known, or no time."""
    if seconds is None or seconds < 1:
        return ""
    minutes = round(seconds / 60)
    return f"; about {minutes} min left" if minutes > 1 else f"; about {seconds:.0f} s left"


class Lines:
    """Progress as plain lines on stderr: one a step, one a node and phase, and how far a long step is."""

    def __init__(self) -> None:
        self._width = 0
        self._told = 0.0
        self._order: tuple[str, ...] = ()  # the phases of the run, where that is known
        self._begun: list[str] = []  # phases of the step that begins, until its last one is told
        self._left_s: float | None = None  # of the run, at the end of the step before

    def __call__(self, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self._begun.append(event.phase)
            return
        if self._begun:
            self.step(tuple(self._begun))
            self._begun.clear()
        if isinstance(event, Progress):
            self._left_s = event.left_s
        if isinstance(event, RunStarted):
            self._order = in_order(event.verb)
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

    def where(self, phases: tuple[str, ...]) -> str:
        """Return "phase 3 of 17", or "phases 3 to 5 of 17"; nothing where they are none of the run's own."""
        numbers = [self._order.index(phase) + 1 for phase in phases if phase in self._order]
        if not numbers:
            return ""
        last = f" to {numbers[-1]}" if len(numbers) > 1 else ""
        return f"phase{'s' * bool(last)} {numbers[0]}{last} of {len(self._order)}"

    def step(self, phases: tuple[str, ...]) -> None:
        """Print that a step begins: its phases, their numbers, and about how long the run goes on."""
        if place := self.where(phases):
            note(f"{place}: {', '.join(phases)}{_left(self._left_s)}")

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
            place = self.where((phase,))
            words = (
                f"{place}{': ' if place else ''}{phase}: {phase_table.title(phase)}{self._far}  [waiting for {shown}]"
            )
            self._status.update(words.replace("[", "\\["))

    def progress(self, event: Progress) -> None:
        """The live line says it."""
