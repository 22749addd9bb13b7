"""Bundles as path -> text, from a plan or a directory, and which of their files differ."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from netplan.bundle import reader
from netplan.bundle.manifest import File
from netplan.inputs.path_kinds import MANIFEST
from netplan.problems import Location, Problem, ProblemError, counted

MAX_FILES = 20_000
MAX_BYTES = 1 << 20
HOSTS = ("nodes", "unmanaged-peers")  # folders with a folder for each host
IN_MEMORY = 100  # nodes; a bundle grows with their square, so of larger ones only hosts that one looks at are rendered


@dataclass(frozen=True, slots=True)
class Tree:
    """Files by path inside the bundle, and what to call the whole."""

    label: str
    texts: dict[str, str]
    about: str = ""


def of_files(label: str, files: list[File]) -> Tree:
    """Return the tree of files rendered in memory."""
    return Tree(label, {f.path: f.text for f in files})


def of_directory(path: Path, closed: frozenset[str] = frozenset()) -> Tree:
    """Read a bundle, or any directory of small text files; not the files of the hosts ``closed`` (ids).

    Raises ProblemError (IPP502).
    """
    about = ""
    if (path / MANIFEST).is_file():
        try:
            about = f"bundle {reader.read(path).digest[:16]}"
        except ProblemError as error:
            about = f"! {error.problems[0].message}: {error.problems[0].location.path}"
    elif not path.is_dir():
        raise ProblemError(Problem("IPP502", "no such directory", location=Location(str(path))))
    texts: dict[str, str] = {}
    for folder, folders, names in os.walk(path):
        inside_folder = os.path.relpath(folder, path)
        folders[:] = sorted(f for f in folders if inside_folder not in HOSTS or f not in closed)
        for name in sorted(names):
            file = Path(folder) / name
            inside = str(file.relative_to(path))
            if inside == MANIFEST or file.is_symlink() or not file.is_file():
                continue
            if len(texts) == MAX_FILES:
                return Tree(str(path), texts, f"! only the first {counted(MAX_FILES, 'file')}")
            texts[inside] = _text(file)
    return Tree(str(path), texts, about)


def of_nodes(found: Mapping[str, Mapping[str, str | None]]) -> Tree:
    """Return what nodes answered: node id -> path on the node -> text, or None where there is no such file."""
    texts = {f"nodes/{node}{path}": text for node, files in found.items() for path, text in files.items()}
    return Tree("the nodes", {path: text for path, text in texts.items() if text is not None}, "as they are now")


def installed(tree: Tree) -> Tree:
    """Return the part of a bundle that lies on nodes as it is."""
    own = {p: t for p, t in tree.texts.items() if p.startswith("nodes/") and not p.endswith("/node.json")}
    return Tree(tree.label, own, tree.about)


def without(tree: Tree, closed: frozenset[str]) -> Tree:
    """Return a tree without the files of some hosts (ids)."""
    return Tree(tree.label, {p: t for p, t in tree.texts.items() if p.split("/")[1] not in closed}, tree.about)


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            return f"(larger than {MAX_BYTES} bytes)\n"
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return "(not text)\n"
    except OSError as error:
        return f"(can't be read: {error.strerror})\n"


def changes(before: Tree | None, after: Tree) -> dict[str, str]:
    """Return a mark for each path of either: space for the same, ``~`` changed, ``+`` new, ``-`` gone."""
    if before is None:
        return dict.fromkeys(sorted(after.texts), " ")
    marks = {}
    for path in sorted(before.texts.keys() | after.texts.keys()):
        one, two = before.texts.get(path), after.texts.get(path)
        marks[path] = " " if one == two else "+" if one is None else "-" if two is None else "~"
    return marks
