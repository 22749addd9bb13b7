"""Text differences, unified and side by side, with a mark on every word that changed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from textual.content import Content

from netplan.problems import printable

STYLES = {"+": "$text-success", "-": "$text-error", "@": "$text-accent"}
SIDES = {"change": "$text-warning", "out": "$text-error", "in": "$text-success", "skip": "$text-muted"}
WORD = "bold underline"  # of what changed in a line, so that it is seen without colours, too
ALIKE = 0.3  # lines that share less are not compared word by word
LONGEST = 2000  # characters of a line whose words are compared


def unified(before: str, after: str, name: str, labels: tuple[str, str]) -> list[str]:
    """Return a unified diff as lines without line breaks."""
    left, right = before.splitlines(), after.splitlines()
    made = difflib.unified_diff(left, right, f"{name} ({labels[0]})", f"{name} ({labels[1]})", lineterm="")
    return list(made)


def coloured(lines: Iterable[str]) -> Content:
    """Return a unified diff for the terminal: the marks + and - stay, colour and marked words come on top."""
    shown: list[Content] = []
    for out, into, rest in _runs(list(lines)):
        marks = [changed_words(one[1:], two[1:]) for one, two in zip(out, into, strict=False)]
        for side, block in ((0, out), (1, into)):
            for number, line in enumerate(block):
                spans = marks[number][side] if number < len(marks) else []
                content = Content.styled(printable(line), STYLES[line[0]])
                for start, end in spans:
                    content = content.stylize(WORD, start + 1, end + 1)
                shown.append(content)
        for line in rest:
            style = "bold" if line.startswith(("+++", "---")) else STYLES.get(line[:1], "")
            shown.append(Content.styled(printable(line), style) if style else Content(printable(line)))
    return Content("\n").join(shown)


def _runs(lines: Sequence[str]) -> Iterator[tuple[list[str], list[str], list[str]]]:
    """Generate the lines that go, the lines that come for them, and the lines up to the next such place."""
    at = 0
    while at < len(lines):
        out, into, rest = [], [], []
        while at < len(lines) and lines[at].startswith("-") and not lines[at].startswith("--- "):
            out.append(lines[at])
            at += 1
        while at < len(lines) and lines[at].startswith("+") and not lines[at].startswith("+++ "):
            into.append(lines[at])
            at += 1
        while at < len(lines) and (not lines[at].startswith(("+", "-")) or lines[at].startswith(("+++ ", "--- "))):
            rest.append(lines[at])
            at += 1
        yield out, into, rest


def changed_words(one: str, two: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return where two lines differ, word by word: start and end in each; nothing where they have little in common."""
    if max(len(one), len(two)) > LONGEST:
        return [], []
    left, right = re.findall(r"\w+|\s+|.", one), re.findall(r"\w+|\s+|.", two)
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    if matcher.ratio() < ALIKE:
        return [], []
    spans: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for kind, a1, a2, b1, b2 in matcher.get_opcodes():
        if kind != "equal":
            for found, words, start, end in ((spans[0], left, a1, a2), (spans[1], right, b1, b2)):
                if start < end:
                    begin = sum(map(len, words[:start]))
                    found.append((begin, begin + sum(map(len, words[start:end]))))
    return spans


def side_by_side(before: str, after: str, width: int) -> list[tuple[str, Content]]:
    """Return lines of two columns and a mark between them, each with what it is; long lines are wrapped, not cut."""
    half = max((width - 3) // 2, 8)
    left, right = before.splitlines(), after.splitlines()
    out: list[tuple[str, Content]] = []
    for kind, a1, a2, b1, b2 in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "equal" and a2 - a1 > 8:
            for offset in [*range(3), None, *range(a2 - a1 - 3, a2 - a1)]:
                if offset is None:
                    out.append(("skip", Content("…".center(half * 2 + 3))))
                else:
                    out += _two(left[a1 + offset], right[b1 + offset], "same", half)
            continue
        for i in range(max(a2 - a1, b2 - b1)):
            one = left[a1 + i] if a1 + i < a2 else None
            two = right[b1 + i] if b1 + i < b2 else None
            what = "same" if kind == "equal" else "change" if None not in (one, two) else "out" if two is None else "in"
            out += _two(one or "", two or "", what, half)
    return out


def _two(one: str, two: str, what: str, half: int) -> list[tuple[str, Content]]:
    """Return one pair of lines as as many rows as the longer one needs."""
    spans = changed_words(one, two) if what == "change" else ([], [])
    columns = [_column(text, found, what, half) for text, found in zip((one, two), spans, strict=True)]
    mark = {"same": " ", "change": "|", "out": "<", "in": ">"}[what]
    return [
        (what, Content.assemble(a or Content(" " * half), f" {mark if number == 0 else ' '} ", b or Content("")))
        for number, (a, b) in enumerate(zip_longest(*columns))
    ]


def _column(text: str, spans: list[tuple[int, int]], what: str, half: int) -> list[Content]:
    content = Content.styled(printable(text), SIDES[what]) if what in SIDES else Content(printable(text))
    for start, end in spans:
        content = content.stylize(WORD, start, end)
    if not text:
        return [Content(" " * half)]
    pieces = [content[start:end] for start, end in _cuts(text, half)]
    return [Content.assemble(piece, " " * (half - piece.cell_length)) for piece in pieces]


def _cuts(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Generate begin and end of pieces of at most a width, behind a space where one is in the second half."""
    begin = 0
    while len(text) - begin > width:
        space = text.rfind(" ", begin + width // 2, begin + width)
        end = space + 1 if space >= 0 else begin + width
        yield begin, end
        begin = end
    yield begin, len(text)


def coloured_sides(rows: Iterable[tuple[str, Content]]) -> Content:
    """Return side-by-side rows for the terminal."""
    return Content("\n").join([row.stylize(SIDES["skip"]) if what == "skip" else row for what, row in rows])
