"""Many nodes under a played clock: forks, trips and work take time, timers fire, and peers must have been asked.

What a node lacks of its peers is real: an IKE_SA needs both ends to have loaded their connections, a CHILD_SA that the
other end sends on needs that end to have been asked. Nothing waits inside a request.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from netplan.rollout import step_loop
from netplan.rollout.engine import Engine
from netplan.rollout.nodes.targets import Target
from netplan.rollout.outcome import Options, Outcome
from netplan.rollout.pace import Limits
from netplan.rollout.record.events import Event, Observer
from netplan.rollout.record.events import silent as silent_observer
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.transport.reply import Answer
from netplan.rollout.verbs import apply as apply_module
from netplan.rollout.verbs.apply import apply
from tests.support import replies

WORK = {"status": 0.3, "preflight": 0.7, "probe": 5.5}  # seconds of a node; 0.2 else
ENDS = ("confirm", "roll-back")


class Clock:
    """What takes the place of ``time`` in the engine."""

    def __init__(self) -> None:
        self.now, self.slept = 1000.0, 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds

    def strftime(self, *words: Any) -> str:
        return time.strftime(*words)

    def gmtime(self, *words: Any) -> time.struct_time:
        return time.gmtime(*words)


class ManyNodes:
    """A transport of ``forks`` workers. ``fired``: nodes whose timer ran out, in which phase they heard of it."""

    def __init__(
        self, clock: Clock, targets: list[Target], *, trip_s: float = 1.0, silent: frozenset[str] = frozenset()
    ):
        self.limits = Limits()
        self.clock, self.trip_s, self.silent = clock, trip_s, silent
        self.peers = {target.id: [peer["id"] for peer in target.node["peers"]] for target in targets}
        self.ends: dict[str, list[str]] = {}
        for target in targets:
            for peer in target.node["peers"]:
                self.ends.setdefault(peer["pair"], []).append(target.id)
        self.deadline: dict[str, float] = {}
        self.loaded: set[str] = set()
        self.asked: dict[str, set[str]] = {}  # pair -> ends that asked for their CHILD_SA
        self.fired: list[tuple[str, str]] = []
        self.requests = 0
        self.waited = 0
        self.forks: set[int] = set()
        self.steps: list[tuple[tuple[str, ...], int]] = []
        self.told: Observer = silent_observer

    def step(
        self,
        requests: Mapping[str, dict[str, Any]],
        targets: Mapping[str, Target],
        *,
        payload: bool,
        fresh: bool,
        arrived: Callable[[str, Answer], None],
    ) -> dict[str, Answer]:
        del targets, payload, fresh
        free = [self.clock.now] * min(self.limits.forks, len(requests))
        self.forks.add(self.limits.forks)
        self.steps.append((tuple(next(iter(requests.values()))["phases"]), len(requests)))
        answers, coming = {}, []
        for number, (node_id, request) in enumerate(requests.items()):
            begin = heapq.heappop(free)
            answer, spent = self._serve(node_id, request, begin + self.trip_s / 2)
            end = begin + self.trip_s + spent
            heapq.heappush(free, end)
            answers[node_id] = answer
            coming.append((end, number, node_id))
        for end, _, node_id in sorted(coming):
            self.clock.now = end
            answers[node_id].clock = end
            arrived(node_id, answers[node_id])
        return answers

    def _serve(self, node_id: str, request: dict[str, Any], at: float) -> tuple[Answer, float]:
        """Return the answer of a node that a request reaches at a time, and the seconds of its own that it takes."""
        self.requests += 1
        results: list[Any] = []
        first, spent = request["phases"][0], 0.0
        if at > self.deadline.get(node_id, float("inf")):
            self.fired.append((node_id, first))
        if request["rearm"] or "arm" in request["phases"]:
            self.deadline[node_id] = request["sent"] + request["timer"] if "sent" in request else at + request["timer"]
        for phase in request["phases"]:
            seconds = WORK.get(phase, 0.2)
            result = {"phase": phase, "ok": True, "changed": True, "detail": "", "seconds": seconds, "findings": []}
            if phase == "preflight":
                result["strongswan"] = {"version": "6.0.1"}
            spent += seconds
            lacks = self._lacks(node_id, phase, request)
            if lacks and request.get("more"):
                self.waited += 1
                result |= {"ok": False, "waiting_for": lacks[:50], "lacking": len(lacks)}
            elif lacks:
                finding = {"code": "IPP614", "message": f"no SA with {lacks[0]}", "hint": None, "severity": "error"}
                result |= {"ok": False, "findings": [finding]}
            else:
                result |= replies.added(phase, request["node"])
            if phase == "status":
                result |= {"differs": ["nothing is applied"]}
            if phase in ENDS:
                self.deadline.pop(node_id, None)
            results.append(result)
            if not result["ok"]:
                break
        return Answer(results=results, clock=at, wall=time.time()), spent

    def _lacks(self, node_id: str, phase: str, request: dict[str, Any]) -> list[str]:
        if phase == "credentials" and node_id not in self.silent:
            self.loaded.add(node_id)
        if phase == "ike-check":
            return [peer for peer in self.peers[node_id] if peer not in self.loaded]
        if phase != "encrypt":
            return []
        turn = set(request["pairs"]) if "pairs" in request else None
        lacks = []
        for peer in request["node"]["peers"]:
            if turn is not None and peer["pair"] not in turn:
                continue
            asked = self.asked.setdefault(peer["pair"], set())
            if peer["initiator"] or asked:
                asked.add(node_id)
            if len(asked) < 2:
                lacks.append(peer["id"])
        return lacks


def ring(number: int, reach: int) -> list[Target]:
    """Return nodes of which each has a pair with ``reach`` others ahead of it, ever farther ones, and as many behind.

    With half as many as there are nodes it is a full mesh.
    """
    ahead = range(1, reach + 1) if reach >= number // 2 else [4**n for n in range(reach)]
    ids = [f"n-{n:012}" for n in range(number)]
    out = []
    for at, node_id in enumerate(ids):
        others = dict.fromkeys((at + step) % number for n in ahead for step in (n, -n))
        others.pop(at, None)
        peers = [
            {
                "id": ids[other],
                "pair": f"pair-{min(at, other):06}{max(at, other):06}",
                "name": f"h{other}",
                "initiator": at < other,
            }
            for other in others
        ]
        out.append(Target(node_id, f"h{at}", f"{at:064}", replies.node_json(node_id, peers, name=f"h{at}"), (), {}, {}))
    return out


class Rollout:
    """One apply over many nodes."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path, targets: list[Target], **options: Any) -> None:
        self.clock = Clock()
        self.events: list[Event] = []
        trip_s, silent = options.pop("trip_s", 1.0), options.pop("silent", frozenset())
        for module in (step_loop, apply_module):
            patch.setattr(module, "time", self.clock)
        for name in ("request", "verbs.confirm"):
            patch.setattr(f"netplan.rollout.{name}.time", self.clock)
        self.nodes = ManyNodes(self.clock, targets, trip_s=trip_s, silent=silent)
        with ClusterState(folder, "lab") as state:
            engine = Engine("lab", "d" * 64, targets, self.nodes, state, self.events.append, Options(**options))
            self.engine, self.nodes.told = engine, engine.told
            self.outcome: Outcome = apply(engine, lambda _: True)
        self.took = self.clock.now - 1000.0
