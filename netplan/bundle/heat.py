"""The pairs of a plan as a heat map: hosts while they are few, then kinds of hosts, which the arithmetic can't tell
apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netplan.plan.classes import PairClass
from netplan.plan.types import Plan
from netplan.problems import counted

MOST_HOSTS = 24  # shown one by one
MOST_KINDS = 24
NAMED = 4  # hosts that stand for a kind
SHADES = 5  # from the least inner packet to the most


@dataclass(frozen=True, slots=True)
class Head:
    """A row or column: its short name, and who it is."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A pair or two kinds: the largest inner packet in bytes as text, and its shade, ``open`` for a clear pair."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Heat:
    """``members`` are the kinds with their hosts, nothing where hosts are shown; ``left_out``: kinds not shown."""

    heads: tuple[Head, ...]
    rows: tuple[tuple[Head, tuple[Cell, ...]], ...]
    members: tuple[Head, ...]
    left_out: int


def heat(plan: Plan) -> Heat:
    """Return the map of a plan's main network."""
    shade = _shades(plan.classes)
    main = plan.main
    if len(main.nodes) <= MOST_HOSTS:
        heads = tuple(Head(node.name, f"{node.name}, link {node.link_mtu}") for node in main.nodes)
        rows = tuple(
            tuple(Cell("", "self") if one is other else _cell(main.class_of(one, other), shade) for other in main.nodes)
            for one in main.nodes
        )
        return Heat(heads, tuple(zip(heads, rows, strict=True)), (), 0)
    names: dict[object, list[str]] = {}
    for node in main.nodes:
        names.setdefault(main.kinds[node.id], []).append(node.name)
    kinds = list(dict.fromkeys(main.kinds.values()))
    shown = kinds[:MOST_KINDS]
    heads = tuple(
        Head(f"kind {number}", f"{counted(len(names[kind]), 'host')}, link {kind.link_mtu}: {_some(names[kind])}")
        for number, kind in enumerate(shown, 1)
    )
    cells = tuple(
        tuple(
            Cell("", "self") if found is None else _cell(found, shade)
            for found in (main.class_of_kinds.get((one, other)) for other in shown)
        )
        for one in shown
    )
    return Heat(heads, tuple(zip(heads, cells, strict=True)), heads, len(kinds) - len(shown))


def _shades(classes: Sequence[PairClass]) -> dict[int, str]:
    """Return a shade for each size: the first for the least, the last for the most."""
    sizes = sorted({c.inner_mtu for c in classes if c.protected})
    if len(sizes) == 1:
        return {sizes[0]: f"m{SHADES - 1}"}
    return {size: f"m{number * (SHADES - 1) // max(1, len(sizes) - 1)}" for number, size in enumerate(sizes)}


def _cell(found: PairClass, shade: dict[int, str]) -> Cell:
    if not found.protected:
        return Cell(f"{found.inner_mtu} clear", "open")
    return Cell(str(found.inner_mtu), shade[found.inner_mtu])


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
