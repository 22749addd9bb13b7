"""Screen 6: measurements of every pair beside the plan, as the nodes answer."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Input
from textual.worker import get_current_worker

from netplan.bundle import reader
from netplan.problems import ProblemError, counted, printable
from netplan.rollout.record.journal import ClusterState, state_root
from netplan.rollout.record.seen import Proof, last_proof
from tui.draw import export
from tui.draw.ages import ago
from tui.plan.check import Checked
from tui.run import processes
from tui.screens.base import PlannerScreen
from tui.widgets.note import Note
from tui.widgets.sortable import Sortable
from tui.widgets.verdict_table import VerdictTable


class VerifyScreen(PlannerScreen):
    """Runs the measurement in a process of its own and can stop it."""

    MODE = "verify"
    CSS_PATH = Path(__file__).with_name("verify.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "measure", "Measure", id="verify.measure", tooltip="Measure every direction of every pair now"),
        Binding("S", "stop", "Stop", id="verify.stop", tooltip="Stop measuring"),
        Binding("w", "wrong", "Failures", id="verify.wrong", tooltip="All results, or only what failed"),
        Binding("J", "junit", "JUnit", id="verify.junit", tooltip="Write what was measured as JUnit XML"),
        Binding("slash", "filter", "Filter", key_display="/", id="verify.filter", tooltip="Results with these letters"),
        Binding("escape", "leave", "Back", show=False, id="verify.leave", tooltip="Leave the filter"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[dict[str, Any]] = []
        self.nodes: list[str] = []
        self.answered: set[str] = set()
        self.wrong_only = False
        self.end: str | None = None
        self.said: list[str] = []
        self.report = ""  # what was measured, as JUnit XML
        self.kept = ""  # what was measured before this planner began, in words
        self._child: processes.Child | None = None

    def body(self) -> ComposeResult:
        """Yield the panes."""
        yield Note(id="verify-head")
        yield Input(placeholder="results with these letters", id="filter", compact=True)
        yield VerdictTable(id="verdicts")
        yield Note(id="verify-said")

    def on_mount(self) -> None:
        """Start on the table."""
        super().on_mount()
        self.query_one(VerdictTable).focus()
        self._read_kept()

    def on_unmount(self) -> None:
        """Leave nothing running."""
        self.action_stop()

    def show(self, checked: Checked | None) -> None:  # noqa: ARG002 - what is measured is not the draft
        """Show what was measured so far."""
        needle = self.query_one("#filter", Input).value.strip().lower()
        self.query_one(VerdictTable).fill(self.pairs, needle, wrong_only=self.wrong_only)
        head = self.query_one("#verify-head", Note)
        failed = sum(1 for p in self.pairs if not p["ok"])
        if self._child is None and self.end is None:
            nothing = f"nothing measured yet: v measures every pair of {self.planner.bundle} in both directions"
            head.text = self.kept or nothing
        else:
            now = self.end or f"measuring, {len(self.answered)} of {counted(len(self.nodes), 'node')} answered"
            head.text = (
                f"{now}: {counted(len(self.pairs), 'direction')}, {len(self.pairs) - failed} PASS, {failed} FAIL"
            )
        self.query_one("#verify-said", Note).text = "\n".join(self.said[:4])

    @work(thread=True, exclusive=True, group="kept")
    def _read_kept(self) -> None:
        """Read the last proof: a million directions take their time."""
        worker = get_current_worker()
        try:
            bundle = reader.read(self.planner.bundle, files=False)
        except ProblemError:
            return
        root = state_root(self.planner.state_dir)
        proof = last_proof(ClusterState(root, bundle.cluster, reading=True).folder)
        if proof is not None and not worker.is_cancelled:
            self.app.call_from_thread(self._take_kept, proof, bundle.digest)

    def _take_kept(self, proof: Proof, digest: str) -> None:
        if self._child is not None or self.end is not None:
            return
        self.pairs = [direction.as_json() for direction in proof.directions]
        for p in self.pairs:
            self.planner.measured.setdefault((str(p["from"]), str(p["to"])), p)
        other = "" if proof.digest == digest else ", of ANOTHER bundle"
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(proof.at))
        self.kept = f"measured {ago(time.time() - proof.at)} ({when}){other}: {counted(proof.measured, 'direction')}, "
        self.kept += f"{proof.measured - proof.failed} PASS, {proof.failed} FAIL"
        self.show(None)

    def action_measure(self) -> None:
        """Measure; one at a time."""
        if self._child is not None:
            self.notify("still measuring; S stops it", severity="warning", timeout=3)
            return
        self.pairs, self.nodes, self.end, self.said, self.report = [], [], None, [], ""
        self.answered = set()
        state = ["--state-dir", self.planner.state_dir] if self.planner.state_dir else []
        # started here, not in the thread: from now on there is something that S and the end of the planner can stop
        self._child = processes.module("tui.run.measure", str(self.planner.bundle), *state)
        self.show(None)
        self._measure(self._child)

    @work(thread=True, exclusive=True, group="measure")
    def _measure(self, child: processes.Child) -> None:
        worker = get_current_worker()
        for line in child.lines():
            if worker.is_cancelled:
                child.cancel()
                break
            try:
                record = json.loads(line)
            except ValueError:
                continue
            self.app.call_from_thread(self.take, record)
        code, said = child.end()
        if not worker.is_cancelled:
            self.app.call_from_thread(self._ended, code, said)

    def take(self, record: dict[str, Any]) -> None:
        """Take one line of the measurement."""
        if "nodes" in record:
            self.nodes = [str(n) for n in record["nodes"]]
        if "waiting" in record:
            self.said = [str(record["waiting"])]
        if "pairs" in record:
            self.said = []
            self.answered.add(str(record["node"]))
            self.pairs += record["pairs"]
            for p in record["pairs"]:
                self.planner.measured[str(p["from"]), str(p["to"])] = p
        if "end" in record:
            self.end = str(record["end"])
            self.report = str(record.get("junit") or "")
            self.said = [f"{p['code']}: {p['message']}" for p in record.get("problems", ())]
        self.show(None)

    def _ended(self, code: int, said: str) -> None:
        self._child = None
        if self.end is None:
            self.end = f"stopped (exit {code})"
            self.said = [printable(line) for line in said.splitlines()[-3:]]
        self.show(None)

    def action_stop(self) -> None:
        """Stop measuring."""
        if self._child is not None:
            self._child.cancel()

    def action_junit(self) -> None:
        """Write the report that ``ipsecplan verify --junit`` writes, of the measurement on the screen."""
        export.write(self.app, "xml", self.report)

    def action_wrong(self) -> None:
        """All results, or only failures."""
        self.wrong_only = not self.wrong_only
        self.show(None)

    @on(Sortable.Reordered)
    def _reordered(self) -> None:
        self.show(None)

    @on(DataTable.RowSelected)
    def _down(self) -> None:
        """Show the pair under the cursor."""
        found = self.query_one(VerdictTable).chosen()
        if found is not None:
            self.planner.show_pair(str(found["from"]), str(found["to"]))

    def action_filter(self) -> None:
        """Type what results must have."""
        self.add_class("-filtering")
        self.query_one("#filter").focus()

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self.show(None)

    @on(Input.Submitted, "#filter")
    def action_leave(self) -> None:
        """Go back to the table."""
        self.remove_class("-filtering")
        self.query_one(VerdictTable).focus()

    def command_line(self) -> str:
        """Return the command line that measures the same."""
        state = ["--state-dir", self.planner.state_dir] if self.planner.state_dir else []
        return processes.shown(["verify", str(self.planner.bundle), *state])

    def command_remark(self) -> str:
        """What is measured does not depend on what is saved."""
        return ""
