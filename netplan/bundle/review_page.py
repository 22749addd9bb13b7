"""``review/index.html``: a bundle for people with a browser. One page without scripts, bounded however many hosts.

It follows from the plan alone, as every file of a bundle does: what was at that place before is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from netplan import __version__
from netplan.agent.phase_table import PHASES
from netplan.bundle.heat import heat
from netplan.bundle.manifest import File
from netplan.bundle.node_files import NodeFiles
from netplan.cni.render import NetworkPlan
from netplan.explain.drawing import figure
from netplan.model.node import Node
from netplan.plan.notes import consequences
from netplan.plan.types import Plan
from netplan.problems import counted
from netplan.templates.render import render_html

PATH = "review/index.html"
MOST_KINDS = 3  # of hosts whose files are shown
MOST_LINES = 120  # of a file
MOST_CHARACTERS = 200  # of a line
MOST_CLASSES = 40
APPLY = (
    *("preflight", "arm", "lower-senders", "stage", "lower-devices", "credentials", "ike-check", "permissive"),
    *("encrypt", "trap", "soak", "enforce", "probe", "prepare", "confirm"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file; ``marked``: the other host has no such line."""

    text: str
    marked: bool


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file of one host: its beginning, and what is said about the rest of it."""

    path: str
    about: str
    lines: tuple[Line, ...]
    rest: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One host, the host that it is compared with, and its files."""

    name: str
    id: str
    other: str
    files: tuple[ShownFile, ...]


def review_page(plan: Plan, network: NetworkPlan, made: NodeFiles) -> str:
    """Return the page. ``made`` makes the files of the hosts that are shown."""
    return render_html(
        "html/review.html.j2",
        plan=plan,
        network=network,
        tool=__version__,
        pairs=sum(c.pairs for c in plan.classes),
        protected=sum(c.pairs for c in plan.classes if c.protected),
        consequences=consequences(plan),
        drawn=figure(plan.limiting.worst.solution),
        heat=heat(plan),
        classes=plan.classes[:MOST_CLASSES],
        classes_left=len(plan.classes[MOST_CLASSES:]),
        phases=[(name, PHASES[name].title) for name in APPLY],
        samples=_samples(plan, made),
        common=sorted(f"/{file.path}" for file in made.always),
    )


def _samples(plan: Plan, made: NodeFiles) -> list[Sample]:
    """Return the first managed host of each kind, beside the next one of its kind or any other."""
    kinds: dict[object, list[Node]] = {}
    managed = [node for node in plan.nodes if node.managed]
    for node in managed:
        of = kinds.setdefault(plan.main.kinds[node.id], [])
        if len(of) < 2:
            of.append(node)
    texts: dict[str, dict[str, str]] = {}

    def files(node: Node) -> dict[str, str]:
        if node.id not in texts:
            texts[node.id] = {_place(file): file.text for file in made.of(node) if not file.common}
        return texts[node.id]

    found = []
    for one, *others in list(kinds.values())[:MOST_KINDS]:
        other = others[0] if others else next((node for node in managed if node is not one), None)
        beside = files(other) if other else {}
        shown = tuple(_shown(path, text, beside.get(path)) for path, text in sorted(files(one).items()))
        found.append(Sample(one.name, one.id, other.name if other else "", shown))
    return found


def _place(file: File) -> str:
    """Return where a file lies on its node; for what is not installed there, its place in the bundle."""
    top, _, rest = file.path.partition("/")
    inside = rest.partition("/")[2]
    return f"/{inside}" if top == "nodes" and inside != "node.json" else file.path


def _shown(path: str, text: str, beside: str | None) -> ShownFile:
    lines = text.splitlines()
    others = set() if beside is None else set(beside.splitlines())
    begin = lines[:MOST_LINES]
    marked = [beside is not None and line not in others for line in begin]
    more = len(lines) - len(begin)
    differ = "the same" if beside == text else f"{sum(marked)} of {counted(len(begin), 'line')} differ"
    about = differ if beside is not None else ""
    return ShownFile(
        path,
        about,
        tuple(Line(_cut(line), mark) for line, mark in zip(begin, marked, strict=True)),
        f"... and {counted(more, 'more line')}\n" if more else "",
    )


def _cut(line: str) -> str:
    return line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]}..."
