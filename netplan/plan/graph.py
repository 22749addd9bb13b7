"""Hosts and pairs as a graph in D2, DOT or SVG: pairs while they are few, then kinds of hosts with numbers of pairs."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from netplan.plan.classes import PairClass
from netplan.plan.types import Plan
from netplan.problems import counted, printable

MOST_HOSTS = 24  # drawn one by one
SIZE, MARGIN, RADIUS = 760, 130, 22  # of the SVG, in its units


@dataclass(frozen=True, slots=True)
class Vertex:
    """A host, or a kind of hosts."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Edge:
    """Pairs between two vertices; ``label`` says their largest inner packet in bytes."""

    one: str
    other: str
    label: str
    protected: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """What is drawn."""

    title: str
    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]


def graph(plan: Plan) -> Graph:
    """Return the graph of the network that carries the overlay."""
    main = plan.main
    title = f"{plan.file.name}: pod MTU {plan.pod_mtu}, {plan.file.overlay.type}"
    if len(main.nodes) <= MOST_HOSTS:
        vertices = tuple(Vertex(n.id, f"{printable(n.name)}\n{n.address}\nlink {n.link_mtu}") for n in main.nodes)
        edges = tuple(
            _edge(one.id, other.id, main.class_of(one, other))
            for at, one in enumerate(main.nodes)
            for other in main.nodes[at + 1 :]
        )
        return Graph(title, vertices, edges)
    sizes = Counter(main.kinds.values())
    kinds = list(sizes)[:MOST_HOSTS]
    vertices = tuple(
        Vertex(f"kind{at}", f"{counted(sizes[kind], 'host')}\nlink {kind.link_mtu}") for at, kind in enumerate(kinds)
    )
    edges = tuple(
        _edge(f"kind{at}", f"kind{at + beside}", found)
        for at, one in enumerate(kinds)
        for beside, other in enumerate(kinds[at:])
        if (found := main.class_of_kinds.get((one, other))) is not None
    )
    return Graph(title, vertices, edges)


def _edge(one: str, other: str, found: PairClass) -> Edge:
    return Edge(one, other, f"{found.inner_mtu}{'' if found.protected else ' clear'}", found.protected)


def d2(drawn: Graph) -> str:
    """Return the graph for D2."""
    lines = [f"# {drawn.title}", "direction: right"]
    lines += [f"{vertex.id}: {_text(vertex.label)}" for vertex in drawn.vertices]
    for edge in drawn.edges:
        style = "" if edge.protected else " {style.stroke-dash: 4}"
        lines.append(f"{edge.one} -- {edge.other}: {_text(edge.label)}{style}")
    return "\n".join(lines) + "\n"


def dot(drawn: Graph) -> str:
    """Return the graph for Graphviz."""
    lines = [f"graph {_text(drawn.title)} {{", "  node [shape=box];"]
    lines += [f"  {_text(vertex.id)} [label={_text(vertex.label)}];" for vertex in drawn.vertices]
    for edge in drawn.edges:
        style = "" if edge.protected else ", style=dashed"
        lines.append(f"  {_text(edge.one)} -- {_text(edge.other)} [label={_text(edge.label)}{style}];")
    return "\n".join([*lines, "}"]) + "\n"


def svg(drawn: Graph) -> str:
    """Return the graph as SVG: vertices on a circle."""
    places = {}
    for at, vertex in enumerate(drawn.vertices):
        angle = 2 * math.pi * at / len(drawn.vertices) - math.pi / 2
        reach = SIZE / 2 - MARGIN
        places[vertex.id] = (SIZE / 2 + reach * math.cos(angle), SIZE / 2 + reach * math.sin(angle))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" width="{SIZE}" height="{SIZE}" '
        f'role="img" aria-label={quoteattr(drawn.title)}>',
        "<style>text{font:12px system-ui,sans-serif;fill:#1b1f24;text-anchor:middle}line{stroke:#5b7fa6}"
        "line.open{stroke:#a3161b;stroke-dasharray:5 4}circle{fill:#9ec3e6;stroke:#274a6d}svg{background:#fff}"
        "@media (prefers-color-scheme:dark){svg{background:#15181c}text{fill:#e3e6ea}}</style>",
        f'<text x="{SIZE / 2:.0f}" y="20">{escape(drawn.title)}</text>',
    ]
    for edge in drawn.edges:
        (x1, y1), (x2, y2) = places[edge.one], places[edge.other]
        style = "" if edge.protected else ' class="open"'
        if edge.one == edge.other:
            lines.append(f'<text x="{x1:.1f}" y="{y1 - RADIUS - 8:.1f}">{escape(edge.label)} among them</text>')
            continue
        lines.append(
            f'<line{style} x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}">'
            f"<title>{escape(edge.label)}</title></line>"
        )
        if len(drawn.edges) <= MOST_HOSTS:
            lines.append(f'<text x="{(2 * x1 + x2) / 3:.1f}" y="{(2 * y1 + y2) / 3:.1f}">{escape(edge.label)}</text>')
    for vertex in drawn.vertices:
        x, y = places[vertex.id]
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>')
        for number, word in enumerate(vertex.label.split("\n")):
            lines.append(f'<text x="{x:.1f}" y="{y + RADIUS + 16 + 14 * number:.1f}">{escape(word)}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _text(text: str) -> str:
    """Return a quoted word: both languages take the escapes of JSON for quotes, backslashes and line feeds."""
    return json.dumps(text.replace("$", "_"), ensure_ascii=False)  # D2 would look for a variable


FORMATS: dict[str, Callable[[Graph], str]] = {"d2": d2, "dot": dot, "svg": svg}
