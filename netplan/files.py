"""Files on the control machine: written whole or not at all, and read with a limit, whatever stands at the path."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def read_regular(path: Path | str, limit: int, *, follow: bool = False) -> bytes:
    """Return the bytes of a regular file of at most ``limit`` bytes. Never waits. ``follow``: a symbolic link as well.

    Raises OSError, with a text for people: ELOOP for a link, EINVAL for a pipe, a device and a name that no file can
    have, EFBIG for a larger file.
    """
    name = str(path)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        handle = os.open(path, flags | (0 if follow else os.O_NOFOLLOW))
    except ValueError:  # a NUL, or half a surrogate
        raise OSError(errno.EINVAL, "no file can have this name", name) from None
    except OSError as error:
        if error.errno == errno.ENXIO:  # open(2) says so of a socket
            raise OSError(errno.EINVAL, "it is a socket, not a regular file", name) from None
        raise
    with open(handle, "rb") as file:
        about = os.fstat(handle)
        mode = about.st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        if not stat.S_ISREG(mode):
            kind = _KINDS.get(stat.S_IFMT(mode), "something else")
            raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", name)
        # not read to learn what is known; but a file of /proc says 0, and any file may grow meanwhile
        data = b"" if about.st_size > limit else file.read(limit + 1)
    if about.st_size > limit or len(data) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit} bytes", name)
    return data


def make_private(folder: Path) -> None:
    """Make a folder and whatever lacks on the way to it, each of them 0700 under any umask. Raises OSError."""
    missing = []
    for part in (folder, *folder.parents):
        if part.exists():
            break
        missing.append(part)
    for part in reversed(missing):
        part.mkdir(mode=0o700, exist_ok=True)


def parse_json(data: bytes | str) -> Any:
    """Return JSON as data. Raises ValueError also for a key that stands twice, NaN, Infinity and too deep a text."""
    try:
        return json.loads(data, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def write_atomic(path: Path, data: bytes, mode: int = 0o600, *, owner: tuple[int, int] | None = None) -> None:
    """Put ``data`` at ``path`` in one step: a temporary file beside it, fsync, rename, fsync of the folder.

    ``owner``: user and group that the file gets, by number; without it, whoever we are. Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.rename(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class ChangedError(Exception):
    """Somebody else has written to a file meanwhile."""


def write_back(path: Path, before: bytes, after: bytes, limit: int) -> None:
    """Replace a file that still holds ``before``, of at most ``limit`` bytes; its mode and owner stay. Follows links.

    Raises ChangedError where it holds something else, OSError.
    """
    target = Path(os.path.realpath(path))
    if read_regular(target, limit) != before:
        raise ChangedError
    about = target.stat()
    owner = (about.st_uid, about.st_gid) if os.geteuid() == 0 else None
    write_atomic(target, after, stat.S_IMODE(about.st_mode), owner=owner)
