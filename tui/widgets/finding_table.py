"""Every finding of an audit: how bad, found and exact size, too large or too small by how much, and where."""

from __future__ import annotations

from typing import Any

from textual.widgets import DataTable

from tui.draw.style import cell, tint

COLUMNS = (("", 9), ("by", 5), ("found", 6), ("exact", 6), ("system", 12), ("where", 33), ("field", 40))
# severity -> what it means for packets
WORDS = {"error": "BREAKS", "warning": "doubtful", "note": "wastes"}
_ORDER = list(WORDS)


class FindingTable(DataTable[object]):
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
        self.shown = tuple(
            f
            for f in self.findings
            if needle in f"{f['system']} {f['field']} {f['file']} {f['message']}".lower()
            and not (wrong_only and f["severity"] != "error")
        )
        self.clear()
        tints = {"error": f"bold {tint(self.app, 'error')}", "warning": tint(self.app, "warning"), "note": ""}
        for f in self.shown:
            place = f"{f['file']}:{f['line']}" if f["line"] else str(f["file"])
            self.add_row(
                cell(_word(f), tints[f["severity"]]),
                cell(_by(f)),
                cell(_found(f)),
                cell(_exact(f) or ""),
                cell(str(f["system"])[:11]),
                cell(place if len(place) < 33 else f"...{place[-29:]}"),
                cell(f["field"]),
            )
        self.move_cursor(row=min(max(at, 0), max(self.row_count - 1, 0)))

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
