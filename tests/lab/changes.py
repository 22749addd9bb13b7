"""A cluster that goes through changes: plans made from the lab's, applied and watched, each a row of one table."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from netplan.lab.cluster import Lab

from .mesh import Report, clock, watched_mesh
from .rollout_steps import ending

Watch = Callable[[Lab], AbstractContextManager[Report]]
HEAD = (
    f"{'change':<34} {'s':>4}  {'pings':>6} {'lost':>5} {'worst pair':>10} {'run':>4}  "
    f"{'TCP alive':>9} {'stall s':>7}  {'clear':>5} {'planted':>7}"
)


@dataclass
class Row:
    """One change as measured. Sums are over the pairs that were members before and after it."""

    name: str
    report: Report
    members: Sequence[str]
    since: float
    until: float
    marks: list[tuple[float, str]] = field(default_factory=list)

    def line(self) -> str:
        streams = self.report.among(self.members).values()
        flows = {p: f for p, f in self.report.flows.items() if set(p) <= set(self.members)}
        alive = len(flows) - len(self.report.dead_flows(self.members))
        stall = max([float(str(f["worst"])) for f in flows.values()], default=0.0)
        clear = self.report.clear(self.since, self.until, self.members) if self.until > self.since else 0
        return (
            f"{self.name:<34} {self.report.seconds:4.0f}  {sum(s.sent for s in streams):6} "
            f"{sum(s.lost for s in streams):5} {max(s.lost for s in streams):10} {max(s.longest for s in streams):4}  "
            f"{alive:>5} / {len(flows)} {stall:7.1f}  {clear:5} {self.report.planted():7}"
        )

    def holes(self, pair: tuple[str, str] | None = None) -> str:
        """Say where pings were lost among the members, or by one pair, with the progress line before it."""
        out = []
        watched = {pair: self.report.streams[pair]} if pair else self.report.among(self.members)
        for (a, b), stream in watched.items():
            for at, length in stream.holes:
                before = [what for when, what in self.marks if when <= at]
                out.append(f"    {a}->{b} {length} lost, after: {before[-1] if before else 'the start'}")
            if stream.silent:
                out.append(f"    {a}->{b} {stream.silent} lost until the end")
        return "\n".join(out)


class Cluster:
    """One lab, one state directory, many bundles."""

    def __init__(self, lab: Lab, folder: Path, watch: Watch = watched_mesh) -> None:
        self.lab, self.folder, self.watch, self.rows = lab, folder, watch, list[Row]()
        self.marks: list[tuple[float, str]] = []
        self.offset = clock(lab)

    def bundle(self, name: str, *, members: str = "k8s_nodes", **edits: dict[str, Any]) -> Path:
        """Render a plan: the lab's with sections changed by ``edits``, for the nodes of the pattern ``members``."""
        document = yaml.safe_load(self.lab.plan.read_text())
        document |= {"inventory": str(self.lab.inventory), "nodes": members}
        for section, values in edits.items():
            document[section] |= values
        plan = self.folder / f"{name}.yaml"
        plan.write_text(yaml.safe_dump(document))
        self.call("render", str(plan), "--to", str(self.folder / name))
        return self.folder / name

    def call(self, *argv: str, code: int = 0, told: Callable[[str], None] | None = None) -> str:
        """Run a command; its progress is kept in :attr:`marks` with the lab's time, ``told`` gets each line."""
        state = [] if argv[0] == "render" else ["--state-dir", str(self.folder / "state")]
        said = []
        with ending(
            subprocess.Popen(
                [sys.executable, "-m", "netplan", *argv, *state],
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        ) as process:
            assert process.stdout
            for line in process.stdout:
                print(line, end="")
                said.append(line)
                self.marks.append((time.time() + self.offset, line.strip()))
                if told:
                    told(line)
            process.wait()
        if process.returncode != code:
            self.logs(self.lab.config.names)
        assert process.returncode == code, "".join(said)
        return "".join(said)

    def apply(self, bundle: Path, *words: str, code: int = 0) -> str:
        return self.call("apply", str(bundle), "--yes", "--soak", "2", *words, code=code)

    def change(self, name: str, *steps: tuple[str, ...], members: Sequence[str] | None = None) -> Row:
        """Run commands while everything is watched; judged over the pairs among ``members`` (default: all nodes)."""

        def run() -> None:
            for step in steps:
                self.call(*step)

        return self.watched(name, run, members)

    def watched(self, name: str, act: Callable[[], None], members: Sequence[str] | None = None) -> Row:
        """Act while everything is watched; judged over the pairs among ``members`` (default: all nodes)."""
        judged = list(members or self.lab.config.names)
        self.marks = []
        with self.watch(self.lab) as report:
            begin = time.time() + self.offset
            act()
        row = Row(name, report, judged, begin, time.time() + self.offset, self.marks)
        self.rows.append(row)
        print(HEAD, row.line(), row.holes(), sep="\n")
        self.explain(row)
        return row

    def explain(self, row: Row) -> None:
        """Print what the nodes of the first pair with a hole logged."""
        self.logs(next((pair for pair, stream in row.report.among(row.members).items() if stream.longest > 1), ()))

    def logs(self, nodes: Sequence[str]) -> None:
        """Print what charon logged on the nodes, and the kernel's counters: the lab takes them along."""
        script = "journalctl -u strongswan -o short-precise --no-pager -n 1200; grep -v ' 0$' /proc/net/xfrm_stat"
        for node in nodes:
            print(f"--- {node}", self.lab.exec(node, ["sh", "-c", script]).stdout, sep="\n")

    def status(self, bundle: Path, code: int = 0) -> dict[str, dict[str, Any]]:
        said = self.call("status", str(bundle), "--json", code=code)
        nodes: dict[str, dict[str, Any]] = json.loads(said)["result"]["nodes"]
        return nodes

    def table(self) -> str:
        return "\n".join([HEAD, *(row.line() for row in self.rows)])
