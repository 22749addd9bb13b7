"""Every finding of an audit: how bad, found and exact size, too large or too small by how much, and where."""

from __future__ import annotations

from typing import Any

from tui.draw.style import cell, tint
from tui.widgets.sortable import Sortable

COLUMNS = (("", 9), ("by", 5), ("found", 6), ("exact", 6), ("system", 12), ("where", 33), ("field", 40))
# severity -> what it means for packets
WORDS = {"error": "BREAKS", "warning": "doubtful", "note": "wastes"}
_ORDER = list(WORDS)


class FindingTable(Sortable):
    """The worst first; nothing is said by colour alone."""

    findings: tuple[dict[str, Any], ...] = ()
    shown: tuple[dict[str, Any], ...] = ()

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "row"
        self.cell_padding = 0
        for name, width in COLUMNS:
            self.add_column(name, width=width)

    def fill(self, findings: list[dict[str, Any]], needle: str, *, wrong_only: bool) -> None:
        """Show findings that have these letters, keeping the cursor where it is."""
        at = self.cursor_row
        self.findings = tuple(sorted(findings, key=lambda f: (_ORDER.index(f["severity"]), -f["too_large_by"])))
        fitting = tuple(
            f
            for f in self.findings
            if needle in f"{f['system']} {f['field']} {f['file']} {f['message']}".lower()
            and not (wrong_only and f["severity"] != "error")
        )
        self.clear()
        rows = self.arranged(fitting, self._cells)
        self.shown = tuple(finding for finding, _ in rows)
        for _, cells in rows:
            self.add_row(*cells)
        self.move_cursor(row=min(max(at, 0), max(self.row_count - 1, 0)))

    def _cells(self, finding: dict[str, Any]) -> list[object]:
        tints = {"error": f"bold {tint(self.app, 'error')}", "warning": tint(self.app, "warning"), "note": ""}
        place = f"{finding['file']}:{finding['line']}" if finding["line"] else str(finding["file"])
        return [
            cell(_word(finding), tints[finding["severity"]]),
            cell(_by(finding)),
            cell(_found(finding)),
            cell(_exact(finding) or ""),
            cell(str(finding["system"])[:11]),
            cell(place if len(place) < 33 else f"...{place[-29:]}"),
            cell(finding["field"]),
        ]

    def chosen(self) -> dict[str, Any] | None:
        """Return the finding under the cursor."""
        return self.shown[self.cursor_row] if 0 <= self.cursor_row < len(self.shown) else None

    def pane_text(self) -> str:
        """Return a line for each finding."""
        return "\n".join(
            f"{f['file']}:{f['line'] or 0}: {f['severity']} {f['code']}: {f['message']}" for f in self.findings
        )


def _word(finding: dict[str, Any]) -> str:
    return "hint" if finding["severity"] == "note" and not finding["too_small_by"] else WORDS[finding["severity"]]


def _exact(finding: dict[str, Any]) -> int | None:
    """The exact value of the field, or the size that fits where the field is not known."""
    value: int | None = finding["exact"] if finding["exact_field"] is None else finding["exact_field"]
    return value


def _found(finding: dict[str, Any]) -> str:
    if finding["found"] is not None:
        return str(finding["found"])
    return "auto" if _exact(finding) is not None else ""


def _by(finding: dict[str, Any]) -> str:
    if finding["too_large_by"]:
        return f"+{finding['too_large_by']}"
    return f"-{finding['too_small_by']}" if finding["too_small_by"] else ""
