"""Puts files below a directory: what many nodes have in common is written once and linked, and hashed once."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable

from netplan.agent.protocol.node_json import FileEntry
from netplan.bundle.manifest import File

# whatever the umask is: a bundle is for others to read, and for nobody to change
FILE_MODE, FOLDER_MODE = 0o644, 0o755
Stamp = tuple[int, int, int]  # inode, size in bytes, time of the last change in ns


class Putter:
    """Writes files of a bundle into a directory that has none of them yet. Raises OSError."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._folders: set[str] = {""}
        self._common: dict[str, tuple[str, str]] = {}  # text -> digest, and a path that has it
        self.own: list[tuple[str, Stamp]] = []  # what was written for one node alone, until somebody takes it

    def put(self, files: Iterable[File]) -> list[FileEntry]:
        """Write files; returns their entries in the manifest, in the order of their paths."""
        entries: list[FileEntry] = []
        for file in sorted(files, key=lambda f: f.path):
            self._folder(file.path.rpartition("/")[0])
            target = f"{self._directory}/{file.path}"
            known = self._common.get(file.text) if file.common else None
            if known is None or not _linked(known[1], target):
                data = file.text.encode()
                known = hashlib.sha256(data).hexdigest(), target
                stamp = _write(target, data)
                if file.common:
                    self._common[file.text] = known
                else:
                    self.own.append((file.path, stamp))
            entries.append({"path": file.path, "sha256": known[0], "mode": file.mode, "owner": file.owner})
        return entries

    def taken(self) -> list[tuple[str, Stamp]]:
        """Return what was written since the last call and is on one node alone; no more files go into its folders."""
        self._folders, self.own, own = {""}, [], self.own
        return own

    def _folder(self, path: str) -> None:
        if path not in self._folders:
            self._folder(path.rpartition("/")[0])
            with contextlib.suppress(FileExistsError):
                os.mkdir(f"{self._directory}/{path}")
                os.chmod(f"{self._directory}/{path}", FOLDER_MODE)
            self._folders.add(path)


def stamp_of(about: os.stat_result) -> Stamp:
    """Return what changes when somebody changes a file."""
    return about.st_ino, about.st_size, about.st_mtime_ns


def _linked(source: str, target: str) -> bool:
    """Give a file a second name; False where the file system has no room for one, or no such names."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _write(target: str, data: bytes) -> Stamp:
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    try:
        with memoryview(data) as rest:
            done = 0
            while done < len(data):
                done += os.write(handle, rest[done:])
        os.fchmod(handle, FILE_MODE)
        return stamp_of(os.fstat(handle))
    finally:
        os.close(handle)
