"""A node's disk in memory, and the parts of ``os``, ``open``, ``shutil``, ``glob`` and ``fcntl`` that the agent calls.

It has a size, so that it can be full; it can be cut from power before any change, so that a node dies between two.
"""

from __future__ import annotations

import errno
import fnmatch
import io
import os
import posixpath
import stat
from types import SimpleNamespace
from typing import Any

from netplan.agent.system.core import write as core_write

ROOM = 256 * 2**20  # bytes of a disk that is not full


class PowerCut(BaseException):
    """The node is off from here on. No phase catches it: it is none of ``Exception``."""


class File:
    """Content, mode, and where it points to when it is a link."""

    __slots__ = ("data", "link", "mode")

    def __init__(self, mode: int = 0o600, data: bytes = b"", link: str | None = None) -> None:
        self.mode, self.data, self.link = mode, data, link


class Disk:
    """Path -> file; ``free`` bytes are left. ``cut_in``: so many changes until the power fails, None for never."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.folders: set[str] = {"/"}
        self.free, self.cut_in, self.dead = ROOM, None, False  # type: int, int | None, bool
        self._open: dict[int, tuple[str, File]] = {}
        for folder in ("/etc/swanctl", "/etc/ipsecplan", "/var/lib", "/run", "/usr/local/lib/ipsecplan"):
            self.make_folders(folder)

    def change(self) -> None:
        """Say before each change that one comes. Raises PowerCut where it doesn't."""
        if self.dead:
            raise PowerCut
        if self.cut_in is not None:
            self.cut_in -= 1
            if self.cut_in < 0:
                self.dead = True
                raise PowerCut

    def lose(self, prefix: str) -> None:
        """Forget everything below a folder, as /run at a boot."""
        for path in [p for p in self.files if p.startswith(prefix + "/")]:
            del self.files[path]
        self.folders -= {f for f in self.folders if f.startswith(prefix + "/")}

    def read(self, path: str) -> str | None:
        """Return a file's text, None where there is none."""
        file = self.files.get(path)
        return None if file is None else file.data.decode()

    def line(self, path: str) -> str:
        """Return the first line of a file, or nothing."""
        return (self.read(path) or "").partition("\n")[0]

    def take(self, size: int, path: str) -> None:
        """Use ``size`` bytes. Raises OSError when there are not so many."""
        if size > self.free:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        self.free -= size

    def put(self, path: str, data: bytes, mode: int = 0o600) -> None:
        """Write a file at once. Raises OSError on a full disk."""
        self.change()
        self.take(len(data), path)
        self.unlink(path, missing=True)
        self.make_folders(posixpath.dirname(path))
        self.files[path] = File(mode, data)

    def write(self, path: str, data: str | bytes, mode: int = 0o600, _uid: int = 0, _gid: int = 0) -> bool:
        """Do what ``write`` of the agent's core does: as many changes, in the same order, and quicker than those calls.

        Where one of them fails the agent's own function does all of it.
        """
        raw = data.encode() if isinstance(data, str) else data
        old, folder = self.files.get(path), posixpath.dirname(path)
        temporary = f"{folder}/.ipsecplan-{os.getpid()}.tmp"
        near = self.cut_in is not None or self.dead or len(raw) + 1 > self.free
        if near or temporary in self.files or path in self.folders or (old is not None and old.link is not None):
            return core_write(path, data, mode)
        if old is not None and old.data == raw and old.mode == mode:
            return False
        self.make_folders(folder)
        self.free -= len(raw) - (len(old.data) if old else 0)
        self.files.pop(path, None)
        self.files[path] = File(mode, raw)
        return True

    def unlink(self, path: str, *, missing: bool = False) -> None:
        """Remove a file and give its room back."""
        self.change()
        file = self.files.pop(path, None)
        if file is None and not missing:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        self.free += len(file.data) if file else 0

    def make_folders(self, path: str) -> None:
        """Make a folder and those above it."""
        while path not in self.folders:
            self.folders.add(path)
            path = posixpath.dirname(path)

    def names(self, folder: str) -> list[str]:
        """Return what lies in a folder."""
        below = folder.rstrip("/") + "/"
        return sorted({p[len(below) :].partition("/")[0] for p in (*self.files, *self.folders) if p.startswith(below)})

    def remove_tree(self, folder: str) -> None:
        """Remove a folder with all that is in it."""
        for path in [p for p in self.files if p.startswith(folder + "/")]:
            self.unlink(path)
        self.folders -= {f for f in self.folders if f == folder or f.startswith(folder + "/")}

    def copy(self) -> dict[str, bytes]:
        """Return path -> content of all files."""
        return {path: file.data for path, file in self.files.items()}


class _Writer(io.BytesIO):
    def __init__(self, disk: Disk, path: str, mode: int) -> None:
        super().__init__()
        disk.put(path, b"", mode)
        self._disk, self._path, self._mode = disk, path, mode

    def close(self) -> None:
        if not self.closed and self.getvalue():
            self._disk.put(self._path, self.getvalue(), self._mode)
        super().close()


class Here:
    """Whose disk the agent's calls are about at this moment."""

    disk: Disk

    def open(self, path: Any, mode: str = "r", **_: Any) -> Any:
        """As the builtin, for reading or for writing anew."""
        name = os.fspath(path)
        if "w" in mode:
            made: Any = _Writer(self.disk, name, 0o600)
            return made if "b" in mode else io.TextIOWrapper(made, encoding="utf-8")
        if name in self.disk.folders:
            raise IsADirectoryError(errno.EISDIR, "Is a directory", name)
        file = self.disk.files.get(name)
        if file is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", name)
        return io.BytesIO(file.data) if "b" in mode else io.StringIO(file.data.decode("utf-8", "replace"))

    def text(self, path: str, default: str | None = None) -> str | None:
        """Do what ``read`` of the agent's core does."""
        file = self.disk.files.get(path)
        if file is None and path in self.disk.folders:
            raise IsADirectoryError(errno.EISDIR, "Is a directory", path)
        return default if file is None else file.data.decode("utf-8", "replace")


class Os:
    """What the agent calls of ``os``. A call that is not played is none: it would be one of the machine itself."""

    SAME = ("fspath", "strerror", "getpid", "fsencode")

    def __init__(self, here: Here) -> None:
        self._here, self._next = here, 1000
        self.path = SimpleNamespace(
            exists=lambda path: self._there(path),
            lexists=lambda path: self._there(path),
            isfile=lambda path: path in here.disk.files,
            isdir=lambda path: path in here.disk.folders,
            islink=lambda path: path in here.disk.files and here.disk.files[path].link is not None,
            dirname=posixpath.dirname,
            basename=posixpath.basename,
            join=posixpath.join,
            realpath=posixpath.normpath,
            normpath=posixpath.normpath,
        )
        for name in [n for n in dir(os) if n.startswith("O_")]:
            setattr(self, name, getattr(os, name))
        for name in self.SAME:
            setattr(self, name, getattr(os, name))

    def _there(self, path: str) -> bool:
        return path in self._here.disk.files or path in self._here.disk.folders

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        disk = self._here.disk
        self._next += 1
        if flags & os.O_DIRECTORY:
            disk._open[self._next] = (path, File())
            return self._next
        if flags & os.O_CREAT:
            if flags & os.O_EXCL and path in disk.files:
                raise FileExistsError(errno.EEXIST, "File exists", path)
            if path not in disk.files:
                if disk.free <= 0:
                    raise OSError(errno.ENOSPC, "No space left on device", path)
                disk.put(path, b"", mode)
        elif path not in disk.files:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        disk._open[self._next] = (path, disk.files[path])
        return self._next

    def write(self, handle: int, data: Any) -> int:
        disk = self._here.disk
        disk.change()
        path, file = disk._open[handle]
        disk.take(len(data), path)
        file.data += bytes(data)
        return len(data)

    def posix_fallocate(self, handle: int, at: int, size: int) -> None:
        disk = self._here.disk
        path, file = disk._open[handle]
        more = at + size - len(file.data)
        if more > 0:
            disk.change()
            disk.take(more, path)
            file.data += bytes(more)

    def close(self, handle: int) -> None:
        self._here.disk._open.pop(handle, None)

    def fsync(self, handle: int) -> None:
        pass

    def fchmod(self, handle: int, mode: int) -> None:
        self._here.disk._open[handle][1].mode = mode

    def fchown(self, handle: int, uid: int, gid: int) -> None:
        pass

    def rename(self, old: str, new: str) -> None:
        disk = self._here.disk
        disk.change()
        file = disk.files.pop(old)
        replaced = disk.files.get(new)
        disk.free += len(replaced.data) if replaced else 0
        disk.files[new] = file

    replace = rename

    def unlink(self, path: str) -> None:
        self._here.disk.unlink(path)

    remove = unlink

    def symlink(self, to: str, path: str) -> None:
        self._here.disk.change()
        self._here.disk.files[path] = File(0o777, b"", to)

    def lstat(self, path: str) -> Any:
        file = self._here.disk.files.get(path)
        if file is None:
            if path in self._here.disk.folders:
                return SimpleNamespace(st_mode=stat.S_IFDIR | 0o700, st_uid=0, st_gid=0, st_dev=1, st_size=0)
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        kind = stat.S_IFLNK if file.link is not None else stat.S_IFREG
        return SimpleNamespace(st_mode=kind | file.mode, st_uid=0, st_gid=0, st_dev=1, st_size=len(file.data))

    stat = lstat

    def statvfs(self, path: str) -> Any:
        self.lstat(path)
        return SimpleNamespace(f_bavail=self._here.disk.free, f_frsize=1, f_files=0, f_favail=10**6)

    def makedirs(self, path: str, **_: Any) -> None:
        self._here.disk.make_folders(path)

    def mkdir(self, path: str, *_: Any) -> None:
        self._here.disk.make_folders(path)

    def rmdir(self, path: str) -> None:
        if self._here.disk.names(path):
            raise OSError(errno.ENOTEMPTY, "Directory not empty", path)
        self._here.disk.folders.discard(path)

    def chmod(self, path: str, mode: int) -> None:
        pass

    def listdir(self, path: str) -> list[str]:
        return self._here.disk.names(path)

    def access(self, path: str, _mode: int) -> bool:
        return path.startswith(("/bin", "/sbin", "/usr"))

    def setsid(self) -> None:
        pass

    def umask(self, mode: int) -> int:
        return mode


def shutil_of(here: Here) -> Any:
    """Return what the agent calls of ``shutil``."""
    return SimpleNamespace(rmtree=lambda folder, **_: here.disk.remove_tree(folder))


def glob_of(here: Here) -> Any:
    """Return what the agent calls of ``glob``."""

    def found(pattern: str) -> list[str]:
        depth = pattern.count("/")
        every = (*here.disk.files, *here.disk.folders)
        return sorted(p for p in every if p.count("/") == depth and fnmatch.fnmatchcase(p, pattern))

    return SimpleNamespace(glob=found)
