"""The nodes of a cluster as they answered last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from netplan.problems import printable
from netplan.rollout.record.seen import Look, NodeLook
from tui.draw.style import cell, tint
from tui.widgets.sortable import Sortable

COLUMNS = (("node", 16), ("state", 11), ("guard", 7), ("no SA", 6), ("cert days", 10), ("differs", 90))


class LookTable(Sortable):
    """One row a node; a node that did not answer, or was never asked, says so."""

    names: tuple[str, ...] = ()

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "row"
        self.cell_padding = 0
        for name, width in COLUMNS:
            self.add_column(name, width=width, key=name)

    def fill(self, names: list[str], look: Look | None) -> None:
        """Show the nodes; the cursor stays on its node."""
        at = self.chosen()
        found: Mapping[str, NodeLook] = look.nodes if look else {}
        missing = Counter(end for pair in look.clear for end in pair) if look else Counter[str]()
        rows = self.arranged(names, lambda name: self._cells(name, found.get(name), missing[name], look))
        self.names = tuple(name for name, _ in rows)
        self.clear()
        for _, cells in rows:
            self.add_row(*cells)
        if at in self.names:
            self.move_cursor(row=self.names.index(at))

    def _cells(self, name: str, node: NodeLook | None, missing: int, look: Look | None) -> list[object]:
        if node is None:
            silent = look is not None and name in look.silent
            said = cell("no answer", f"bold {tint(self.app, 'error')}") if silent else cell("?")
            return [cell(_cut(name)), said, cell(""), cell(""), cell(""), cell("")]
        bad, warn = f"bold {tint(self.app, 'error')}", tint(self.app, "warning")
        days = "" if node.days_left is None else f"{node.days_left:.0f}"
        counted = [f"{key} {value}" for key, value in node.xfrm_errors.items()]
        return [
            cell(_cut(name)),
            cell(node.state, "" if node.state == "confirmed" else warn),
            cell(node.guard, "" if node.guard == "drop" else warn),
            cell(missing or "-", bad if missing else ""),
            cell(days),
            cell("; ".join([*node.differs, *counted]) or "-", warn if node.differs else ""),
        ]

    def chosen(self) -> str | None:
        """Return the node under the cursor."""
        return self.names[self.cursor_row] if 0 <= self.cursor_row < len(self.names) else None

    def pane_text(self) -> str:
        """Return the table as lines."""
        rows = [self.get_row_at(number) for number in range(self.row_count)]
        return "\n".join(printable("  ".join(str(value) for value in row)).rstrip() for row in rows)


def _cut(name: str) -> str:
    """Return a name of at most 15 characters: the ends of long ones tell hosts apart."""
    return name if len(name) <= 15 else f"{name[:7]}…{name[-7:]}"
