"""A packet drawn to scale: where each header of a solution lies, in units of a picture, and the picture as SVG.

Two bars: the whole packet to scale, where a header of 8 bytes is a thin line, and its headers alone, wide enough for
their letters and sizes. A letter stands for the same row in both bars and in the ledger beside them.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

from netplan.stack import Solution
from netplan.templates.render import render_html

WIDTH = 960.0  # units of the picture
LEAST = 26.0  # width of a header in the second bar
INNER = 150.0  # width of what is carried, there
LETTERS = string.ascii_lowercase + string.ascii_uppercase


@dataclass(frozen=True, slots=True)
class Box:
    """Consecutive bytes of the packet in both bars; ``kind`` is clear, hidden (encrypted), carried or unused."""

    letter: str
    name: str
    bytes: int
    offset: str
    source: str
    kind: str
    x: str
    width: str
    head_x: str
    head_width: str
    head_middle: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn packet: its boxes, and what it says in words for those who don't see it."""

    boxes: tuple[Box, ...]
    title: str
    link: int
    outer: int


def figure(solution: Solution) -> Figure:
    """Return the drawing of the largest packet of a solution."""
    rows = [row for row in (*solution.link_ledger, *solution.ledger) if row.bytes]
    link_rows = len([row for row in solution.link_ledger if row.bytes])
    whole = sum(row.bytes for row in rows) + solution.slack
    heads = [INNER if row.name.startswith("inner ") else max(LEAST, 3.0 * row.bytes) for row in rows]
    if solution.slack:
        heads.append(LEAST)
    stretch = WIDTH / sum(heads)
    boxes, x, head_x = [], 0.0, 0.0
    for number, row in enumerate(rows):
        width, head = row.bytes / whole * WIDTH, heads[number] * stretch
        kind = "carried" if row.name.startswith("inner ") else "hidden" if row.encrypted else "clear"
        offset = "link" if number < link_rows else str(row.offset)
        letter = LETTERS[number % len(LETTERS)]
        boxes.append(_box(letter, row.name, row.bytes, offset, row.source, kind, (x, width), (head_x, head)))
        x, head_x = x + width, head_x + head
    if solution.slack:
        width, said = solution.slack / whole * WIDTH, "unused bytes of the link"
        boxes.append(_box("-", said, solution.slack, "", "", "unused", (x, width), (head_x, WIDTH - head_x)))
    title = f"A packet of {solution.outer_packet} bytes on a link of {solution.link_mtu}: " + ", ".join(
        f"{box.bytes} {box.name}" for box in boxes
    )
    return Figure(tuple(boxes), title, solution.link_mtu, solution.outer_packet)


def _box(
    letter: str,
    name: str,
    size: int,
    offset: str,
    source: str,
    kind: str,
    scale: tuple[float, float],
    head: tuple[float, float],
) -> Box:
    number = "{:.1f}".format
    middle = number(head[0] + head[1] / 2)
    places = (number(scale[0]), number(scale[1]), number(head[0]), number(head[1]), middle)
    return Box(letter, name, size, offset, source, kind, *places)


def svg(solution: Solution) -> str:
    """Return the packet as an SVG file of its own, with a legend; dark and light by the viewer's setting."""
    drawn = figure(solution)
    legend = [(row, 150 + 20 * number) for number, row in enumerate(drawn.boxes)]
    return render_html(
        "html/packet-file.svg.j2",
        drawn=drawn,
        legend=legend,
        height=160 + 20 * len(legend),
        stack=solution.stack.text,
        inner=solution.inner_mtu,
    )
