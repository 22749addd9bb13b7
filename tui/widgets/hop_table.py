"""The walk of one packet: a row a device, from the sender to the receiver."""

from __future__ import annotations

from typing import Any

from textual.widgets import DataTable

from netplan.problems import printable
from tui.draw.style import cell, tint

COLUMNS = (("hop", 26), ("adds", 12), ("bytes", 7), ("MTU", 7), ("inside", 7), ("packet", 90))


class HopTable(DataTable[object]):
    """``>`` marks where the packet does not go on as it is. Rows stay in the order of the walk."""

    hops: tuple[dict[str, Any], ...] = ()

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "row"
        self.cell_padding = 0
        for name, width in COLUMNS:
            self.add_column(name, width=width)

    def fill(self, found: dict[str, Any]) -> None:
        """Show the result of ``ipsecplan trace --json``."""
        self.hops = tuple(found.get("hops", ()))
        self.clear()
        for hop in self.hops:
            stops = found["fate_at"] == hop["device"] and hop["bytes"] > hop["mtu"]
            style = f"bold {tint(self.app, 'error')}" if stops else ""
            self.add_row(
                cell(f"{'> ' if stops else '  '}{_name(hop)}"[:25], style),
                cell(hop["added"] or "-"),
                cell(hop["bytes"], style),
                cell(hop["mtu"]),
                cell(hop["largest_inside"]),
                cell(hop["stack"]),
            )

    def chosen(self) -> dict[str, Any] | None:
        """Return the hop under the cursor."""
        return self.hops[self.cursor_row] if 0 <= self.cursor_row < len(self.hops) else None

    def pane_text(self) -> str:
        """Return a line for each hop."""
        return "\n".join(
            printable(
                f"{_name(h):<26} {h['added'] or '-':<12} {h['bytes']:>6} {h['mtu']:>6} {h['largest_inside']:>6}  "
            )
            + printable(str(h["stack"]))
            for h in self.hops
        )


def _name(hop: dict[str, Any]) -> str:
    kinds = {"route": f"route {hop['device']}", "path": f"path {hop['device']}".strip()}
    return str(hop["device"]) if str(hop["device"]).startswith("the link of") else kinds.get(hop["kind"], hop["device"])
