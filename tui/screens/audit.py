"""Screen 8: what audit finds in dumps and files of a running cluster, each number with its ledger."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import DataTable, Input
from textual.worker import get_current_worker

from netplan.problems import counted, printable
from tui.dialogs.prompt import PromptScreen
from tui.plan.check import Checked
from tui.run import processes
from tui.screens.base import PlannerScreen
from tui.widgets.finding_table import FindingTable
from tui.widgets.note import Note
from tui.widgets.sortable import Sortable

NOTHING = "nothing judged yet: o names files or directories (kubectl get -o yaml, ip -d -j link, swanctl.conf ...)"


class AuditScreen(PlannerScreen):
    """Runs ``ipsecplan audit`` in a process of its own and can stop it; it only reads."""

    MODE = "audit"
    CSS_PATH = Path(__file__).with_name("audit.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "open", "Open", id="audit.open", tooltip="Name files, directories or ssh://HOST to judge"),
        Binding("r", "again", "Again", id="audit.again", tooltip="Judge the same inputs again"),
        Binding("S", "stop", "Stop", id="audit.stop", tooltip="Stop reading"),
        Binding("p", "plan", "Plan", id="audit.plan", tooltip="Judge by the open plan, or by what the inputs say"),
        Binding("w", "wrong", "Breaks", id="audit.wrong", tooltip="All findings, or only what breaks"),
        Binding("slash", "filter", "Filter", key_display="/", id="audit.filter", tooltip="Findings with these letters"),
        Binding("escape", "leave", "Back", show=False, id="audit.leave", tooltip="Leave the filter"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []
        self.findings: list[dict[str, Any]] = []
        self.by_plan = False
        self.wrong_only = False
        self.end: str | None = None
        self.said: list[str] = []
        self._child: processes.Child | None = None

    def body(self) -> ComposeResult:
        """Yield the panes."""
        yield Note(id="audit-head")
        yield Input(placeholder="findings with these letters", id="filter", compact=True)
        yield FindingTable(id="findings")
        with VerticalScroll(id="audit-why"):
            yield Note(id="why")
        yield Note(id="audit-said")

    def on_mount(self) -> None:
        """Start on the table."""
        super().on_mount()
        self.query_one(FindingTable).focus()

    def on_unmount(self) -> None:
        """Leave nothing running."""
        self.action_stop()

    def show(self, checked: Checked | None) -> None:  # noqa: ARG002 - what is judged is not the draft
        """Show what was found."""
        needle = self.query_one("#filter", Input).value.strip().lower()
        table = self.query_one(FindingTable)
        table.fill(self.findings, needle, wrong_only=self.wrong_only)
        self.query_one("#audit-head", Note).text = self._head()
        self.query_one("#audit-said", Note).text = "\n".join(self.said[:3])
        self._explain(table.chosen())

    def _head(self) -> str:
        if self._child is not None:
            return f"reading {' '.join(self.paths)}; S stops it"
        if self.end is None:
            return NOTHING
        breaks = sum(1 for f in self.findings if f["severity"] == "error")
        return f"{self.end}: {len(self.findings)} found, {breaks} of them break{'s' if breaks == 1 else ''} something"

    @on(Sortable.Reordered)
    def _reordered(self) -> None:
        self.show(None)

    @on(DataTable.RowSelected)
    def _down(self) -> None:
        self.query_one("#audit-why").focus()

    def inside(self) -> bool:
        """Tell whether Esc goes back to the table first."""
        return super().inside() or self.focused is self.query_one("#audit-why")

    @on(DataTable.RowHighlighted)
    def _moved(self) -> None:
        self._explain(self.query_one(FindingTable).chosen())

    def _explain(self, finding: dict[str, Any] | None) -> None:
        self.query_one("#why", Note).text = "\n".join(_words(finding)) if finding else ""

    def action_open(self) -> None:
        """Ask what to judge."""
        shown = shlex.join(self.paths)
        self.app.push_screen(PromptScreen("Files, directories or ssh://HOST:", shown), self._opened)

    def _opened(self, text: str | None) -> None:
        if not text:
            return
        try:
            paths = shlex.split(text)
        except ValueError as error:
            self.notify(f"not understood: {error}", severity="warning", timeout=4)
            return
        if "-" in paths:
            self.notify("standard input belongs to the planner; name a file", severity="warning", timeout=4)
            return
        self.paths = paths
        self.action_again()

    def action_again(self) -> None:
        """Judge; one run at a time."""
        if self._child is not None:
            self.notify("still reading; S stops it", severity="warning", timeout=3)
        elif not self.paths:
            self.action_open()
        else:
            self.findings, self.end, self.said = [], None, []
            verb, *rest = self._argv()
            self._child = processes.module("netplan", verb, "--json", *rest)
            self.show(None)
            self.refresh_command()
            self._read(self._child)

    def _argv(self) -> list[str]:
        path = self.planner.desk.path
        plan = ["--plan", str(path)] if self.by_plan and path is not None else []
        rest = ["--"] if any(p.startswith("-") for p in self.paths) else []
        return ["audit", *plan, *rest, *self.paths]

    @work(thread=True, exclusive=True, group="audit")
    def _read(self, child: processes.Child) -> None:
        worker = get_current_worker()
        text = "\n".join(child.lines())
        code, said = child.end()
        if not worker.is_cancelled:
            self.app.call_from_thread(self._ended, text, code, said)

    def _ended(self, text: str, code: int, said: str) -> None:
        self._child = None
        try:
            self.take(json.loads(text))
        except ValueError:
            self.end = f"stopped (exit {code})"
            self.said = [printable(line) for line in said.splitlines()[-3:]]
            self.show(None)

    def take(self, document: dict[str, Any]) -> None:
        """Take the JSON object that ``ipsecplan audit --json`` prints."""
        result = document.get("result") or {}
        self.findings = list(result.get("findings", ()))
        inputs, numbers = result.get("inputs", 0), result.get("numbers", 0)
        self.end = f"{counted(inputs, 'input')}, {counted(numbers, 'number')}"
        self.said = [
            f"{p['code']}: {p['message']}" + (f" ({p['file']})" if p.get("file") else "")
            for p in (*document.get("errors", ()), *document.get("warnings", ()))
        ]
        self.show(None)

    def action_stop(self) -> None:
        """Stop reading."""
        if self._child is not None:
            self._child.cancel()

    def action_plan(self) -> None:
        """Judge by the open plan, or by what the inputs say themselves."""
        if self.planner.desk.path is None:
            self.notify("no plan is open", severity="warning", timeout=3)
            return
        self.by_plan = not self.by_plan
        self.refresh_command()
        if self.paths and self._child is None:
            self.action_again()

    def action_wrong(self) -> None:
        """All findings, or only what breaks."""
        self.wrong_only = not self.wrong_only
        self.show(None)

    def action_filter(self) -> None:
        """Type what findings must have."""
        self.add_class("-filtering")
        self.query_one("#filter").focus()

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self.show(None)

    @on(Input.Submitted, "#filter")
    def action_leave(self) -> None:
        """Go back to the table."""
        self.remove_class("-filtering")
        self.query_one(FindingTable).focus()

    def command_line(self) -> str:
        """Return the command line that finds the same."""
        return processes.shown(self._argv()) if self.paths else "ipsecplan audit --help"

    def command_remark(self) -> str:
        """What is judged does not depend on the draft, unless it is judged by the plan."""
        return super().command_remark() if self.by_plan else ""


def _words(finding: dict[str, Any]) -> list[str]:
    """Return a finding in full: what, why with its ledger, what to change."""
    from netplan.explain.text import ledger_table
    from netplan.stack import parse, solve

    lines = [f"{finding['code']}: {finding['message']}"]
    if finding["change"]:
        lines.append(f"change: {finding['change']}")
    lines += [f"note: {note}" for note in finding["notes"]]
    if finding["stack"]:
        lines += [f"why: {finding['stack']} on a link of {finding['link_mtu']}"]
        lines += ledger_table(solve(parse(finding["stack"]), finding["link_mtu"]))
    return lines
