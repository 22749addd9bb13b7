"""One run from a seed: an apply with faults, what the operator does after it, and whether it may end as it does."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from netplan.rollout.engine import Engine
from netplan.rollout.nodes.targets import Target
from netplan.rollout.outcome import Options, Outcome
from netplan.rollout.record.events import silent
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.verbs.apply import apply
from netplan.rollout.verbs.resume import resume
from tests.simulation.faults import Fault, drawn
from tests.simulation.led import led
from tests.simulation.machine import ROOT, Node
from tests.simulation.world import Killed, World
from tests.support import replies

OLD, NEW = "0" * 7 + "1", "0" * 7 + "2"  # how the digests of the two bundles begin
HEALTHY_ROOM = 256 * 2**20
ROUNDS = 4  # of an operator who resumes
LEFT_ALONE_S = 1500  # every timer of a run has fired by then


def edges(size: int, mesh: str) -> dict[int, list[int]]:
    """Return number of each node -> those that it has a pair with; ``mesh``: pairs, hub (three hubs) or ring."""
    if mesh == "pairs":
        return {n: [m for m in range(size) if m != n] for n in range(size)}
    if mesh == "hub":
        hubs = range(min(3, size))
        return {n: [m for m in (range(size) if n in hubs else hubs) if m != n] for n in range(size)}
    return {n: sorted({(n + step) % size for step in (-2, -1, 1, 2)} - {n}) for n in range(size)}


def cluster(world: World, size: int, mesh: str) -> None:
    """Make the nodes of a world."""
    ids = [f"n-{n:012x}" for n in range(size)]
    for number, peers in edges(size, mesh).items():
        pairs = {ids[p]: f"pair-{min(p, number):06x}{max(p, number):06x}" for p in peers}
        world.add(Node(world, ids[number], f"h{number}", _address(number), pairs))


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def targets(world: World, bundle: str) -> list[Target]:
    """Return the engine's view of all nodes, of one bundle."""
    out = []
    for number, node in enumerate(world.nodes.values()):
        peers = [
            {
                "id": peer,
                "pair": pair,
                "name": world.nodes[peer].name,
                "address": world.nodes[peer].address,
                "overlay_address": world.nodes[peer].address,
                "initiator": node.id < peer,
            }
            for peer, pair in node.peers.items()
        ]
        document = replies.node_json(node.id, peers, name=node.name, underlay={"address": node.address, "mtu": 1500})
        document["overlay"] |= {"address": node.address, "devices": [{"name": "ov0", "mtu": 1416}]}
        out.append(Target(node.id, node.name, f"{bundle}{number:056x}", document, (), {}, {}))
    return out


@dataclass
class Report:
    """What one run was, and what is wrong with its end (nothing, where all is well)."""

    seed: int
    outcome: str
    faults: list[Fault]
    wrong: list[str] = field(default_factory=list)
    resumed: int = 0
    requests: int = 0
    steps: int = 0
    simulated_s: float = 0.0
    cpu_s: float = 0.0
    sides: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """Say it in a line."""
        return f"seed {self.seed}: {self.outcome}; {'; '.join(f.words for f in self.faults)}"


class Run:
    """A cluster with what has befallen it, and an operator."""

    def __init__(
        self, seed: int, size: int, mesh: str, folder: Path, *, share: float = 0.05, forks: int | None = None
    ) -> None:
        self.seed, self.folder = seed, folder
        self.world = World(seed, forks=forks, watch=size <= 60)
        self.chance = random.Random(f"run {seed}")
        cluster(self.world, size, mesh)
        self.over = size <= 60 and self.chance.random() < 0.5  # whether an older release is in force
        self.faults = drawn(self.chance, list(self.world.nodes), share)
        self.now = self.chance.random() < 0.5  # whether who resumes comes before the timers
        self._targets = {bundle: targets(self.world, bundle) for bundle in (OLD, NEW)}
        self.defects: list[str] = []

    def verb(self, act: Callable[[Engine], Outcome], bundle: str = NEW) -> Outcome | None:
        """Let a controller do something; return None when it died."""
        world = self.world
        world.lives = True
        try:
            with ClusterState(self.folder, "lab") as state:
                options = Options(soak_s=5.0, steal=True)
                engine = Engine("lab", "d" * 64, self._targets[bundle], world, state, silent, options)
                pace = engine.timers.pace  # as many are talked to at once as the world lets
                engine.timers.pace = replace(pace, forks=world.forks or len(world.nodes))
                outcome = act(engine)
        except Killed:
            return None
        self.defects += [f"{type(defect).__name__}: {defect}" for defect in engine.run.defects]
        return outcome

    def side(self, node: Node) -> str:
        """Return where a node stands: old, new, or something that must not be."""
        state = node.state
        bundle = state["release"][:8] if state["state"] == "confirmed" else ""
        before = OLD if self.over else ""
        loose = " ".join(
            word for word, there in (("timer", node.timers), ("wide", node.wide), ("clear", node.clear_out)) if there
        )
        words = (state["state"], bundle, (node.loaded or "")[:8], node.guard, node.traps, loose)
        secure = {b: ("confirmed", b, b, "drop", True, "") for b in (OLD, NEW)}
        if words == (secure[OLD] if before else ("none", "", "", "absent", False, "")):
            return "old"
        return "new" if words == secure[NEW] else " ".join(map(str, words))

    def go(self) -> Report:
        """Do all of it."""
        begin = time.process_time()
        world = self.world
        if self.over:
            made = self.verb(lambda e: apply(e, lambda _: True), OLD)
            assert made is not None, "the first release has no fault in its way"
            assert made.outcome == "confirmed", made.problems
        world.faults = {fault.node: fault for fault in self.faults if fault.kind != "killed"}
        world.kill = next((fault for fault in self.faults if fault.kind == "killed"), None)
        world._moments = 0
        outcome = self.verb(lambda e: apply(e, lambda _: True))
        report = Report(self.seed, outcome.outcome if outcome else "killed", self.faults)
        if outcome:
            self._after(report, outcome)
        if world.kill and world.kill.done:
            world.run_until(world.clock.now + world.kill.seconds)
            if world.kill.seconds >= LEFT_ALONE_S and not world.faults and self._unfinished():
                report.wrong.append("left alone, healthy nodes did not agree by themselves")
        elif outcome and outcome.outcome == "rollback-incomplete" and self.now:
            world.run_until(world.clock.now + 5)
        else:
            world.run_out()
        self._mend()
        self._operator(report, outcome)
        report.wrong += self.defects
        report.wrong += [f"cut while the controller lived: {cut}" for cut in world.cuts[:3]]
        report.requests, report.steps = world.requests, world.steps
        report.simulated_s, report.cpu_s = world.clock.now - 1000, time.process_time() - begin
        return report

    def _faulty(self, node: Node) -> bool:
        return node.id in self.world.faults

    def _lies(self, node: Node) -> bool:
        return self._faulty(node) and self.world.faults[node.id].kind == "lies"

    def _after(self, report: Report, outcome: Outcome) -> None:
        """What must hold the moment a living controller has ended."""
        for node in self.world.nodes.values():
            if self._faulty(node):
                continue
            side = self.side(node)
            wanted = {"confirmed": {"new"}, "rolled-back": {"old"}, "failed": {"old"}}.get(
                outcome.outcome, {"old", "new"}
            )
            if side not in wanted:
                report.wrong.append(f"{outcome.outcome}, but {node.name} is {side}")
        if outcome.outcome not in ("confirmed", "rolled-back", "failed", "rollback-incomplete", "unchanged"):
            report.wrong.append(f"an end that is none: {outcome.outcome}")
        if outcome.exit_code and not outcome.problems:
            report.wrong.append("failed without a reason")

    def _mend(self) -> None:
        """What was wrong with the machines is repaired: power, cable, disk, charon."""
        world = self.world
        for node in world.nodes.values():
            node.cut_off = node.charon_hangs = False
            node.ahead = 0.0
            node.disk.free = max(node.disk.free, HEALTHY_ROOM)
            node.disk.cut_in = None
            world.boot(node)
        for fault in self.faults:
            fault.done = True

    def _operator(self, report: Report, outcome: Outcome | None) -> None:
        """Let timers run out, and resume where the controller died or said that something is left."""
        world = self.world
        open_end = outcome is None or outcome.outcome == "rollback-incomplete"
        if open_end and not self.now:
            world.run_out()
        while open_end and report.resumed < ROUNDS and (self._unfinished() or not report.resumed):
            report.resumed += 1
            self.verb(lambda e: resume(e, lambda *_: True, lambda *_: True))
            world.run_out()
        world.run_out()
        report.sides = {node.name: self.side(node) for node in world.nodes.values()}
        found = set(report.sides.values())
        if not (found == {"old"} or found == {"new"}):
            few = {side: [n for n, s in report.sides.items() if s == side][:4] for side in found}
            report.wrong.append(f"mixed: {few}")
        if outcome and outcome.outcome in ("confirmed", "rolled-back", "failed"):
            wanted = "new" if outcome.outcome == "confirmed" else "old"
            if found != {wanted}:
                report.wrong.append(f"the controller said {outcome.outcome}, the end is {sorted(found)}")
        cut = [c for node in world.nodes.values() for c in self._all_cut(node)]
        if cut:
            report.wrong.append(f"{len(cut)} directions cut at the end: {cut[:4]}")

    def _unfinished(self) -> bool:
        return len({self.side(node) for node in self.world.nodes.values()}) > 1

    def _all_cut(self, node: Node) -> list[str]:
        world = self.world
        return [f"{node.name}-{world.nodes[p].name}" for p in node.peers if not world.delivers(node, world.nodes[p])]


@contextmanager
def _quick() -> Iterator[None]:
    """The journal of a run need not survive a power cut of this machine."""
    before, os.fsync = os.fsync, lambda _: None
    try:
        yield
    finally:
        os.fsync = before


def run(seed: int, size: int, mesh: str = "pairs", *, share: float = 0.05, forks: int | None = None) -> Report:
    """Run one seed over ``size`` nodes."""
    shm = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="ipsecplan-simulation-", dir=shm))
    try:
        made = Run(seed, size, mesh, folder, share=share, forks=forks)
        with _quick(), led(made.world, seed):
            return made.go()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def disk_of(node: Node) -> dict[str, Any]:
    """Return what a node remembers, to look at a seed."""
    return {path: data for path, data in node.disk.copy().items() if path.startswith(ROOT)}
