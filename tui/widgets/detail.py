"""Details of one ledger row: the source of its size, and who decides it."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from netplan.problems import printable
from netplan.stack import Solution
from tui.draw.labels import decides


class RowDetail(Widget):
    """Two lines under the table."""

    DEFAULT_CSS = """
    RowDetail { height: 2; color: $text-muted; padding: 0 1; }
    """

    content: reactive[str] = reactive("")

    def tell(self, solution: Solution | None, row: int) -> None:
        """Describe a row."""
        rows = solution.ledger if solution else ()
        if solution is None or row >= len(rows):
            self.content = "all rows together are the outermost IP packet" if rows else ""
            return
        item = rows[row]
        secret = "encrypted" if item.encrypted else "in the clear"
        note = f": {item.note}" if item.note else ""
        where = f"{item.source}; " if item.source else ""
        self.content = (
            printable(f"{item.name}{note}") + f"\n{where}decided by: {decides(solution.stack, item)}; {secret}"
        )

    def render(self) -> Content:
        """Draw the lines."""
        return Content(self.content)

    def pane_text(self) -> str:
        """Return the words."""
        return self.content
