"""The ledger as a table: each header, the source of its size, and who decides it."""

from __future__ import annotations

from textual.widgets import DataTable

from netplan.stack import LedgerRow, Solution
from tui.draw.labels import decides, plain


class LedgerTable(DataTable[object]):
    """Rows in wire order; ``wide`` adds the columns that a narrow terminal has no room for."""

    solution: Solution | None = None

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "row"
        self.zebra_stripes = True
        self.cell_padding = 0

    def fill(self, solution: Solution, *, wide: bool) -> None:
        """Show a solution, keeping the cursor where it is."""
        at = self.cursor_row
        self.solution = solution
        self.clear(columns=True)
        self.add_column(" from ", width=6)
        self.add_column("bytes ", width=7)
        name = max((len(row.name) for row in self.rows_shown()), default=4) + 2
        self.add_column("what", width=name if wide else 22)
        self.add_column("source", width=18 if wide else 15)
        if wide:
            self.add_column("who decides", width=20)
        for row in self.rows_shown():
            cells = [
                plain(f"{row.offset:>5}"),
                plain(f"{row.bytes:>5}"),
                plain(_name(row.name, wide=wide)),
                plain(row.source),
            ]
            if wide:
                cells.append(plain(decides(solution.stack, row)))
            self.add_row(*cells)
        total = [plain(""), plain(f"{solution.outer_packet:>5}"), plain("outermost IP packet"), plain("")]
        self.add_row(*total, *([plain("")] if wide else []))
        self.move_cursor(row=min(max(at, 0), self.row_count - 1))

    def rows_shown(self) -> tuple[LedgerRow, ...]:
        """Return the rows of the ledger."""
        return self.solution.ledger if self.solution else ()

    def pane_text(self) -> str:
        """Return the ledger as the command line prints it."""
        from netplan.explain import text

        return "\n".join(text.ledger_table(self.solution)) if self.solution else ""


def _name(name: str, *, wide: bool) -> str:
    """Leave out what is in brackets where there is no room; the detail below the table has it."""
    return name if wide or len(name) < 22 else name.partition(" (")[0]
