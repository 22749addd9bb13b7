"""What a rollout tells while it runs. The command line prints it, a planner can draw it; the engine knows neither."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

from netplan.problems import Problem, counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something happened. ``as_json`` is also the journal's line."""

    def as_json(self) -> dict[str, Any]:
        """Return the event as data, with its kind."""
        return {"event": type(self).__name__, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run begins: of a new transaction, or (confirm, resume, revert) of one that is open. ``nodes`` is id -> name.

    ``timer_s``: seconds of the rollback timer that the operator chose; None where it is set by what is measured, see
    Paced. What a phase arms, its PhaseStarted says.
    """

    verb: str
    transaction: str
    cluster: str
    digest: str
    nodes: dict[str, str]
    timer_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paced(Event):
    """The timers are set, or longer from here on, because of what was measured: ``trip_s`` a round trip without the
    nodes' work, ``work_s`` a look at a node, both of the slowest. ``smallest_s``: the smallest timer that would do."""

    trip_s: float
    work_s: float
    timer_s: int
    smallest_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted(Event):
    """A phase starts on these nodes (names).

    ``timer_s``: these nodes roll back by themselves so many seconds after this line unless they hear more; None where
    the phase leaves their timers as they are.
    """

    phase: str
    nodes: tuple[str, ...]
    timer_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeResult(Event):
    """One node has finished one phase, in ``seconds`` of its own time."""

    phase: str
    node: str
    ok: bool
    changed: bool
    detail: str
    seconds: float
    problems: tuple[Problem, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "event": "NodeResult",
            "phase": self.phase,
            "node": self.node,
            "ok": self.ok,
            "changed": self.changed,
            "detail": self.detail,
            "seconds": self.seconds,
            "problems": [p.as_json() for p in self.problems],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFinished(Event):
    """The exit test of a phase over all nodes; ``seconds`` of wall time for the whole round trip it was part of."""

    phase: str
    ok: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Event):
    """How far a step is; told about once a second, and in no journal.

    ``done`` of ``nodes`` have done its phases; ``waiting`` did their own part and lack that of ``lacking`` peers in
    all. ``left_s``: about how many seconds the run goes on, None where that is not known.
    """

    phases: tuple[str, ...]
    nodes: int
    done: int
    waiting: int
    lacking: int
    left_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLost(Event):
    """A worker is gone, or makes no sense any more: ``nodes`` (names) whose answers it did not bring are asked again.

    ``by``: who asks them; ``left``: how many workers there are yet.
    """

    worker: str
    reason: str
    nodes: tuple[str, ...]
    by: tuple[str, ...]
    left: int

    def words(self) -> str:
        """Return in words which worker is lost, why, and who stands in for it."""
        words = f"worker {self.worker} is lost: {self.reason}"
        if self.nodes:
            ask = "ask" if len(self.by) > 1 else "asks"
            words += f"; {' and '.join(self.by)} {ask} {counted(len(self.nodes), 'node')} again"
        return words

    @property
    def problem(self) -> Problem:
        """Return it as a warning."""
        return Problem("IPP677", self.words(), severity="warning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverting(Event):
    """The transaction is being rolled back, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitingConfirm(Event):
    """Proven; kept for ``seconds`` from now, until ``until`` (UTC), and only for good when ``command`` is run."""

    seconds: int
    until: str
    command: str = "ipsecplan confirm"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """The end: ``outcome`` is unchanged, declined, confirmed, awaiting-confirm, rolled-back, failed, removed or
    rollback-incomplete."""

    outcome: str
    exit_code: int


class Observer(Protocol):
    """Whoever wants to know."""

    def __call__(self, event: Event) -> None:
        """Take one event; must not block for long and must not raise."""


def silent(event: Event) -> None:
    """An observer that ignores everything."""
    del event
