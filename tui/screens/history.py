"""Screen 7: past transactions from their journals, and one of them phase by phase."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Input
from textual.worker import get_current_worker

from netplan.bundle import reader
from netplan.cli import show
from netplan.problems import ProblemError, printable
from netplan.rollout.record.history import Past, transactions
from netplan.rollout.record.journal import state_root
from tui.plan.check import Checked
from tui.run import processes
from tui.screens.base import PlannerScreen
from tui.widgets.log_view import LogView
from tui.widgets.note import Note
from tui.widgets.past_table import PastTable
from tui.widgets.sortable import Sortable


class HistoryScreen(PlannerScreen):
    """Table above, the chosen transaction below, in the words of ``ipsecplan show``."""

    MODE = "history"
    CSS_PATH = Path(__file__).with_name("history.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "open", "Open", id="history.open", tooltip="This transaction on the rollout screen"),
        Binding("a", "all", "All clusters", id="history.all", tooltip="Every cluster, or only the plan's"),
        Binding(
            "slash", "filter", "Filter", key_display="/", id="history.filter", tooltip="Transactions with these letters"
        ),
        Binding("r", "read", "Read again", id="history.read", tooltip="Read the journals again"),
        Binding("escape", "leave", "Back", show=False, id="history.leave", tooltip="Leave the filter"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Past] = []
        self.cluster: str | None = None
        self.every = False

    def body(self) -> ComposeResult:
        """Yield the panes."""
        yield Note(id="history-head")
        yield Input(placeholder="transactions with these letters", id="filter", compact=True)
        yield PastTable(id="past")
        yield Note(id="show-head")
        yield LogView(id="show")

    def on_mount(self) -> None:
        """Start on the table."""
        self.query_one(LogView).follow = False
        super().on_mount()
        self.query_one(PastTable).focus()

    def show(self, checked: Checked | None) -> None:
        """Read the journals of the bundle's cluster, else of the plan's, else of all."""
        try:
            self.cluster = reader.read(self.planner.bundle).cluster
        except ProblemError:
            self.cluster = checked.loaded.plan.name if checked and checked.loaded else None
        self.action_read()

    @work(thread=True, exclusive=True, group="history")
    def action_read(self) -> None:
        """Read the journals; long ones take their time, so it is done beside."""
        worker = get_current_worker()
        found = transactions(state_root(self.planner.state_dir), None if self.every else self.cluster)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._read, found)

    def _read(self, found: list[Past]) -> None:
        self.found = found
        needle = self.query_one("#filter", Input).value.strip().lower()
        shown = [one for one in found if needle in f"{one.transaction} {one.cluster} {one.outcome}".lower()]
        self.query_one(PastTable).fill(shown)
        whose = f"cluster {self.cluster}" if self.cluster and not self.every else "every cluster"
        count = f"{len(shown)} of {len(found)}" if len(shown) < len(found) else str(len(found))
        self.query_one("#history-head", Note).text = f"{whose}: {count} transaction{'' if len(found) == 1 else 's'}"
        self._detail()
        self.refresh_command()

    @on(DataTable.RowHighlighted, "#past")
    def _detail(self) -> None:
        one = self.query_one(PastTable).chosen()
        head = self.query_one("#show-head", Note)
        head.text = f"$ {processes.shown(['show', one.transaction, *self._state()])}" if one else ""
        log = self.query_one(LogView)
        log.fill([printable(line) for line in show.lines(one)] if one else [])
        log.scroll_home(animate=False)

    @on(Sortable.Reordered)
    def _reordered(self) -> None:
        self._read(self.found)

    def _state(self) -> list[str]:
        return ["--state-dir", self.planner.state_dir] if self.planner.state_dir else []

    @on(DataTable.RowSelected, "#past")
    def action_open(self) -> None:
        """Show the transaction on the rollout screen."""
        one = self.query_one(PastTable).chosen()
        if one is not None and one.cluster != self.cluster:
            self.notify(
                f"it is of {one.cluster}; open that cluster's bundle (--bundle)", severity="warning", markup=False
            )
        elif one is not None:
            self.planner.trail.append(self.MODE)
            self.planner.follow(one.transaction)

    def action_all(self) -> None:
        """Every cluster, or the plan's."""
        self.every = not self.every
        self.action_read()

    def action_filter(self) -> None:
        """Type what transactions must have."""
        self.add_class("-filtering")
        self.query_one("#filter").focus()

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self._read(self.found)

    @on(Input.Submitted, "#filter")
    def action_leave(self) -> None:
        """Go back to the table."""
        self.remove_class("-filtering")
        self.query_one(PastTable).focus()

    def command_line(self) -> str:
        """Return the command line that prints the same table."""
        cluster = ["--cluster", self.cluster] if self.cluster and not self.every else []
        return processes.shown(["history", *cluster, *self._state()])

    def command_remark(self) -> str:
        """What was does not depend on what is saved."""
        return ""
