"""Transactions from the journals, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from netplan.cli.history import lines
from netplan.problems import printable
from netplan.rollout.record.history import Past
from tui.draw.style import cell, tint
from tui.widgets.sortable import Sortable

COLUMNS = (
    ("transaction", 23),
    ("when (UTC)", 20),
    ("outcome", 20),
    ("verbs", 15),
    ("nodes ", 7),
    ("seconds ", 9),
    ("cluster", 20),
)
STYLES = {
    "confirmed": "success",
    "rolled-back": "warning",
    "removed": "warning",
    "awaiting-confirm": "primary",
    "rollback-incomplete": "error",
    "failed": "error",
    "unfinished": "error",
}


class PastTable(Sortable):
    """One row a transaction; the outcome is a word, its colour comes on top."""

    shown: Sequence[Past] = ()

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "row"
        self.cell_padding = 0
        for name, width in COLUMNS:
            self.add_column(name.rjust(width - 1) if name.endswith(" ") else name, width=width)

    def fill(self, found: Sequence[Past]) -> None:
        """Show transactions, oldest first in ``found``; the cursor stays on the one it was on."""
        at = self.chosen()
        rows = self.arranged(reversed(found), self._cells)
        self.shown = tuple(one for one, _ in rows)
        self.clear()
        for _, cells in rows:
            self.add_row(*cells)
        names = [one.transaction for one in self.shown]
        if at is not None and at.transaction in names:
            self.move_cursor(row=names.index(at.transaction))

    def _cells(self, one: Past) -> list[object]:
        when = one.runs[0].at.replace("T", " ").rstrip("Z") if one.runs else ""
        return [
            cell(one.transaction),
            cell(when),
            cell(one.outcome, tint(self.app, STYLES.get(one.outcome, ""))),
            cell(" ".join(run.verb for run in one.runs)),
            cell(f"{len(one.nodes):>6}"),
            cell(f"{one.seconds:>8}"),
            cell(one.cluster),
        ]

    def chosen(self) -> Past | None:
        """Return the transaction under the cursor."""
        return self.shown[self.cursor_row] if 0 <= self.cursor_row < len(self.shown) else None

    def pane_text(self) -> str:
        """Return the table as ``ipsecplan history`` prints it."""
        return "\n".join(printable(line) for line in lines(list(reversed(self.shown))))
