"""Text differences, unified and side by side."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from textual.content import Content

from netplan.problems import printable

STYLES = {"+": "$text-success", "-": "$text-error", "@": "$text-accent"}


def unified(before: str, after: str, name: str, labels: tuple[str, str]) -> list[str]:
    """Return a unified diff as lines without line breaks."""
    left, right = before.splitlines(), after.splitlines()
    made = difflib.unified_diff(left, right, f"{name} ({labels[0]})", f"{name} ({labels[1]})", lineterm="")
    return list(made)


def coloured(lines: Iterable[str]) -> Content:
    """Return a unified diff for the terminal: the marks + and - stay, colour comes on top."""
    shown = []
    for line in lines:
        style = "bold" if line.startswith(("+++", "---")) else STYLES.get(line[:1], "")
        shown.append(Content.styled(printable(line), style) if style else Content(printable(line)))
    return Content("\n").join(shown)


def side_by_side(before: str, after: str, width: int) -> list[tuple[str, str]]:
    """Return lines of two columns and a mark between them, each with what it is: same, change, out or in."""
    half = max((width - 3) // 2, 8)
    left, right = before.splitlines(), after.splitlines()
    out: list[tuple[str, str]] = []
    for kind, a1, a2, b1, b2 in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "equal" and a2 - a1 > 8:
            shown = [*range(3), None, *range(a2 - a1 - 3, a2 - a1)]
            for offset in shown:
                out.append(
                    ("skip", "…".center(half * 2 + 3))
                    if offset is None
                    else ("same", _two(left[a1 + offset], right[b1 + offset], " ", half))
                )
            continue
        for i in range(max(a2 - a1, b2 - b1)):
            one = left[a1 + i] if a1 + i < a2 else None
            two = right[b1 + i] if b1 + i < b2 else None
            mark = (
                " " if kind == "equal" else "|" if one is not None and two is not None else "<" if two is None else ">"
            )
            what = {" ": "same", "|": "change", "<": "out", ">": "in"}[mark]
            out.append((what, _two(one or "", two or "", mark, half)))
    return out


def _two(one: str, two: str, mark: str, half: int) -> str:
    return f"{_cut(one, half)} {mark} {_cut(two, half)}"


def _cut(text: str, width: int) -> str:
    shown = printable(text)
    return shown.ljust(width) if len(shown) <= width else shown[: width - 1] + "…"


def coloured_sides(rows: Iterable[tuple[str, str]]) -> Content:
    """Return side-by-side rows for the terminal."""
    style = {"change": "$text-warning", "out": "$text-error", "in": "$text-success", "skip": "$text-muted"}
    return Content("\n").join([Content.styled(t, style[w]) if w in style else Content(t) for w, t in rows])
