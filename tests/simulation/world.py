"""All nodes, the network between them, and the time: what the engine talks to instead of Ansible.

Everything happens in the order of one queue of moments. Requests take their way there, are served at one moment by the
agent's own code, and come back later; timers, boots and cables are moments of the same queue.
"""

from __future__ import annotations

import heapq
import io
import json
import random
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from netplan.agent import main
from netplan.rollout.pace import Limits
from netplan.rollout.transport.reply import Answer, parse
from tests.simulation import played, script
from tests.simulation.disk import PowerCut
from tests.simulation.faults import Fault
from tests.simulation.machine import Node
from tests.support.mutations import spoiled

_ARCHIVE = zlib.compress(b"x")  # what is staged is played
EPOCH = 1_767_225_600.0  # 2026-01-01


class Killed(BaseException):
    """The control process dies at this moment."""


class Clock:
    """The only time that there is, in seconds; it begins at a number that no real clock would show."""

    def __init__(self) -> None:
        self.now = 1000.0


class World:
    """``forks``: nodes that are talked to at the same time; None for all. ``watch``: look at pairs at every moment."""

    def __init__(self, seed: int, *, forks: int | None = None, watch: bool = True) -> None:
        self.chance, self.clock, self.limits = random.Random(seed), Clock(), Limits()
        self.forks, self.watch = forks, watch
        self.nodes: dict[str, Node] = {}
        self.by_address: dict[str, Node] = {}
        self.faults: dict[str, Fault] = {}
        self.kill: Fault | None = None
        self.under_way: dict[str, dict[str, Any]] = {}  # requests that will still arrive
        self.cuts: list[str] = []  # pairs of two healthy nodes that were cut while a controller lived
        self.requests = self.steps = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._number = self._moments = self._run = 0
        self._trip: dict[str, tuple[float, float]] = {}
        self._ready: deque[tuple[str, dict[str, Any], bytes]] = deque()
        self._about: dict[int, tuple[object, str]] = {}
        self.lives = True  # the controller

    def add(self, node: Node) -> None:
        """Put a node into the world."""
        self.nodes[node.id] = self.by_address[node.address] = node
        self._trip[node.id] = (self.chance.uniform(0.05, 0.5), self.chance.uniform(0.05, 0.5))

    # --- packets

    def group(self, release_digest: str) -> str:
        """Return what all nodes of one bundle share: each has a digest of its own."""
        return release_digest[:8]

    def same_bundle(self, one: str | None, other: str) -> bool:
        """Tell whether two digests are of one bundle."""
        return one is not None and self.group(one) == self.group(other)

    def esp(self, one: Node, other: Node) -> bool:
        """Tell whether a packet gets there encrypted; the traps of both ends have been asked before."""
        pair = one.peers[other.id]
        self._acquire(one, other, pair)
        self._acquire(other, one, pair)
        return not one.clear_out and pair in one.sas and one.sas[pair] == other.sas.get(pair)

    def delivers(self, one: Node, other: Node) -> bool:
        """Tell whether a packet gets there at all."""
        if self.esp(one, other):
            return True
        pair = one.peers[other.id]
        if not one.clear_out and (pair in one.sas or one.traps):
            return False
        if "drop" in (one.guard, other.guard):
            return False
        return other.wide or not (pair in other.sas or other.traps)

    def _acquire(self, one: Node, other: Node, pair: str) -> None:
        if not one.traps or one.clear_out or not one.loaded or not other.loaded:
            return
        able = one.reachable and other.reachable and not (one.charon_hangs or other.charon_hangs)
        if able and (pair not in one.sas or one.sas[pair] != other.sas.get(pair)):
            one.sas[pair] = other.sas[pair] = self.group(one.loaded)

    def answers(self, asks: Node, address: str) -> bool:
        """Tell whether a ping through the overlay is answered: to a host, or to the one that has a word to say."""
        via = asks.route[1] if asks.route and asks.route[0] == address else address
        other = self.by_address.get(via)
        if other is None or not (other.reachable and asks.reachable) or other.id not in asks.peers:
            return False
        if via != address and address not in other.addresses:
            return False
        return self.delivers(asks, other) and self.delivers(other, asks)

    def cut_pairs(self, node: Node) -> list[str]:
        """Return the pairs of a node that don't get their packets through, of healthy nodes only."""
        found = []
        for peer in node.peers:
            other = self.nodes[peer]
            if self._healthy(node) and self._healthy(other):
                found += [f"{a.name}-{b.name}" for a, b in ((node, other), (other, node)) if not self.delivers(a, b)]
        return found

    def _healthy(self, node: Node) -> bool:
        return node.reachable and node.id not in self.faults and not node.charon_hangs

    # --- time

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Let something happen at a moment."""
        self._number += 1
        heapq.heappush(self._queue, (when, self._number, act))

    def run_until(self, end: float) -> None:
        """Let the time pass."""
        while self._queue and self._queue[0][0] <= end:
            self._next()
        self.clock.now = max(self.clock.now, end)

    def run_out(self, most_s: float = 20_000) -> None:
        """Let the time pass until nothing is left that would happen by itself."""
        end = self.clock.now + most_s
        while self._queue and self._queue[0][0] <= end:
            self._next()

    def _next(self) -> None:
        when, _, act = heapq.heappop(self._queue)
        self.clock.now = max(self.clock.now, when)
        act()

    def fire(self, node: Node, unit: str) -> None:
        """Let a rollback timer fire, if it is still armed; the agent that is at work there ends."""
        if node.timers.get(unit, 1e99) > self.clock.now or not node.up:
            return
        del node.timers[unit]
        node.life += 1
        tx = unit.removeprefix("ipsecplan-revert-").rpartition("-")[0]
        with self._on(node):
            script.run(node, "timer", tx, unit)

    def _on(self, node: Node) -> Any:
        return self.entered(node)  # set where the modules of the agent are led here, see tests.simulation.led

    entered: Callable[[Node], Any]

    # --- the transport of an engine

    def step(
        self,
        requests: Mapping[str, Any],
        targets: Mapping[str, Any],
        *,
        payload: bool,
        fresh: bool,
        arrived: Callable[[str, Answer], None],
    ) -> dict[str, Answer]:
        """Carry one request to each node, see netplan.rollout.transport.ansible.Transport."""
        del targets, fresh
        self._run += 1
        self.steps += 1
        answers: dict[str, Answer] = {}
        run = self._run

        def done(node_id: str, answer: Answer) -> None:
            if run != self._run or node_id in answers:
                return
            answers[node_id] = answer
            arrived(node_id, answer)
            self._send(done)
            self._moment()

        self.under_way = dict(requests)
        self._ready = deque((i, request, _ARCHIVE if payload else b"") for i, request in requests.items())
        for _ in range(self.forks or len(requests)):
            self._send(done)
        while len(answers) < len(requests):
            self._next()
        return answers

    def _send(self, done: Callable[[str, Answer], None]) -> None:
        if self._ready:
            node_id, request, archive = self._ready.popleft()
            there = self._trip[node_id][0]
            self.at(self.clock.now + there, lambda: self._serve(node_id, request, archive, done))

    def _moment(self) -> None:
        """Kill the controller when its time has come. What is under way arrives, or is lost."""
        self._moments += 1
        if self.kill and not self.kill.done and self._moments >= self.kill.when:
            self.kill.done, self.lives = True, False
            self._run += 1
            self._ready.clear()
            raise Killed

    def _serve(self, node_id: str, request: Any, archive: bytes, done: Callable[[str, Answer], None]) -> None:
        self.under_way.pop(node_id, None)
        node, fault = self.nodes[node_id], self.faults.get(node_id)
        if not self.lives and self.chance.random() < 0.5:
            return
        away = Answer(unreachable="no route to host")
        if not node.reachable:
            self.at(self.clock.now + self.limits.connect_s, lambda: done(node_id, away))
            return
        self.requests += 1
        said = self._ask(node, request, archive)
        if self.watch and self.lives:
            self.cuts += [f"{request['phases']} on {node.name}: {cut}" for cut in self.cut_pairs(node)]
        lost_at = self.clock.now + self.limits.alive_s
        if said is None:
            self.at(lost_at, lambda: done(node_id, away))
            return
        back, life = node.work + self._trip[node_id][1], node.life
        if fault and fault.kind in ("lost", "late", "lies") and not fault.done and fault.phase in request["phases"]:
            fault.done = True
            if fault.kind == "lies":
                said = spoiled(self.chance, json.loads(said))
            elif fault.kind == "lost" or fault.seconds > self.limits.alive_s:
                self.at(lost_at, lambda: done(node_id, away))
                return
            else:
                back += fault.seconds

        def comes() -> None:
            if node.life != life or not node.reachable:
                self.at(self.clock.now + self.limits.alive_s, lambda: done(node_id, away))
            else:
                done(node_id, parse(said, request))

        self.at(self.clock.now + back, comes)
        self._moment()

    def _ask(self, node: Node, request: dict[str, Any], archive: bytes) -> str | None:
        """Let the agent serve a request; return what it prints, None where its node lost power."""
        node.work = 0.0
        data = self._text(request)
        out = io.StringIO()
        with self._on(node):
            main.sys = SimpleNamespace(stdout=out)  # type: ignore[assignment]
            try:
                main.main({"request": len(data), "archive": len(archive)}, io.BytesIO(data + archive))  # type: ignore[typeddict-item]
            except PowerCut:
                self._power(node, self.faults[node.id])
                return None
        if not node.up:
            return None
        return out.getvalue().partition(main.SENTINEL)[2]

    def _text(self, request: dict[str, Any]) -> bytes:
        """Return a request as JSON; what it has of its node is the same object in many, and made text once."""
        about = request["node"]
        known = self._about.get(id(about))
        if known is None or known[0] is not about:
            known = self._about[id(about)] = (about, json.dumps(about))
        rest = json.dumps({key: value for key, value in request.items() if key != "node"})
        return f'{{"node": {known[1]}, {rest[1:]}'.encode()

    def _power(self, node: Node, fault: Fault) -> None:
        node.power_off()
        if fault.kind == "reboots":
            self.at(self.clock.now + fault.seconds, lambda: self.boot(node))

    def boot(self, node: Node) -> None:
        """Start a node that is off."""
        if not node.up:
            with self._on(node):
                node.boot()

    def phase(self, node: Node, name: str, serve: Callable[..., Any]) -> Callable[..., Any]:
        """Return what serves a phase on a node, with the fault that it has there."""

        def whole(request: dict[str, Any], *archive: bytes) -> Any:
            fault = self.faults.get(node.id)
            mine = fault if fault and not fault.done and fault.phase == name else None
            if mine:
                self._strike(node, mine, before=True)
            answer = serve(request, *archive) if name in played.REAL else played.work(node, name, request)
            node.work += played.SECONDS.get(name, 0.5)
            if mine:
                self._strike(node, mine, before=False)
                if mine.kind == "no proof":
                    mine.done = True
                    answer["rows"] = [{**row, "passes": False, "said": "no answer"} for row in answer["rows"]]
            return answer

        return whole

    def _strike(self, node: Node, fault: Fault, *, before: bool) -> None:
        kind, until = fault.kind, self.clock.now + 10 * fault.seconds
        if kind in ("gone", "reboots"):
            if before and fault.when >= 0:
                node.disk.cut_in = fault.when
            if (before, fault.when) == (True, -1) or (not before and fault.when < 0):
                raise PowerCut
            if not before:
                node.disk.cut_in = None
                raise PowerCut
        elif before is (fault.when % 2 == 0):
            if kind == "disk full":
                fault.done, node.disk.free = True, 100
            elif kind == "charon hangs":
                fault.done, node.charon_hangs = True, True
                self.at(until, lambda: setattr(node, "charon_hangs", False))
            elif kind == "clock":
                fault.done = True
                node.ahead += fault.seconds * 200 - 9000
            elif kind == "cut off":
                fault.done, node.cut_off = True, True
                self.at(until, lambda: setattr(node, "cut_off", False))
