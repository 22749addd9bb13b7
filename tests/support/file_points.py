"""Every change of a file below a folder is a point at which the process can die: it does nothing more from there on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.killed import Killed

# what changes a file system, and the argument that says where
CHANGES = {
    "mkdir": 0,
    "rename": 1,
    "replace": 1,
    "link": 1,
    "symlink": 1,
    "unlink": 0,
    "remove": 0,
    "rmdir": 0,
    "chmod": 0,
    "fchmod": 0,
    "truncate": 0,
    "ftruncate": 0,
    "write": 0,
    "pwrite": 0,
    "fsync": 0,
    "utime": 0,
}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class FilePoints:
    """Counts the changes below ``root``; behind number ``last`` (from 1) comes the end of the process.

    ``done``: the changes so far, as words such as ``rename ca/authorities.json``.
    """

    def __init__(self, patch: pytest.MonkeyPatch, root: Path, last: int | None = None) -> None:
        self.root, self.last, self.dead = root, last, False
        self.done: list[str] = []
        for name, place in CHANGES.items():
            patch.setattr(os, name, self._counted(name, getattr(os, name), place))
        patch.setattr(os, "open", self._opened(os.open))

    def live(self) -> None:
        """Raise Killed where the process has died already."""
        if self.dead:
            raise Killed

    def bury(self) -> None:
        """Close what the process that died had open: its lock above all."""
        for name in [entry.name for entry in Path("/proc/self/fd").iterdir()]:
            try:
                path = Path(f"/proc/self/fd/{name}").readlink()
            except OSError:
                continue
            if path.is_relative_to(self.root):
                os.close(int(name))

    def _counted(self, name: str, real: Any, place: int) -> Any:
        def change(*args: Any, **words: Any) -> Any:
            at = self._below(args[place], words.get("dir_fd"))
            if at is None:
                return real(*args, **words)
            self.live()
            found = real(*args, **words)
            self._did(f"{name} {at}")
            return found

        return change

    def _opened(self, real: Any) -> Any:
        def change(path: Any, flags: int, *args: Any, **words: Any) -> int:
            at = self._below(path, words.get("dir_fd")) if flags & WRITES else None
            if at is None:
                return int(real(path, flags, *args, **words))
            self.live()
            handle = int(real(path, flags, *args, **words))
            try:
                self._did(f"open {at}")
            except Killed:
                os.close(handle)
                raise
            return handle

        return change

    def _did(self, what: str) -> None:
        self.done.append(what)
        if len(self.done) == self.last:
            self.dead = True
            raise Killed

    def _below(self, place: Any, folder: int | None) -> str | None:
        """Return a path as seen from the root; None where it is not below it."""
        if isinstance(place, int):
            try:
                place = str(Path(f"/proc/self/fd/{place}").readlink())
            except OSError:
                return None
        elif folder is not None:
            place = Path(f"/proc/self/fd/{folder}").readlink() / os.fsdecode(place)
        path = Path(os.fsdecode(place)).absolute()
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) and path != self.root else None
