"""What differs between two pictures of a screen, as lines for the report of a failing test."""

from __future__ import annotations

import difflib
import html
import re

_TEXT = re.compile(r'<text class="terminal-(r\d+)" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>')
_FILL = re.compile(r"\.terminal-(r\d+) \{ ([^}]*) \}")
_BOX = re.compile(r'<rect fill="([^"]+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"')
_ID = re.compile(r"\bterminal-\d+-")
CELL, LINE = 12.2, 24.4  # width and height of a character, as Rich draws it


def text_of(svg: str) -> list[str]:
    """Return the characters of a picture, a string for each line of the screen."""
    rows: dict[int, dict[int, str]] = {}
    for _, x, y, shown in _TEXT.findall(_ID.sub("terminal-", svg)):
        line = rows.setdefault(round(float(y) / LINE), {})
        for place, letter in enumerate(html.unescape(shown), round(float(x) / CELL)):
            line[place] = letter.replace("\xa0", " ")
    return ["".join(row.get(i, " ") for i in range(max(row) + 1)).rstrip() for _, row in sorted(rows.items())]


def looks_of(svg: str) -> list[str]:
    """Return every piece of a picture with place, colours and style."""
    svg = _ID.sub("terminal-", svg)
    styles = dict(_FILL.findall(svg))
    pieces = [
        f"{_place(x, float(y) - LINE)}: {html.unescape(shown)!r} {styles.get(kind)}"
        for kind, x, y, shown in _TEXT.findall(svg)
    ]
    return pieces + [f"{_place(x, y)}: {round(float(w) / CELL)} on {fill}" for fill, x, y, w in _BOX.findall(svg)]


def _place(x: float | str, y: float | str) -> str:
    return f"line {round(float(y) / LINE) + 1} column {round(float(x) / CELL) + 1}"


def difference(kept: str, seen: str, most: int = 60) -> str:
    """Return what differs between two pictures: their text, else colours and styles; at most so many lines."""
    for what, read in (("text", text_of), ("colours and styles", looks_of)):
        lines = list(difflib.unified_diff(read(kept), read(seen), "picture kept", "picture now", lineterm="", n=1))
        if lines:
            more = [f"... and {len(lines) - most} lines more"] if len(lines) > most else []
            return "\n".join([f"the {what} of the picture:", *lines[:most], *more])
    return "nothing that can be seen: the files differ in their bytes only"
