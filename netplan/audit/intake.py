"""Files, directories and standard input to texts, with a limit on everything."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from netplan.audit.model import Skipped

MAX_FILE = 16 << 20
MAX_TOTAL = 96 << 20
MAX_FILES = 5000
_IGNORED = {".git", ".venv", "node_modules", "__pycache__", ".terraform"}


@dataclass(frozen=True, slots=True)
class Text:
    """One input as text; ``path`` is how messages name it."""

    path: str
    text: str


def texts(paths: Iterable[str]) -> Iterator[Text | Skipped]:
    """Generate the texts of files, directories (sorted, hidden folders left out) and ``-`` for standard input."""
    left, files = MAX_TOTAL, 0
    for path in paths:
        for name in _files(path):
            if isinstance(name, Skipped):
                yield name
                continue
            files += 1
            if files > MAX_FILES:
                yield Skipped(path, f"more than {MAX_FILES} files; the rest was left out")
                return
            found = _read(name, min(MAX_FILE, left))
            if isinstance(found, Text):
                left -= len(found.text)
            yield found


def _files(path: str) -> Iterator[str | Skipped]:
    if path == "-":
        yield path
        return
    place = Path(path)
    if not place.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(place):
        folders[:] = sorted(f for f in folders if f not in _IGNORED)
        for name in sorted(names):
            yield str(Path(folder) / name)


def _read(path: str, limit: int) -> Text | Skipped:
    if path == "-":
        raw = sys.stdin.buffer.read(limit + 1)
        return _decoded("<stdin>", raw, limit)
    try:
        about = Path(path).stat()
        if not stat.S_ISREG(about.st_mode):
            return Skipped(path, "not a regular file")
        with open(path, "rb") as file:
            return _decoded(path, file.read(limit + 1), limit)
    except OSError as error:
        return Skipped(path, f"can't be read: {error.strerror}")


def _decoded(path: str, raw: bytes, limit: int) -> Text | Skipped:
    if len(raw) > limit:
        return Skipped(path, f"larger than {limit >> 20} MiB")
    if not raw.strip():
        return Skipped(path, "empty")
    if b"\0" in raw:
        return Skipped(path, "not text (it has NUL bytes)")
    try:
        return Text(path, raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return Skipped(path, f"not UTF-8 text (byte {error.start})")
