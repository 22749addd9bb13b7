"""Traffic: what pairs send each other now, from counters. Opened from Pairs or by a jump; nothing is asked before s."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable
from textual.worker import get_current_worker

from netplan.problems import counted, printable
from tui.plan.check import Checked
from tui.run import processes
from tui.screens.base import PlannerScreen
from tui.widgets.note import Note
from tui.widgets.sortable import Sortable
from tui.widgets.title_bar import TABS
from tui.widgets.traffic_table import FlowTable, LossTable

INTERVAL_S = 5
COUNT = 100_000  # looks after which a forgotten screen asks no more


class TrafficScreen(PlannerScreen):
    """Pairs above, nodes below. The looks are a process of their own, which ends with the screen."""

    CSS_PATH = Path(__file__).with_name("traffic.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "look", "Look", id="traffic.look", tooltip="Ask all nodes for their counters, again and again"),
        Binding("S", "stop", "Stop", id="traffic.stop", tooltip="Ask no more; the last table stays"),
    ]

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode
        self.seen: dict[str, Any] = {}
        self.said = "s asks all nodes for their counters, every 5 s; no packet is captured"
        self._child: processes.Child | None = None

    def body(self) -> ComposeResult:
        """Yield the panes."""
        yield Note(id="traffic-head")
        yield FlowTable(id="flows")
        yield LossTable(id="losses")

    def on_mount(self) -> None:
        """Start on the pairs."""
        super().on_mount()
        self.query_one(FlowTable).focus()

    def on_unmount(self) -> None:
        """Leave nothing running."""
        if self._child is not None:
            self._child.cancel()

    def crumbs(self) -> list[str]:
        """Return where Esc leads."""
        return [*super().crumbs(), TABS[self.mode]]

    def show(self, checked: Checked | None) -> None:
        """Show what is known."""
        del checked
        self._fill()

    def take(self, seen: dict[str, Any]) -> None:
        """Take one table, as ``top --json`` prints it."""
        self.seen = seen
        silent = seen.get("silent", [])
        self.said = f"{counted(len(seen['pairs']), 'direction')} at {str(seen['at'])[11:19]} UTC; inner bytes"
        self.said += f"; no answer: {', '.join(silent[:6])}" if silent else ""
        self._fill()

    def _fill(self) -> None:
        self.query_one("#traffic-head", Note).text = f"{' › '.join(self.crumbs())} › Traffic   {printable(self.said)}"
        self.query_one(FlowTable).fill(self.seen.get("pairs", []))
        self.query_one(LossTable).fill(self.seen.get("nodes", []))

    def action_look(self) -> None:
        """Begin to look."""
        if self._child is not None:
            return
        self.said = "the first look; a rate needs two ..."
        self._fill()
        self._child = processes.module("netplan", *self._argv(), "--count", str(COUNT), "--json")
        self._follow(self._child)

    def action_stop(self) -> None:
        """Look no more."""
        if self._child is not None:
            self._child.cancel()

    @work(thread=True, exclusive=True, group="traffic")
    def _follow(self, child: processes.Child) -> None:
        worker = get_current_worker()
        told: list[str] = []
        for line in child.lines():
            if worker.is_cancelled:
                break
            try:
                seen = json.loads(line)
                whole = isinstance(seen, dict) and {"at", "pairs", "nodes"} <= seen.keys()
            except ValueError:
                whole = False
            if whole:
                self.app.call_from_thread(self.take, seen)
            else:
                told.append(line)
        code, said = child.end()
        if not worker.is_cancelled:
            self.app.call_from_thread(self._ended, code, said, told)

    def _ended(self, code: int, said: str, told: list[str]) -> None:
        self._child = None
        try:
            problems = [f"{p['code']}: {p['message']}" for p in json.loads("\n".join(told))["errors"]]
        except (ValueError, KeyError, TypeError):
            problems = [line for line in said.splitlines() if "error" in line]
        self.said = f"stopped (exit {code})" if not problems else "; ".join(problems[:3])
        self._fill()

    @on(Sortable.Reordered)
    def _reordered(self) -> None:
        self._fill()

    @on(DataTable.RowSelected, "#flows")
    def _chosen(self) -> None:
        row = self.query_one(FlowTable).chosen()
        if row is not None:
            self.planner.show_pair(row["from"], row["to"])

    def _argv(self) -> list[str]:
        state = ["--state-dir", self.planner.state_dir] if self.planner.state_dir else []
        return ["top", *state, "--interval", str(INTERVAL_S), str(self.planner.bundle)]

    def command_line(self) -> str:
        """Return the command line that shows the same."""
        return processes.shown(self._argv())
