"""Below the plan: the hosts and the variables that a plan reads, each edited where the inventory has it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from netplan.inputs.edit_hosts import HostEdit, edit_host
from netplan.inputs.inventory import Host
from netplan.problems import ProblemError
from tui.dialogs.ask import AskScreen
from tui.dialogs.prompt import PromptScreen
from tui.plan.check import Checked
from tui.screens.base import PlannerScreen
from tui.widgets.host_table import HostTable
from tui.widgets.note import Note


class HostsScreen(PlannerScreen):
    """A row a host, a column a variable. Enter asks for a value and shows the line before it is written."""

    CSS_PATH = Path(__file__).with_name("hosts.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "edit", "Edit", id="hosts.edit", tooltip="Another value; it is written at once, after its line"),
    ]

    def body(self) -> ComposeResult:
        """Yield the panes."""
        yield Note(id="hosts-head")
        yield HostTable(id="hosts")
        yield Note(id="hosts-said")

    def on_mount(self) -> None:
        """Start on the table."""
        super().on_mount()
        self.query_one(HostTable).focus()

    def crumbs(self) -> list[str]:
        """Return where Esc leads."""
        return [*super().crumbs(), "Plan"]

    def show(self, checked: Checked | None) -> None:
        """Show the hosts of the inventory, also where the plan has errors."""
        inventory = checked.inventory if checked else None
        head = self.query_one("#hosts-head", Note)
        if checked is None or inventory is None:
            head.text = "Plan › hosts: no inventory was read"
            return
        head.text = f"Plan › hosts: {len(inventory.hosts)} in {inventory.shown}; what is not set there holds by default"
        self.query_one(HostTable).fill(inventory.hosts)
        path = self.planner.desk.path
        wrong = [p for p in checked.problems if path is None or p.location.path != str(path)]
        self.query_one("#hosts-said", Note).text = "\n".join(f"{p.location.line}: {p.message}" for p in wrong[:4])

    @on(DataTable.CellSelected)
    def action_edit(self) -> None:
        """Ask for another value of the cell."""
        if self.planner.desk.readonly:
            self.notify("started with --readonly", severity="warning")
            return
        chosen = self.query_one(HostTable).chosen()
        if chosen is None:
            return
        host, variable = chosen
        question = f"{variable} of {host.name}? Empty: not set."
        self.app.push_screen(
            PromptScreen(question, shown(host.variables.get(variable))),
            lambda text: self._typed(host, variable, text),
        )

    def _typed(self, host: Host, variable: str, text: str | None) -> None:
        checked = self.planner.desk.checked
        if text is None or checked is None or checked.inventory is None or text == shown(host.variables.get(variable)):
            return
        try:
            change = edit_host(checked.inventory, host.name, variable, text)
        except ProblemError as error:
            self.planner.complain(error)
            return
        gone, come = change.lines()
        question = "\n".join([f"Write {change.shown}?", *(f"- {x}" for x in gone), *(f"+ {x}" for x in come)])
        self.app.push_screen(AskScreen(question, "write"), lambda agreed: self._agreed(change, agreed))

    def _agreed(self, change: HostEdit, agreed: bool | None) -> None:
        if not agreed:
            return
        try:
            change.save()
        except ProblemError as error:
            self.planner.complain(error)
            return
        self.planner.desk.forget_inventory()
        self.planner.tell_plan()

    def command_line(self) -> str:
        """Return the command line that says what was read of each host."""
        return f"ipsecplan lint --verbose {self.planner.desk.path or 'plan.yaml'}"


def shown(value: object) -> str:
    """Return a variable as it is typed."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
