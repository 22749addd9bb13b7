"""One row per direction of a pair: the measurement, and whether it matches the plan."""

from __future__ import annotations

from typing import Any

from tui.draw.style import cell, tint
from tui.widgets.sortable import Sortable

COLUMNS = (
    ("", 6),
    ("from", 13),
    ("to", 13),
    ("DF passes", 10),
    ("one more", 9),
    ("ESP outer", 11),
    ("clear", 6),
    ("what is wrong", 60),
)


class VerdictTable(Sortable):
    """PASS and FAIL in words; failures first."""

    pairs: tuple[dict[str, Any], ...] = ()
    shown: tuple[dict[str, Any], ...] = ()

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "row"
        self.cell_padding = 0
        for name, width in COLUMNS:
            self.add_column(name, width=width)

    def fill(self, pairs: list[dict[str, Any]], needle: str, *, wrong_only: bool) -> None:
        """Show what was measured so far."""
        self.pairs = tuple(sorted(pairs, key=lambda p: (bool(p["ok"]), str(p["from"]), str(p["to"]))))
        fitting = tuple(
            p
            for p in self.pairs
            if needle in f"{p['from']} {p['to']} {' '.join(p['wrong'])}".lower() and not (wrong_only and p["ok"])
        )
        at = self.cursor_row
        self.clear()
        rows = self.arranged(fitting, self._cells)
        self.shown = tuple(p for p, _ in rows)
        for _, cells in rows:
            self.add_row(*cells)
        self.move_cursor(row=min(max(at, 0), max(self.row_count - 1, 0)))

    def _cells(self, p: dict[str, Any]) -> list[object]:
        good, bad = tint(self.app, "success"), f"bold {tint(self.app, 'error')}"
        outer = str(p["outer_packet"])
        if p["outer_packet"] != p["outer_packet_planned"]:
            outer += f"/{p['outer_packet_planned']}"
        return [
            cell("PASS" if p["ok"] else "FAIL", good if p["ok"] else bad),
            cell(str(p["from"])[:12]),
            cell(str(p["to"])[:12]),
            cell(f"{p['inner_mtu']} {'yes' if p['passes'] else 'NO'}"),
            cell({True: "refused", False: "PASSES", None: "not asked"}[p["one_more_refused"]]),
            cell(outer if p["esp_packets"] else "NO ESP"),
            cell(p["plaintext_packets"]),
            cell("; ".join(p["wrong"])),
        ]

    def chosen(self) -> dict[str, Any] | None:
        """Return the direction under the cursor."""
        return self.shown[self.cursor_row] if 0 <= self.cursor_row < len(self.shown) else None

    def pane_text(self) -> str:
        """Return the lines that ``ipsecplan verify`` prints."""
        return "\n".join(str(p.get("line", "")) for p in self.pairs)
