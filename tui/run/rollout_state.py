"""Folds the events of a rollout into one state per node. Reads events as data only."""

from __future__ import annotations

import calendar
import time
from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from netplan.agent import phase_table
from netplan.problems import counted, printable
from netplan.rollout import phases

LOG_LINES = 20_000
# phases after which no timer runs
DONE = {"confirm": "kept", "roll-back": "rolled back", "clean-up": "rolled back", "read-back": "rolled back"}
# how a node stands, and the theme's colour for it
WORDS = {
    "ok": "success",
    "kept": "success",
    "working": "primary",
    "waiting": "",
    "rolled back": "warning",
    "FAILED": "error",
}


@dataclass(slots=True)
class NodeState:
    """One node. ``phase`` is the one at work or last done, ``word`` how it stands.

    ``deadline``: when its own timer rolls it back at the latest, in seconds since the epoch; None where none runs.
    """

    name: str
    phase: str = ""
    word: str = "waiting"
    detail: str = ""
    at: float | None = None
    done: set[str] = field(default_factory=set)
    deadline: float | None = None


class RolloutState:
    """Takes journal records, or ``Event.as_json()``, in order; ``dirty`` are the nodes to draw anew.

    A transaction can have several runs: a try, and the confirm, resume or revert that ended it. ``kind`` is what the
    transaction is about, ``verb`` what the last run does.
    """

    def __init__(self) -> None:
        self.kind = self.verb = self.transaction = self.cluster = self.digest = ""
        self.nodes: dict[str, NodeState] = {}
        self.phase = ""
        self._seen: list[str] = []
        self.reverting: str | None = None
        self.until: float | None = None  # a try is rolled back then, unless it is confirmed
        self.outcome: str | None = None
        self.exit_code: int | None = None
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.taken = self.widest = 0
        self.dirty: set[str] = set()
        self.took: dict[str, float] = {}  # phase -> its share of the seconds of its round trip
        self.failed: set[str] = set()  # phases that failed

    @property
    def running(self) -> bool:
        """Return True until the run's end is recorded."""
        return bool(self.transaction) and self.outcome is None

    @property
    def awaiting(self) -> bool:
        """Tell whether it is verified and waits for confirmation."""
        return self.until is not None and self.outcome in (None, "awaiting-confirm")

    def left(self, now: float) -> float:
        """Return the seconds left to confirm: at most until the first node's rollback timer fires."""
        ends = [node.deadline for node in self.nodes.values() if node.deadline is not None]
        return max(min([self.until or now, *ends]) - now, 0.0)

    def plan(self) -> tuple[str, ...]:
        """Return the phases that this transaction goes through, in order; those seen so far of a kind unknown here."""
        return phases.in_order(self.kind) or tuple(dict.fromkeys(self._seen))

    def take(self, record: dict[str, Any]) -> None:
        """Apply one record; an unknown one is only logged."""
        self.taken += 1
        at = _time(str(record.get("at")))
        kind = str(record.get("event", ""))
        if kind == "RunStarted":
            self._started(record)
        elif kind == "PhaseStarted":
            self.phase = str(record.get("phase", ""))
            self._seen.append(self.phase)
            timer = record.get("timer_s")
            for name in record.get("nodes", ()):
                node = self._node(str(name))
                node.phase, node.word = self.phase, "working"
                if isinstance(timer, int) and at is not None:
                    node.deadline = at + timer
        elif kind == "NodeResult":
            self._result(record, at)
        elif kind == "PhaseFinished":
            self._phase_over(record)
        elif kind == "Reverting":
            self.reverting = str(record.get("reason", ""))
        elif kind == "AwaitingConfirm":
            self.until = _time(str(record.get("until")))
            self.dirty |= set(self.nodes)
        elif kind == "RunFinished":
            self.outcome, self.exit_code = str(record.get("outcome", "")), int(record.get("exit_code", 1))
            self.dirty |= set(self.nodes)
        self.log.append(line(record))
        self.widest = max(self.widest, len(self.log[-1]))

    def _phase_over(self, record: dict[str, Any]) -> None:
        """The phases of one round trip all say how long it took; each gets a share. A repeated one takes longer."""
        phase, seconds = str(record.get("phase", "")), record.get("seconds")
        if not record.get("ok"):
            self.failed.add(phase)
        elif isinstance(seconds, (int, float)):
            step = next((s for s in phases.PLANS.get(self.kind, ()) if phase in s.phases), None)
            self.took[phase] = self.took.get(phase, 0.0) + seconds / (len(step.phases) if step else 1)

    def _started(self, record: dict[str, Any]) -> None:
        """A run begins: the first of its transaction, or one that goes on with it."""
        self.verb, self.transaction = str(record.get("verb", "")), str(record.get("transaction", ""))
        self.cluster, self.digest = str(record.get("cluster", "")), str(record.get("digest", ""))
        if self.verb not in ("confirm", "resume"):
            self.kind = self.verb
        elif not self.kind:  # the run before this one is in the journal of another control machine
            self.kind = "try"
        self.reverting = self.until = self.outcome = self.exit_code = None
        self.took, self.failed = {}, set()
        names = [str(name) for name in dict(record.get("nodes", {})).values()]
        self.nodes = {name: self.nodes.get(name, NodeState(name)) for name in names}
        self.dirty |= set(self.nodes)
        if self.verb == "revert":
            for node in self.nodes.values():
                node.done.clear()

    def _node(self, name: str) -> NodeState:
        self.dirty.add(name)
        return self.nodes.setdefault(name, NodeState(name))

    def _result(self, record: dict[str, Any], at: float | None) -> None:
        node = self._node(str(record.get("node", "")))
        node.phase, node.at = str(record.get("phase", "")), at
        node.detail = str(record.get("detail", ""))
        if record.get("ok"):
            node.word = "ok"
            node.done.add(node.phase)
            if node.phase in DONE:
                node.word, node.deadline = DONE[node.phase], None
        else:
            node.word = "FAILED"
            found = record.get("problems") or ()
            node.detail = "; ".join(str(p.get("message", "")) for p in found if isinstance(p, dict)) or node.detail

    def clock(self, node: NodeState, now: float) -> float | None:
        """Return at most how many seconds a node's rollback timer still has; None when none runs."""
        if node.deadline is None or self.outcome not in (None, "awaiting-confirm"):
            return None
        return max(node.deadline - now, 0.0)


def line(record: dict[str, Any]) -> str:
    """Return a record as one line of the log."""
    clock = str(record.get("at", ""))[11:19] or "--:--:--"
    kind = record.get("event")
    if kind == "NodeResult":
        word = "ok" if record.get("ok") else "FAILED"
        problems = "".join(
            f"  {p.get('code', '')}: {p.get('message', '')}"
            for p in record.get("problems") or ()
            if isinstance(p, dict)
        )
        detail = f"{record.get('detail', '')}{problems}"
        text = f"{record.get('phase', ''):<13} {record.get('node', ''):<12} {word:<6} {detail}"
    elif kind == "PhaseStarted":
        title = phase_table.title(str(record.get("phase")))
        text = f"{record.get('phase', '')} starts on {counted(len(record.get('nodes', ())), 'node')}: {title}"
    elif kind == "PhaseFinished":
        text = f"{record.get('phase', '')} {'passed' if record.get('ok') else 'FAILED'} in {record.get('seconds', 0)} s"
    elif kind == "RunStarted":
        text = f"{record.get('verb')} {record.get('transaction')} on {counted(len(record.get('nodes', ())), 'node')}"
    elif kind == "Paced":
        text = f"a round trip takes {record.get('trip_s')} s: timers of {record.get('timer_s')} s from here on"
    elif kind == "WorkerLost":
        again = counted(len(record.get("nodes") or ()), "node")
        text = f"worker {record.get('worker')} is lost: {record.get('reason')}; {again} asked again"
    elif kind == "AwaitingConfirm":
        text = f"verified; rolls back at {str(record.get('until', ''))[11:19]} UTC unless confirmed before"
    elif kind == "Reverting":
        text = f"rolling back on every node: {record.get('reason', '')}"
    elif kind == "RunFinished":
        text = f"the end: {record.get('outcome')} (exit {record.get('exit_code')})"
    else:
        text = " ".join(f"{k}={v}" for k, v in record.items() if k != "at")
    return printable(f"{clock} {text}")


@lru_cache(maxsize=256)
def _time(text: str) -> float | None:
    try:
        return float(calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")))
    except ValueError:
        return None
