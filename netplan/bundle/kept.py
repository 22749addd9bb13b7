"""What is remembered of the bundle that the last render left at a place, so that the next one writes what changed.

It lies in the user's cache, because a bundle holds nothing but what follows from its plan. A file that anybody touched
since is written anew: inode, size and time of every file are remembered, and for what nodes share the number of its
names. Without a memory, or with one that does not fit, everything is written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from netplan.bundle.inputs_digest import Inputs
from netplan.bundle.put import Stamp, stamp_of
from netplan.bundle.schema import checked_head
from netplan.files import write_atomic
from netplan.inputs.path_kinds import MANIFEST
from netplan.problems import ProblemError

VERSION = 1
LEAST = 16  # hosts; for fewer, everything is written as fast
HERE = "{}"  # in the paths of a layout: the node's id
Layout = tuple[tuple[str, ...], tuple[str, ...]]  # paths of own files, and of shared ones


@dataclass(slots=True)
class Kept:
    """``whole`` and ``nodes`` (id -> digest, place in ``layouts``, then stamps of its own files) are what the bundle
    was made from; ``head`` is its manifest without the files, ``count`` how many there are, ``always`` path -> SHA-256
    of what every managed node has, ``layouts`` lists of own and of shared paths, ``rest`` path -> stamp of files of no
    node, ``shared`` path -> stamp and number of names of a file that nodes share."""

    whole: str
    head: dict[str, Any]
    count: int
    always: dict[str, str]
    layouts: list[list[list[str]]]
    nodes: dict[str, list[Any]]
    rest: dict[str, list[int]]
    shared: dict[str, list[int]]
    version: int = VERSION

    def own(self, node: str) -> Iterable[tuple[str, Stamp]]:
        """Generate path and stamp of the files that a node alone has."""
        _, layout, *stamps = self.nodes[node]
        for number, path in enumerate(self.layouts[layout][0]):
            at = 3 * number
            yield path.replace(HERE, node), (stamps[at], stamps[at + 1], stamps[at + 2])

    def common_untouched(self, directory: Path) -> bool:
        """Tell whether all that is not one node's alone is as it was written."""
        return all(_stamps(directory, path) == was for path, was in self.rest.items()) and all(
            _stamps(directory, path, names=True) == was for path, was in self.shared.items()
        )

    def untouched(self, directory: Path, node: str) -> bool:
        """Tell whether a node's own files are as they were written."""
        top = str(directory)
        try:
            return all(stamp_of(os.lstat(f"{top}/{path}")) == stamp for path, stamp in self.own(node))
        except OSError:
            return False

    def same(self, directory: Path, inputs: Inputs, always: Mapping[str, str]) -> list[str]:
        """Return the ids of hosts whose own files would be what they are."""
        if self.always.keys() != always.keys() or not self.common_untouched(directory):
            return []
        return [
            node
            for node, digest in inputs.nodes.items()
            if node in self.nodes and self.nodes[node][0] == digest and self.untouched(directory, node)
        ]


def _stamps(directory: Path, path: str, *, names: bool = False) -> list[int]:
    try:
        about = os.lstat(f"{directory}/{path}")
    except OSError:
        return []
    return [*stamp_of(about), *([about.st_nlink] if names else [])]


def _memory(directory: Path) -> Path | None:
    """Return where a place is remembered; None where there is no home."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
        name = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:32]
    except (OSError, RuntimeError):
        return None
    return folder / "ipsecplan" / "render" / f"{name}.json"


def load(directory: Path) -> Kept | None:
    """Return what is remembered of the bundle at a place; None when that is not what lies there, or nothing."""
    path = _memory(directory)
    try:
        found = Kept(**json.loads(path.read_text(encoding="utf-8"))) if path is not None else None
        if found is None or found.version != VERSION or not found.common_untouched(directory):
            return None
        checked_head(found.head, str(path))
    except (OSError, ValueError, TypeError, AttributeError, ProblemError):
        return None
    return found


def save(directory: Path, kept: Kept) -> None:
    """Remember a bundle; what can't be written is not remembered."""
    path = _memory(directory)
    if path is None:
        return
    kept.rest[MANIFEST] = _stamps(directory, MANIFEST)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(path, json.dumps({field.name: getattr(kept, field.name) for field in fields(kept)}).encode())


def shared_stamps(directory: Path, paths: Iterable[str]) -> dict[str, list[int]]:
    """Return path -> stamp and number of names of each file among ``paths``, once each."""
    found: dict[int, tuple[str, list[int]]] = {}
    top = str(directory)
    for path in paths:
        about = os.lstat(f"{top}/{path}")
        if about.st_ino not in found:
            found[about.st_ino] = path, [*stamp_of(about), about.st_nlink]
    return dict(found.values())
