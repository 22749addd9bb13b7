"""The law of growth: CPU and memory of load, plan, render, diff, apply and verify at N, 2N, 4N, 8N hosts.

The exponent is fitted over the four points: by host for load and plan, by direction of a pair for the rest. What a run
costs without any pair is in the figures, and makes exponents smaller at small sizes. The apply is that of the real
engine; its nodes answer at once, and what it takes to make their answers up is not counted.
"""

from __future__ import annotations

import gc
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.render import planned
from benchmarks.result import Result
from netplan import pipeline
from netplan.bundle import reader
from netplan.bundle.compare import file_changes
from netplan.bundle.write import write
from netplan.cli.diff import compare
from netplan.inputs.rules_hosts import nodes
from netplan.plan.build import make_plan
from netplan.rollout.engine import Engine
from netplan.rollout.nodes.targets import Target
from netplan.rollout.outcome import Options
from netplan.rollout.pace import Limits
from netplan.rollout.record.events import silent
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.transport.reply import Answer, parse
from netplan.rollout.verbs.apply import apply
from netplan.verify.verdict import judge
from tests.support import replies

SHAPES = {"full-mesh": (15, 30, 60, 120), "hub": (60, 120, 240, 480)}
HOSTS = 8  # times so many hosts for what grows by host
BY_HOST = ("load", "plan")
PARTS = (*BY_HOST, "render", "diff", "apply", "verify")
AGAIN, TIMES = ("load", "plan", "verify"), 3  # some milliseconds, which change nothing: the best of so many
GOAL = 1.1


class Instant:
    """A transport whose nodes say yes at once. ``made_s``: CPU seconds that went into making up what they say."""

    limits = Limits()

    def __init__(self) -> None:
        self.made_s, self.requests = 0.0, 0

    def step(self, requests: Mapping[str, Any], targets: object, *, arrived: Any, **_: object) -> dict[str, Answer]:
        """Answer every request."""
        del targets
        answers = {}
        for node_id, request in requests.items():
            begin = time.process_time()
            text = self._text(request)
            self.made_s += time.process_time() - begin
            self.requests += 1
            answers[node_id] = parse(text, request)
            arrived(node_id, answers[node_id])
        return answers

    def _text(self, request: dict[str, Any]) -> str:
        return json.dumps({"results": replies.well(request), "clock": time.monotonic(), "wall": time.time()})


def _inventory(folder: Path, hosts: int) -> None:
    lines = []
    for n in range(hosts):
        high, low = n >> 8 & 255, n & 255
        pods = f"{11 + (n >> 16)}.{high}.{low}.0/24"
        lines.append(f"        h{n:05}: {{underlay_address: 10.{n >> 8}.{low}.1, pod_cidr: {pods}}}\n")
    (folder / "hosts.yml").write_text("all:\n  children:\n    nodes:\n      hosts:\n" + "".join(lines))
    (folder / "plan.yaml").write_text("name: bench\ninventory: hosts.yml\n")


def targets(bundle: reader.Bundle) -> list[Target]:
    """Return the engine's view of the nodes of a bundle."""
    files = bundle.installed()
    return [
        Target(i, about["name"], about["digest"], bundle.node(i), tuple(files.get(i, ())), bundle.contents, {})
        for i, about in bundle.nodes.items()
    ]


class Bench:
    """Everything that the parts need, made before any of them is measured."""

    def __init__(self, folder: Path, shape: str, hosts: int) -> None:
        self.folder, self.shape, self.transport = folder, shape, Instant()
        self.made = planned(shape, hosts)
        for name, plan in (("old", self.made), ("new", planned(shape, hosts, changed=hosts // 2))):
            write(folder / name, plan.plan, plan.inventory)
        self.bundle = reader.read(folder / "new")
        self.targets = targets(self.bundle)
        self.measured = {target.id: replies.measured(dict(target.node)) for target in self.targets}
        self.directions = sum(len(target.node["peers"]) for target in self.targets)
        self.many = planned(shape, HOSTS * hosts)
        self.hosts = HOSTS * hosts
        _inventory(folder, self.hosts)

    def parts(self) -> Iterator[tuple[str, int, Callable[[], object]]]:
        """Yield each part: its name, what it grows by, and the act."""
        loaded, old = self.many.loaded, self.folder / "old"
        yield "load", self.hosts, lambda: pipeline.read_inventory(pipeline.load(self.folder / "plan.yaml"))
        yield "plan", self.hosts, lambda: make_plan(loaded.plan, nodes(loaded.plan, self.many.inventory))
        yield "render", self.directions, lambda: write(self.folder / "again", self.made.plan, self.made.inventory)
        yield "diff", self.directions, lambda: self._diff(old, self.folder / "new")
        yield "apply", self.directions, self.apply
        yield "verify", self.directions, lambda: judge([t.node for t in self.targets], self.measured)

    @staticmethod
    def _diff(old: Path, new: Path) -> object:
        before, after = reader.read(old, files=False), reader.read(new, files=False)
        return compare(before, after), list(file_changes(before.entries, after.entries))

    def apply(self) -> None:
        """Apply the bundle; nothing of it waits. Raises RuntimeError when it fails."""
        with ClusterState(self.folder / "state", "lab") as state:
            engine = Engine("lab", self.bundle.digest, self.targets, self.transport, state, silent, Options(soak_s=0))
            outcome = apply(engine, lambda _: True)
        if outcome.outcome != "confirmed":
            raise RuntimeError(f"{outcome.outcome}: {[p.message for p in outcome.problems][:3]}")


def peak_mib(reset: bool = False) -> float:
    """Return the most memory of this process since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def child(shape: str, hosts: int) -> dict[str, list[float]]:
    """Measure all parts here; return part -> what it grows by, CPU seconds (children included), MiB."""
    os.fsync = lambda _: None  # disks of a test machine are no part of the law
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder + "/cache"
        bench = Bench(Path(folder), shape, hosts)
        for name, size, act in bench.parts():
            gc.collect()
            gc.freeze()  # what was made for all parts is no garbage of this one, and a command doesn't have it
            least, took = peak_mib(reset=True), math.inf
            for _ in range(TIMES if name in AGAIN else 1):
                before = _cpu_s()
                act()
                took = min(took, _cpu_s() - before - (bench.transport.made_s if name == "apply" else 0.0))
            found[name] = [size, took, peak_mib() - least]
        found["a node-request"] = [bench.transport.requests, found["apply"][1] / bench.transport.requests, 0]
    return found


def run(shape: str, hosts: int) -> dict[str, list[float]]:
    """Run :func:`child` in a process of its own."""
    code = f"import json; from benchmarks.law import child; print(json.dumps(child({shape!r}, {hosts})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def fitted(points: list[tuple[float, float]]) -> float:
    """Return the exponent that fits (size, value) best: least squares over the logarithms."""
    logs = [(math.log(size), math.log(max(value, 1e-9))) for size, value in points]
    x, y = (sum(column) / len(logs) for column in zip(*logs, strict=True))
    return sum((a - x) * (b - y) for a, b in logs) / sum((a - x) ** 2 for a, _ in logs)


def measure() -> list[Result]:
    """Measure every part of every shape, and the engine's own CPU for each request to a node."""
    found = []
    for shape, sizes in SHAPES.items():
        at = {hosts: run(shape, hosts) for hosts in sizes}
        for part in PARTS:
            points = [at[hosts][part] for hosts in sizes]
            words = ", ".join(f"{size:,.0f}: {cpu:.3f} s {mib:.0f} MiB" for size, cpu, mib in points)
            memory = fitted([(size, max(mib, 0.5)) for size, _, mib in points])
            found.append(
                Result(
                    name=f"law, {shape}: {part} by {'host' if part in BY_HOST else 'direction'}",
                    value=fitted([(size, cpu) for size, cpu, _ in points]),
                    goal=GOAL,
                    unit="",
                    detail=f"memory {memory:.2f}; {words}",
                )
            )
        last, first = at[sizes[-1]]["a node-request"], at[sizes[0]]["a node-request"]
        found.append(
            Result(
                name=f"engine, {shape}: CPU for each request to one of {sizes[-1]} nodes",
                value=1000 * last[1],
                goal=2.0,
                unit="ms",
                detail=f"{last[0]:.0f} requests; {1000 * first[1]:.2f} ms at {sizes[0]} nodes; nodes answer at once",
            )
        )
    return found
