"""The classes of host pairs, the unit of the arithmetic."""

from __future__ import annotations

from textual.widgets import DataTable

from netplan.plan.types import Plan
from tui.draw.style import cell, tint


class ClassTable(DataTable[object]):
    """One row a class; ``<`` marks the one that sets the pod MTU."""

    plan: Plan | None = None

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "row"
        self.cell_padding = 0
        for name, width in (("class", 6), ("pairs ", 8), ("link ", 6), ("NAT-T ", 6), ("inner ", 7), ("set by", 40)):
            self.add_column(name.rjust(width - 1) if name.endswith(" ") else name, width=width)

    def fill(self, plan: Plan) -> None:
        """Show the classes."""
        self.plan = plan
        self.clear()
        for c in plan.classes:
            lowest = c is plan.limiting
            style = tint(self.app, "warning") if lowest and len(plan.classes) > 1 else ""
            self.add_row(
                cell(c.name + (" <" if lowest else "")),
                cell(f"{c.pairs:>7}"),
                cell(f"{c.link_mtu:>5}"),
                cell(f"{'yes' if c.nat_t else 'no':>5}"),
                cell(f"{c.inner_mtu:>6}", style),
                cell(c.limited_by),
            )

    def pane_text(self) -> str:
        """Return the classes as lines."""
        rows = [f"{'class':<6} {'pairs':>8} {'link':>6} {'NAT-T':>6} {'inner':>6}  set by"]
        for c in self.plan.classes if self.plan else ():
            nat = "yes" if c.nat_t else "no"
            rows.append(f"{c.name:<6} {c.pairs:>8} {c.link_mtu:>6} {nat:>6} {c.inner_mtu:>6}  {c.limited_by}")
        return "\n".join(rows)
