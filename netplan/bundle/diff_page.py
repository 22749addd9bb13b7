"""Two bundles as a page for a browser: what happens to traffic, then every file, with the words that changed marked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from netplan import __version__
from netplan.bundle.compare import FileChange
from netplan.bundle.reader import Bundle
from netplan.templates.render import render_html

MOST_FILES = 60  # groups of one change on many hosts
MOST_LINES = 160  # of a file's difference
MOST_COMPARED = 2000  # lines of a file; difflib takes seconds for more
MOST_CHARACTERS = 300
NAMED = 6
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
Piece = tuple[str, str]  # kind (out, in, or nothing) and text


@dataclass(frozen=True, slots=True)
class ShownChange:
    """One change of a file, of one host or of many alike."""

    place: str
    how: str
    hosts: str
    lines: tuple[tuple[Piece, ...], ...]
    rest: str


def diff_page(
    old: Bundle, new: Bundle, changes: Sequence[FileChange], names: Mapping[str, str], traffic: Sequence[str]
) -> str:
    """Return the page. ``names``: host id -> name; ``traffic``: the lines of ``diff`` about IPsec and the MTU."""
    groups: dict[tuple[str, str], list[FileChange]] = {}
    for change in changes:
        groups.setdefault((change.place, change.how), []).append(change)
    # what is on nodes first: the pages for people follow from it
    ordered = sorted(groups.items(), key=lambda one: not one[0][0].startswith("/"))
    shown = ordered[:MOST_FILES]
    return render_html(
        "html/diff.html.j2",
        tool=__version__,
        cluster=new.cluster,
        before=old.digest[:16],
        after=new.digest[:16],
        traffic=[line for line in traffic if line],
        files=[_shown(old, new, place, how, members, names) for (place, how), members in shown],
        files_left=len(groups) - len(shown),
    )


def _shown(
    old: Bundle, new: Bundle, place: str, how: str, members: Sequence[FileChange], names: Mapping[str, str]
) -> ShownChange:
    """Return a group by its first member."""
    hosts = sorted(names.get(c.node, c.node) for c in members if c.node)
    said = ", ".join(hosts[:NAMED]) + (f" and {len(hosts) - NAMED} more" if len(hosts) > NAMED else "")
    path = members[0].path
    texts = [
        bundle.content(path).decode("utf-8", "replace").splitlines() if path in bundle.entries else []
        for bundle in (old, new)
    ]
    if place.startswith("review/") or max(map(len, texts)) > MOST_COMPARED:
        return ShownChange(place, how, said, (), "")
    lines: list[tuple[Piece, ...]] = []
    for line in _lines(texts[0], texts[1]):
        if len(lines) == MOST_LINES:
            return ShownChange(place, how, said, tuple(lines), "... and more lines\n")
        lines.append(line)
    return ShownChange(place, how, said, tuple(lines), "")


def _lines(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[Piece, ...]]:
    """Generate the lines that differ, with two around them; of a line that changed, its words."""
    for group in difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(2):
        for kind, a, b, c, d in group:
            if kind == "equal":
                yield from ((("", f"  {_cut(line)}"),) for line in before[a:b])
            elif kind == "replace" and b - a == d - c:
                for one, other in zip(before[a:b], after[c:d], strict=True):
                    yield _words(_cut(one), _cut(other), "out")
                    yield _words(_cut(one), _cut(other), "in")
            else:
                yield from ((("out", f"- {_cut(line)}"),) for line in before[a:b])
                yield from ((("in", f"+ {_cut(line)}"),) for line in after[c:d])


def _words(one: str, other: str, side: str) -> tuple[Piece, ...]:
    """Return one side of a line that changed, its own words marked."""
    first, second = _WORDS.findall(one), _WORDS.findall(other)
    pieces: list[Piece] = [("", "- " if side == "out" else "+ ")]
    for kind, a, b, c, d in difflib.SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        text = "".join(first[a:b] if side == "out" else second[c:d])
        if text:
            pieces.append((side if kind != "equal" else "", text))
    return tuple(pieces)


def _cut(line: str) -> str:
    return line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]}..."
