"""The import graph as numbers: `make graph` prints them, and ``tests/unit/test_house.py`` holds those that must be 0.

A room is a package, or a module that lies at the root of ``netplan``; a wing is a room of the first level, with those
inside it. An arrow leads from a room to one that it imports from. An import is upward when the contract of layers in
``pyproject.toml`` does not allow it. A cycle is a set of files each of which imports, by way of others, all others; or
a set of rooms or wings, where imports between a room and the one that holds it don't count. Imports inside functions
and those for types alone count too.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("netplan", "tui")
AGENT = "netplan.agent"
Arrow = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the program: its files, the imports between them, and what is to be said of both."""

    name: str
    files: tuple[str, ...]
    at_root: tuple[str, ...]
    rooms: tuple[str, ...]
    arrows: tuple[Arrow, ...]
    upward: tuple[Arrow, ...]
    file_cycles: tuple[tuple[str, ...], ...]
    room_cycles: tuple[tuple[str, ...], ...]


class House:
    """The packages of a checkout, read without running them."""

    def __init__(self, packages: Sequence[str], layers: Sequence[Sequence[frozenset[str]]]) -> None:
        graph = grimp.build_graph(*packages, cache_dir=None)
        self.modules = sorted(graph.modules)
        self.imports = [(a, b) for a in self.modules for b in sorted(graph.find_modules_directly_imported_by(a))]
        self._packages = {module for module in self.modules if graph.find_children(module)} | set(packages)
        self._layers = layers

    def part(self, name: str, files: Iterable[str]) -> Part:
        """Return the numbers of some of the files."""
        inside = sorted(files)
        imports = [(a, b) for a, b in self.imports if a in inside and b in inside]
        arrows = {(self.room(a), self.room(b)) for a, b in imports if self.room(a) != self.room(b)}
        beside = {(a, b) for a, b in arrows if not f"{a}.".startswith(f"{b}.") and not f"{b}.".startswith(f"{a}.")}
        wings = {(_wing(a), _wing(b)) for a, b in beside if _wing(a) != _wing(b)}
        return Part(
            name=name,
            files=tuple(inside),
            at_root=tuple(
                m
                for m in inside
                if m.startswith("netplan.") and "." not in m[8:] and m == self.room(m) and m not in self._packages
            ),
            rooms=tuple(sorted({self.room(module) for module in inside})),
            arrows=tuple(sorted(arrows)),
            upward=tuple((a, b) for a, b in imports if any(goes_up(layers, a, b) for layers in self._layers)),
            file_cycles=cycles(imports),
            room_cycles=tuple(sorted({*cycles(beside), *cycles(wings)})),
        )

    def room(self, module: str) -> str:
        """Return the package that a module lies in; a module at the root of ``netplan`` is a room of its own."""
        if module in self._packages:
            return module
        package = module.rpartition(".")[0]
        return module if package == "netplan" else package


def goes_up(layers: Sequence[frozenset[str]], importer: str, imported: str) -> bool:
    """Tell whether an import leads to a higher layer, or to another room of its own one. ``layers`` go top down."""
    (below, here), (above, there) = _layer(layers, importer), _layer(layers, imported)
    if above is None or below is None:
        return False
    return above < below or (above == below and there != here)


def _layer(layers: Sequence[frozenset[str]], module: str) -> tuple[int | None, str]:
    for number, names in enumerate(layers):
        for name in names:
            if module == name or module.startswith(f"{name}."):
                return number, name
    return None, ""


def _wing(room: str) -> str:
    """Return the room that another one lies in: the first level below the package, the second one in the agent."""
    depth = 3 if room.startswith(f"{AGENT}.") else 2
    return ".".join(room.split(".")[:depth])


def cycles(arrows: Iterable[Arrow]) -> tuple[tuple[str, ...], ...]:
    """Return every set of names that reach each other."""
    after: dict[str, set[str]] = {}
    for a, b in arrows:
        after.setdefault(a, set()).add(b)

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        ahead = [start]
        while ahead:
            for name in after.get(ahead.pop(), set()) - found:
                found.add(name)
                ahead.append(name)
        return found

    reach = {name: reached(name) for name in after}
    sets = {tuple(sorted(b for b in reach[a] if a in reach.get(b, ()))) for a in after if a in reach[a]}
    return tuple(sorted(sets))


def contracts(root: Path) -> list[list[frozenset[str]]]:
    """Return the layers of every such contract of a checkout, top down; names beside each other are one layer."""
    with open(root / "pyproject.toml", "rb") as file:
        found = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    return [
        [frozenset(name.strip(" ()") for name in layer.split("|")) for layer in contract["layers"]]
        for contract in found
        if contract["type"] == "layers"
    ]


def parts(root: Path = ROOT) -> list[Part]:
    """Return the parts of a checkout that can be imported: core, planner and agent."""
    house = House(PACKAGES, contracts(root))
    agent = {module for module in house.modules if module == AGENT or module.startswith(f"{AGENT}.")}
    planner = {module for module in house.modules if module.split(".")[0] == "tui"}
    return [
        house.part("core", set(house.modules) - agent - planner),
        house.part("tui", planner),
        house.part("agent", agent),
        house.part("all", house.modules),
    ]


def table(found: Sequence[Part]) -> str:
    """Return the numbers as lines of text, and below them what should not be there."""
    heads = ("", "files", "at the root", "rooms", "arrows", "upward", "cycles of files", "cycles of rooms")
    rows = [heads] + [
        (
            p.name,
            *(str(len(x)) for x in (p.files, p.at_root, p.rooms, p.arrows, p.upward, p.file_cycles, p.room_cycles)),
        )
        for p in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    for part in found:
        lines += [f"{part.name}: upward: {a} -> {b}" for a, b in part.upward]
        lines += [f"{part.name}: cycle: {' '.join(one)}" for one in (*part.file_cycles, *part.room_cycles)]
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    """Print the numbers of this checkout, or of the one that the first argument names."""
    root = Path(argv[0]).resolve() if argv else ROOT
    sys.path.insert(0, str(root))
    print(table(parts(root)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
