"""The hosts of an inventory and the variables that a plan reads."""

from __future__ import annotations

from collections.abc import Sequence

from textual.widgets import DataTable

from netplan.inputs.inventory import Host
from netplan.inputs.variable_names import VARIABLES
from netplan.problems import printable
from tui.draw.style import cell

MOST = 24  # columns of a variable


class HostTable(DataTable[object]):
    """A row a host, a column a variable; the first column stays."""

    hosts: tuple[Host, ...] = ()

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "cell"
        self.cell_padding = 0
        self.fixed_columns = 1
        self.add_column("host", width=16)
        for name in VARIABLES:
            self.add_column(name, width=min(max(len(name) + 1, 14), MOST))

    def fill(self, hosts: Sequence[Host]) -> None:
        """Show hosts; the cursor stays where it was."""
        at = self.cursor_coordinate
        self.hosts = tuple(hosts)
        self.clear()
        for host in hosts:
            name = host.name if len(host.name) < 16 else f"{host.name[:7]}…{host.name[-7:]}"
            self.add_row(cell(name), *(cell(_shown(host, variable)) for variable in VARIABLES))
        self.cursor_coordinate = at.up() if at.row >= len(hosts) > 0 else at
        if self.cursor_coordinate.column == 0:
            self.cursor_coordinate = self.cursor_coordinate.right()

    def chosen(self) -> tuple[Host, str] | None:
        """Return host and variable under the cursor; None on a name."""
        row, column = self.cursor_coordinate
        return (self.hosts[row], [*VARIABLES][column - 1]) if row < len(self.hosts) and column > 0 else None

    def pane_text(self) -> str:
        """Return a line for each variable that is set."""
        return "\n".join(
            printable(f"{host.name:<20} {name:<24} {host.variables[name]}")
            for host in self.hosts
            for name in VARIABLES
            if name in host.variables
        )


def _shown(host: Host, variable: str) -> str:
    value = host.variables.get(variable)
    text = "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) < MOST else f"{text[: MOST - 2]}…"
