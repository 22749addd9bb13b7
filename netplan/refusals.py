"""What the operating system refused, as one sentence with the path and what to do; and where a home is wanted."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from netplan.files import read_regular
from netplan.problems import ExitCode, Location, Problem, ProblemError, printable

# errno -> what to do; ``{user}`` is who we are
_HINTS: dict[int, str] = {
    errno.EACCES: "give {user} the right to it, or name another path",
    errno.EPERM: "give {user} the right to it, or name another path",
    errno.EROFS: "that file system is mounted read-only: name a path elsewhere",
    errno.ENOSPC: "free some room on that file system, or name a path elsewhere",
    errno.EDQUOT: "the quota of {user} is used up: free some room, or name a path elsewhere",
    errno.ENOTDIR: "a part of this path that should be a directory is a file",
    errno.EISDIR: "a file is wanted here",
    errno.ELOOP: "symbolic links in this path lead in a circle, or one stands where none may",
    errno.ENAMETOOLONG: "one name in a path may have 255 bytes, the whole path 4095",
    errno.EMFILE: "raise the limit of open files: ulimit -n",
    errno.ENFILE: "this machine has too many open files",
}


def user() -> str:
    """Return who this process runs as, for a message; a user id without an entry in passwd stays a number."""
    import pwd

    with contextlib.suppress(KeyError):
        return f"user {pwd.getpwuid(os.geteuid()).pw_name}"
    return f"user id {os.geteuid()}"


def refused(error: OSError, path: Path | str | None = None, doing: str = "used", code: str = "IPP212") -> Problem:
    """Return an OSError as a Problem: ``path`` can't be ``doing`` (read, written, used).

    Without ``path`` it is the one that the error itself names.
    """
    where = path if path is not None else error.filename
    if isinstance(where, bytes):
        where = os.fsdecode(where)
    if isinstance(where, int):  # a file descriptor
        where = None
    hint = _HINTS.get(error.errno or 0)
    above = _above(Path(where)) if where is not None else None
    if error.errno in (errno.ENOTDIR, errno.EEXIST) and above is not None and not above.is_dir():
        hint = f"{above} is no directory"
    if error.errno == errno.ENOENT:
        folder = Path(where).parent if where is not None else None
        hint = "is the path right?"
        if doing == "written":
            made = folder is not None and above is not None and not folder.exists() and os.access(above, os.W_OK)
            hint = (
                f"the directory {folder} does not exist; make it first" if made else f"nothing can be made in {above}"
            )
    relative = where is None or not Path(where).is_absolute()
    if isinstance(error, FileNotFoundError) and relative and not here():
        return Problem(code=code, message="the working directory is gone", hint="change to one that exists: cd")
    said = error.strerror or str(error) or type(error).__name__
    message = f"can't be {doing}: {said}" if where is not None else f"the operating system refused: {said}"
    return Problem(
        code,
        message,
        location=Location(printable(str(where)) if where is not None else None),
        hint=hint.format(user=user()) if hint else None,
    )


def _above(path: Path) -> Path | None:
    """Return the nearest thing on the way to a path that exists."""
    for part in (path, *path.parents):
        with contextlib.suppress(OSError, ValueError):
            if os.path.lexists(part):
                return part if part.parts else Path.cwd()
    return None


def here() -> bool:
    """Tell whether the working directory exists, and may be looked at."""
    try:
        return Path.cwd().is_dir()
    except OSError:
        return False


@contextlib.contextmanager
def refusals(
    path: Path | str | None, doing: str, code: str = "IPP210", exit_code: ExitCode = ExitCode.INVALID
) -> Iterator[None]:
    """Inside this block an OSError is a ProblemError: ``path`` can't be ``doing`` (read, written, used), and why.

    ``path`` None: the one that the error names.
    """
    try:
        yield
    except BrokenPipeError:  # of a pipe, never of a path
        raise
    except OSError as error:
        raise ProblemError(refused(error, path, doing, code), exit_code) from error


def read_named(path: Path, limit: int, code: str = "IPP201", shown: str | None = None) -> bytes:
    """Return the bytes of a file that a user named: a regular one, of at most ``limit`` bytes; ``shown`` is its name.

    Raises ProblemError, also for a pipe and a device, which would be waited for.
    """
    with refusals(shown or path, "read", code):
        return read_regular(path, limit, follow=True)


def home(wanted: str, code: str) -> Path:
    """Return the user's home. Raises ProblemError with ``code`` when there is none; ``wanted``: what to set instead."""
    given = os.environ.get("HOME")
    if given:
        return Path(given)
    with contextlib.suppress(RuntimeError, KeyError):
        if given is None:
            return Path.home()
        import pwd

        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    message = f"no home directory: HOME is not set, and user id {os.getuid()} has no entry in /etc/passwd"
    raise ProblemError(Problem(code, message, hint=f"set {wanted}"), ExitCode.FAILURE)
