"""Tables that can be sorted by any column, by key or by a click on its head."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

Item = TypeVar("Item")


class Sortable(DataTable[object]):
    """Sorts what its owner fills it with. The first press of a column sorts up, the second down, then the next column.

    The owner's own order comes back after the last column.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "full_stop",
            "sort_by(1)",
            "Sort",
            key_display=".",
            show=False,
            id="table.sort",
            tooltip="Sort by the next column",
        ),
        Binding(
            "comma",
            "turn_order",
            "Reverse",
            key_display=",",
            show=False,
            id="table.reverse",
            tooltip="Sort the other way",
        ),
    ]

    class Reordered(Message):
        """Another order was chosen: the owner fills the table anew."""

        def __init__(self, table: Sortable) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> Sortable:
            """Return the table, for selectors."""
            return self.table

    by: int | None = None  # the column that it is sorted by
    down: bool = False

    def arranged(
        self, items: Iterable[Item], cells: Callable[[Item], Sequence[object]]
    ) -> list[tuple[Item, Sequence[object]]]:
        """Return the items with their cells in the chosen order; equal ones stay as they were."""
        rows = [(item, cells(item)) for item in items]
        at = self.by
        if at is not None:
            rows.sort(key=lambda row: natural(str(row[1][at])), reverse=self.down)
        return rows

    def action_sort_by(self, step: int) -> None:
        """Sort by the next column; after the last one as its owner does."""
        at = -1 if self.by is None else self.by
        self._order(at + step if at + step < len(self.ordered_columns) else None, down=False)

    def action_turn_order(self) -> None:
        """Sort the other way round."""
        self._order(0 if self.by is None else self.by, down=not self.down)

    @on(DataTable.HeaderSelected)
    def _head_clicked(self, event: DataTable.HeaderSelected) -> None:
        event.stop()
        self._order(event.column_index, down=self.by == event.column_index and not self.down)

    def _order(self, by: int | None, *, down: bool) -> None:
        self.by, self.down = by, down
        for number, column in enumerate(self.ordered_columns):
            name = column.label.plain.rstrip("▲▼")
            mark = ("▼" if down else "▲") if number == by else ""
            column.label = type(column.label)(name[: max(column.width - 1, 0)] + mark if mark else name)
        self.post_message(self.Reordered(self))
        self.refresh()


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a key by which n2 comes before n10, and words before nothing."""
    parts = re.findall(r"\d+|\D+", text.strip().casefold())
    return [(0, int(part), "") if part.isdigit() and part.isascii() else (1, 0, part) for part in parts] or [(2, 0, "")]
