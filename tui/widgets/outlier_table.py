"""Pairs that differ from most, shown first when there are many hosts."""

from __future__ import annotations

from netplan.model.node import Node
from netplan.plan.classes import PairClass
from tui.draw.host_groups import Measured, seen
from tui.draw.style import cell, tint
from tui.widgets.sortable import Sortable


class OutlierTable(Sortable):
    """One row a pair: measured otherwise than planned first, then the smallest inner MTU."""

    found: tuple[tuple[Node, Node, PairClass], ...] = ()

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "row"
        self.cell_padding = 0
        for name, width in (("host", 20), ("host", 20), ("inner", 6), ("measured", 9), ("link", 6), ("set by", 30)):
            self.add_column(name, width=width)

    def fill(self, found: list[tuple[Node, Node, PairClass]], measured: Measured) -> None:
        """Show pairs, what was measured beside what is planned."""
        rows = self.arranged(found, lambda row: self._cells(*row, measured))
        self.found = tuple(item for item, _ in rows)
        self.clear()
        for _, cells in rows:
            self.add_row(*cells)

    def _cells(self, one: Node, other: Node, c: PairClass, measured: Measured) -> list[object]:
        word = seen(measured, one, other)
        return [
            cell(one.name[:19]),
            cell(other.name[:19]),
            cell(c.inner_mtu),
            cell(word, tint(self.app, "error") if word.startswith("x") else ""),
            cell(c.link_mtu),
            cell(c.limited_by),
        ]

    def pane_text(self) -> str:
        """Return the pairs as lines."""
        return "\n".join(f"{a.name:<20} {b.name:<20} {c.inner_mtu:>6} {c.limited_by}" for a, b, c in self.found)
