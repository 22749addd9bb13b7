"""What a rollout has come to: a flood of events folded into one state a node. Knows events as data only."""

from __future__ import annotations

import calendar
import time
from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from netplan.problems import printable
from netplan.rollout import phases

LOG_LINES = 20_000
DONE = ("confirm", "back", "forget")  # phases after which no timer runs


@dataclass(slots=True)
class NodeState:
    """One node. ``phase`` is the one at work or last done, ``word`` how it stands."""

    name: str
    phase: str = ""
    word: str = "waiting"
    detail: str = ""
    at: float | None = None
    done: set[str] = field(default_factory=set)
    timer: bool = False


class RolloutState:
    """Takes journal records, or ``Event.as_json()``, in order; ``dirty`` are the nodes to draw anew."""

    def __init__(self, timer_s: int | None = None) -> None:
        self.timer_s = timer_s
        self.verb = self.transaction = self.cluster = self.digest = ""
        self.nodes: dict[str, NodeState] = {}
        self.phase = ""
        self.reverting: str | None = None
        self.outcome: str | None = None
        self.exit_code: int | None = None
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.taken = self.widest = 0
        self.dirty: set[str] = set()

    @property
    def running(self) -> bool:
        """Tell whether the end has not been told."""
        return bool(self.transaction) and self.outcome is None

    def plan(self) -> tuple[str, ...]:
        """Return the phases that this transaction goes through, in order."""
        steps = (phases.LOOK, *phases.APPLY) if self.verb == "apply" else (*phases.UNDO, *phases.RAISE)
        return tuple(dict.fromkeys(phase for step in steps for phase in step.phases))

    def take(self, record: dict[str, Any]) -> None:
        """Fold one record in; what is unknown is logged and otherwise left alone."""
        self.taken += 1
        at = _time(str(record.get("at")))
        kind = str(record.get("event", ""))
        if kind == "RunStarted":
            self.verb, self.transaction = str(record.get("verb", "")), str(record.get("transaction", ""))
            self.cluster, self.digest = str(record.get("cluster", "")), str(record.get("digest", ""))
            self.nodes = {str(name): NodeState(str(name)) for name in dict(record.get("nodes", {})).values()}
            self.dirty |= set(self.nodes)
        elif kind == "PhaseStarted":
            self.phase = str(record.get("phase", ""))
            for name in record.get("nodes", ()):
                self._node(str(name)).phase = self.phase
                self._node(str(name)).word = "working"
        elif kind == "NodeResult":
            self._result(record, at)
        elif kind == "Reverting":
            self.reverting = str(record.get("reason", ""))
        elif kind == "RunFinished":
            self.outcome, self.exit_code = str(record.get("outcome", "")), int(record.get("exit_code", 1))
            self.dirty |= set(self.nodes)
        self.log.append(line(record))
        self.widest = max(self.widest, len(self.log[-1]))

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
            if node.phase == "arm":
                node.timer = True
            elif node.phase in DONE:
                node.timer = False
        else:
            node.word = "FAILED"
            found = record.get("problems") or ()
            node.detail = "; ".join(str(p.get("message", "")) for p in found if isinstance(p, dict)) or node.detail

    def clock(self, node: NodeState, now: float) -> float | None:
        """Return at most how many seconds a node's dead-man timer still has; None when none runs or it is unknown."""
        if not node.timer or node.at is None or self.timer_s is None or not self.running:
            return None
        return max(node.at + self.timer_s - now, 0.0)


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
        text = f"{record.get('phase', ''):<11} {record.get('node', ''):<12} {word:<6} {detail}"
    elif kind == "PhaseStarted":
        title = phases.TITLES.get(str(record.get("phase")), "")
        text = f"{record.get('phase', '')} starts on {len(record.get('nodes', ()))} nodes: {title}"
    elif kind == "PhaseFinished":
        text = f"{record.get('phase', '')} {'passed' if record.get('ok') else 'FAILED'} in {record.get('seconds', 0)} s"
    elif kind == "RunStarted":
        text = f"{record.get('verb')} {record.get('transaction')} on {len(record.get('nodes', ()))} nodes"
    elif kind == "Reverting":
        text = f"taking it back on every node: {record.get('reason', '')}"
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
