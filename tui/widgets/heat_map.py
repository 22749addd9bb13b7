"""Matrix of hosts or groups with the inner MTU of each pair."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from netplan.model.node import Node
from netplan.plan.classes import PairClass
from netplan.plan.types import Plan
from netplan.problems import printable
from tui.draw.host_groups import Measured, Zone, between
from tui.draw.style import cell, tint

LABEL = 22


class HeatMap(DataTable[object]):
    """A cell is a pair. ``!`` marks what holds the pod MTU down, ``x`` what was measured otherwise than planned."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h", "cursor_left", "Left", show=False, id="map.left", tooltip="Cell to the left"),
        Binding("j", "cursor_down", "Down", show=False, id="map.down", tooltip="Cell below"),
        Binding("k", "cursor_up", "Up", show=False, id="map.up", tooltip="Cell above"),
        Binding("l", "cursor_right", "Right", show=False, id="map.right", tooltip="Cell to the right"),
    ]

    class Pointed(Message):
        """The cursor is on another pair; None on the diagonal of one host."""

        def __init__(self, ends: tuple[str, str], pair: tuple[Node, Node] | None, pair_class: PairClass | None) -> None:
            super().__init__()
            self.ends, self.pair, self.pair_class = ends, pair, pair_class

    ends: tuple[Zone, ...] = ()
    plan: Plan | None = None

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "cell"
        self.fixed_columns = 1
        self.cell_padding = 0

    def fill(self, plan: Plan, ends: tuple[Zone, ...], measured: Measured) -> None:
        """Show a map; ``measured`` has what was measured for a direction (names)."""
        at = self.cursor_coordinate
        self.plan, self.ends = plan, ends
        self.clear(columns=True)
        width = min(max((len(end.name) for end in ends), default=4), LABEL) + 1
        self.add_column("", width=width, key="name")
        colour = {"!": tint(self.app, "warning"), "x": tint(self.app, "error"), "=": tint(self.app, "success")}
        for number, end in enumerate(ends):
            name = printable(end.short)
            self.add_column(f"{name[:6]:>6} ", width=7, key=str(number))
        best = max(c.inner_mtu for c in plan.classes)
        for one in ends:
            cells = [cell(printable(one.name)[:LABEL])]
            for other in ends:
                found = between(plan, one, other)
                if found is None:
                    cells.append(cell(f"{'·':>5}  ", "dim"))
                    continue
                mark = "!" if found.inner_mtu == plan.pod_mtu and found.inner_mtu != best else " "
                text = str(found.inner_mtu)
                single = len(one.nodes) == 1 == len(other.nodes)
                seen = measured.get((one.nodes[0].name, other.nodes[0].name)) if single else None
                if seen is not None:
                    mark = "=" if seen["ok"] else "x"
                cells.append(cell(f"{mark.strip() + text:>6} ", colour.get(mark, "")))
            self.add_row(*cells)
        if self.row_count:
            self.move_cursor(row=min(at.row, self.row_count - 1), column=min(max(at.column, 1), len(ends)))
        self._point()

    def on_data_table_cell_highlighted(self, event: DataTable.CellHighlighted) -> None:
        """Tell which pair the cursor is on."""
        event.stop()
        self._point()

    def _point(self) -> None:
        row, column = self.cursor_coordinate
        if self.plan is None or row >= len(self.ends) or not 1 <= column <= len(self.ends):
            return
        one, other = self.ends[row], self.ends[column - 1]
        found = between(self.plan, one, other)
        single = len(one.nodes) == 1 == len(other.nodes) and one is not other
        pair = (one.nodes[0], other.nodes[0]) if single else None
        self.post_message(self.Pointed((one.name, other.name), pair, found))

    def pane_text(self) -> str:
        """Return the map as text."""
        if self.plan is None:
            return ""
        lines = [" " * LABEL + "".join(f"{printable(end.short)[:6]:>7}" for end in self.ends)]
        for one in self.ends:
            row = printable(one.name)[:LABEL].ljust(LABEL)
            for other in self.ends:
                found = between(self.plan, one, other)
                row += f"{found.inner_mtu if found else '·':>7}"
            lines.append(row)
        return "\n".join(lines)
