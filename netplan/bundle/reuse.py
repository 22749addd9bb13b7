"""Takes the folders of nodes out of an earlier bundle into a new one, and puts them back when the new one fails."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from netplan.bundle.manifest import File
from netplan.bundle.put import FILE_MODE, FOLDER_MODE

_UNIT = re.compile(r'\{"path": "((?:nodes|unmanaged-peers|cluster/firewall)/([^/"]+)/)')
UNITS = ("nodes", "unmanaged-peers", "cluster/firewall")  # folders with a folder for each host


def blocks_of(text: str) -> dict[str, dict[str, str]]:
    """Return host id -> first path -> block of lines, from the text of a manifest that this program wrote."""
    found: dict[str, dict[str, str]] = {}
    lines = text.rpartition('"files": [\n ')[2].removesuffix("]}\n").split(",\n ")
    unit, node, block = "", "", list[str]()

    def end() -> None:
        if block:
            first = block[0].partition('{"path": "')[2].partition('"')[0]
            found.setdefault(node, {})[first] = "\n".join(block) + "\n"

    for line in lines:
        if unit and line.startswith(unit):
            block.append(line)
            continue
        end()
        match = _UNIT.match(line)
        unit, node, block = (match[0], match[2], [line]) if match else ("", "", [])
    end()
    return found


class Moves:
    """What was moved from an earlier bundle, and how to undo it. Raises OSError."""

    def __init__(self, old: Path, new: Path) -> None:
        self._old, self._new = str(old), str(new)
        self._moved: list[str] = []
        self._linked: list[tuple[str, str]] = []  # path in the new bundle, and where what was there is kept
        self._aside = ""

    def take(self, nodes: Iterable[str]) -> None:
        """Move the folders of hosts; a rename each."""
        there = [unit for unit in UNITS if os.path.isdir(f"{self._old}/{unit}")]
        for unit in there:
            path = self._new
            for part in unit.split("/"):
                path += f"/{part}"
                os.makedirs(path, exist_ok=True)
                os.chmod(path, FOLDER_MODE)
        several = there != ["nodes"]
        for node in nodes:
            for unit in there:
                path = f"{unit}/{node}"
                if several and not os.path.isdir(f"{self._old}/{path}"):
                    continue
                os.rename(f"{self._old}/{path}", f"{self._new}/{path}")
                self._moved.append(path)

    def replace(self, nodes: Iterable[str], files: Mapping[str, File]) -> None:
        """Give moved nodes other files in place of those that all nodes have; ``files`` by path below the node."""
        sources: dict[str, str] = {}
        saved: dict[str, str] = {}
        for node in nodes:
            for path, file in files.items():
                target = f"{self._new}/nodes/{node}/{path}"
                first = path not in sources
                if first:
                    self._aside = self._aside or tempfile.mkdtemp(dir=os.path.dirname(self._old), prefix=".links.")
                    saved[path] = f"{self._aside}/{len(saved)}"
                    os.link(target, saved[path])
                os.unlink(target)
                self._linked.append((target, saved[path]))
                if first:
                    Path(target).write_text(file.text, encoding="utf-8", newline="")
                    os.chmod(target, FILE_MODE)
                    sources[path] = target
                else:
                    os.link(sources[path], target)

    def keep(self) -> None:
        """Forget how to undo it."""
        if self._aside:
            shutil.rmtree(self._aside, ignore_errors=True)

    def undo(self) -> None:
        """Put everything back, as far as it can be."""
        for target, saved in reversed(self._linked):
            with contextlib.suppress(OSError):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(target)
                os.link(saved, target)
        for path in reversed(self._moved):
            with contextlib.suppress(OSError):
                os.rename(f"{self._new}/{path}", f"{self._old}/{path}")
        self.keep()


def digest(file: File) -> str:
    """Return the SHA-256 of a file's text."""
    return hashlib.sha256(file.text.encode()).hexdigest()


def renamed(block: str, node: str, files: Mapping[str, File], before: Mapping[str, str]) -> str:
    """Return a node's block of a manifest with the digests of other files; ``before``: those that it has."""
    for path, file in files.items():
        place = f'"path": "nodes/{node}/{path}", "sha256": "'
        block = block.replace(place + before[path], place + digest(file))
    return block
