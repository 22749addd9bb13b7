"""Facts, one a row: what, a mark, and words. Enter goes to where the fact comes from."""

from __future__ import annotations

from dataclasses import dataclass

from textual.widgets import DataTable

from netplan.problems import printable
from tui.draw.style import cell, tint

# mark -> the theme's colour for it; a mark is a word, so nothing is told by colour alone
MARKS = {"ok": "success", "!": "warning", "x": "error", "?": "", "": ""}


@dataclass(frozen=True, slots=True)
class Fact:
    """One row. ``leads``: the screen that tells more, or nothing."""

    name: str
    mark: str
    words: str
    leads: str = ""


class FactTable(DataTable[object]):
    """The cursor stays on its row when the facts change."""

    facts: tuple[Fact, ...] = ()

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "row"
        self.cell_padding = 0
        self.show_header = False
        for name, width in (("what", 13), ("mark", 4), ("words", 140)):
            self.add_column(name, width=width, key=name)

    def fill(self, facts: list[Fact]) -> None:
        """Show facts; the rows are written anew only when something has changed."""
        if tuple(facts) == self.facts:
            return
        at = self.cursor_row
        self.facts = tuple(facts)
        self.clear()
        for fact in facts:
            colour = tint(self.app, MARKS[fact.mark]) if MARKS[fact.mark] else ""
            self.add_row(cell(fact.name, "bold"), cell(fact.mark, f"bold {colour}".strip()), cell(fact.words))
        self.move_cursor(row=min(at, max(len(facts) - 1, 0)))

    def chosen(self) -> Fact | None:
        """Return the fact under the cursor."""
        return self.facts[self.cursor_row] if 0 <= self.cursor_row < len(self.facts) else None

    def pane_text(self) -> str:
        """Return the facts as lines."""
        return "\n".join(printable(f"{f.name:<12} {f.mark:<3} {f.words}") for f in self.facts)
