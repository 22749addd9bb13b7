"""Whose the folders of the state directory are, and the memory of who holds its keys: ours alone."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from pathlib import Path

from netplan.files import make_private
from netplan.problems import ExitCode, Location, fail
from netplan.refusals import user

PR_SET_DUMPABLE = 4  # prctl(2)


def hide_memory() -> None:
    """Let no core of this process be written, not even to a handler, and no other process of this user read its memory.

    RLIMIT_CORE does not stop a core that is piped to a program (core(5)). Where it can't be done, nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def need_private(root: Path, folder: Path) -> None:
    """Make ``folder``, and what lacks on the way to it (0700), below ``root``; look at each of them, ``root`` included.

    Raises ProblemError (IPP608) where one is a symbolic link, belongs to somebody else or can be written by others:
    they could take a key away, or put another one in its place. Raises OSError where one can't be made.
    """
    make_private(root.parent)
    for part in [*reversed([above for above in folder.parents if above.is_relative_to(root)]), folder]:
        if not os.path.lexists(part):
            part.mkdir(mode=0o700)
        about, where = part.lstat(), Location(str(part))
        if stat.S_ISLNK(about.st_mode):
            message, hint = "a symbolic link where a folder of the state directory should be", "name what it leads to"
        elif not stat.S_ISDIR(about.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(part))
        elif about.st_uid != os.geteuid():
            message, hint = f"this folder belongs to user id {about.st_uid}", f"one that belongs to {user()} is wanted"
        elif about.st_mode & 0o022:
            message, hint = "others can write into this folder", f"look whether all in it is yours; chmod 700 {part}"
        else:
            if part != root and about.st_mode & 0o077:
                part.chmod(0o700)
            continue
        fail("IPP608", message, location=where, hint=hint, exit_code=ExitCode.FAILURE)
