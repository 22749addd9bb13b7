"""What pairs send each other, and what nodes lost or cut, in the last interval; as ``ipsecplan top --json`` says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from netplan.cli.top import short
from netplan.problems import printable
from tui.draw.style import cell, tint
from tui.widgets.sortable import Sortable

Row = dict[str, Any]


class _Counted(Sortable):
    """A table of rows that come anew with every look; the cursor stays on its row."""

    COLUMNS: ClassVar[tuple[tuple[str, int], ...]] = ()
    shown: tuple[Row, ...] = ()

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "row"
        self.cell_padding = 0
        for name, width in self.COLUMNS:
            self.add_column(name, width=width, key=name)

    def fill(self, rows: Sequence[Row]) -> None:
        """Show these rows."""
        at = self.chosen()
        arranged = self.arranged(rows, self._cells)
        self.shown = tuple(row for row, _ in arranged)
        self.clear()
        for _, cells in arranged:
            self.add_row(*cells)
        named = [self.who(row) for row in self.shown]
        if at is not None and self.who(at) in named:
            self.move_cursor(row=named.index(self.who(at)))

    def chosen(self) -> Row | None:
        """Return the row under the cursor."""
        return self.shown[self.cursor_row] if 0 <= self.cursor_row < len(self.shown) else None

    def pane_text(self) -> str:
        """Return the table as lines."""
        rows = [self.get_row_at(number) for number in range(self.row_count)]
        return "\n".join(printable("  ".join(str(value) for value in row)).rstrip() for row in rows)

    def who(self, row: Row) -> tuple[object, ...]:
        """Return what tells a row from the others."""
        raise NotImplementedError

    def _cells(self, row: Row) -> Sequence[object]:
        raise NotImplementedError


class FlowTable(_Counted):
    """One row a direction of a pair."""

    COLUMNS: ClassVar = (
        ("from", 10),
        ("to", 10),
        ("bit/s", 8),
        ("packets/s", 10),
        ("lost", 6),
        ("SAs", 5),
        ("path", 6),
        ("bytes", 14),
        ("suite", 40),
    )

    def who(self, row: Row) -> tuple[object, ...]:
        """Return what tells a row from the others."""
        return row["from"], row["to"], row["network"]

    def _cells(self, row: Row) -> Sequence[object]:
        bad, warn = f"bold {tint(self.app, 'error')}", tint(self.app, "warning")
        rate, packets = row["bytes_per_second"], row["packets_per_second"]
        whole = row["installed"] == row["wanted"]
        network = f" ({row['network']})" if row["network"] else ""
        return [
            cell(_cut(str(row["from"]))),
            cell(_cut(f"{row['to']}{network}")),
            cell("?" if rate is None else short(rate * 8)),
            cell("?" if packets is None else short(packets)),
            cell("?" if row["lost"] is None else row["lost"], warn if row["lost"] else ""),
            cell(f"{row['installed']}/{row['wanted']}", "" if whole else bad),
            cell(row["path_mtu"] or "-", warn if row["path_mtu"] else ""),
            cell(row["bytes"]),
            cell(", ".join(row["suites"]) or "none"),
        ]


class LossTable(_Counted):
    """One row a node: what it lost or cut since it booted, and which counters rose in the interval."""

    COLUMNS: ClassVar = (
        ("node", 10),
        ("XFRM", 6),
        ("drops", 6),
        ("frags", 6),
        ("too large", 10),
        ("clear", 6),
        ("rose", 60),
    )

    def who(self, row: Row) -> tuple[object, ...]:
        """Return what tells a row from the others."""
        return (row["node"],)

    def _cells(self, row: Row) -> Sequence[object]:
        rose = ", ".join(f"{key} +{number}" for key, number in row["rose"].items())
        return [
            cell(_cut(str(row["node"]))),
            *(cell(row[key]) for key in ("xfrm_errors", "drops", "fragments", "refused", "clear_packets")),
            cell(rose or "-", tint(self.app, "warning") if rose else ""),
        ]


def _cut(name: str) -> str:
    """Return a name of at most 9 characters: the ends of long ones tell hosts apart."""
    return name if len(name) <= 9 else f"{name[:4]}…{name[-4:]}"
