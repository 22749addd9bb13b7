"""Directories of the lab, and its locks and atomic file writes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from netplan.files import write_atomic
from netplan.problems import ExitCode, ProblemError, fail, quoted
from netplan.refusals import home, refused

# These paths become words of ssh, Ansible and QEMU options, each with a quoting of its own: refuse what would need any.
_PLAIN = re.compile(r"/[A-Za-z0-9_./@+-]*")
GUEST_FILES = Path(__file__).parent / "guest"


def _base(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    if value.startswith("/"):
        return Path(value)
    return home("IPSECPLAN_LAB_HOME and XDG_CACHE_HOME to directories that can be written", "IPP801") / default


def labs_home() -> Path:
    """Return the folder with one folder per lab (environment: IPSECPLAN_LAB_HOME, else XDG_STATE_HOME)."""
    own = os.environ.get("IPSECPLAN_LAB_HOME")
    return _plain(Path(own).absolute() if own else _base("XDG_STATE_HOME", ".local/state") / "ipsecplan" / "lab")


def cache_home() -> Path:
    """Return the folder of images and saved clusters (environment: XDG_CACHE_HOME)."""
    return _plain(_base("XDG_CACHE_HOME", ".cache") / "ipsecplan" / "lab")


def is_plain(path: Path | str) -> bool:
    """Tell whether a path means the same to ssh, apt, QEMU and a shell, unquoted."""
    return _PLAIN.fullmatch(str(path)) is not None


def _plain(path: Path) -> Path:
    if not is_plain(path):
        fail(
            "IPP801",
            f"the lab can't live in {quoted(path)}: its path has a character that ssh would interpret",
            hint="set IPSECPLAN_LAB_HOME (labs) or XDG_CACHE_HOME (images) to a plain path",
        )
    return path


def private_dir(path: Path) -> Path:
    """Make a folder for us alone (0700); parents get the usual mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        found = refused(error, path, "made", "IPP801")
        hint = "set IPSECPLAN_LAB_HOME (labs) and XDG_CACHE_HOME (images) to directories that you can write"
        raise ProblemError(replace(found, hint=hint), ExitCode.FAILURE) from error
    return path


def write(path: Path, data: str | bytes, mode: int = 0o600) -> None:
    """Write a file so that a reader sees the old or the new content, never half of it."""
    write_atomic(path, data.encode() if isinstance(data, str) else data, mode)


def remove_tree(path: Path) -> None:
    """Delete a folder without ever following a mount that an interrupted build left inside it."""
    subprocess.run(["rm", "-rf", "--one-file-system", "--", str(path)], check=False, capture_output=True, timeout=900)


@contextlib.contextmanager
def locked(folder: Path, limit: float = 3600.0) -> Iterator[None]:
    """Hold an exclusive lock on a folder (made if missing), waiting at most ``limit`` seconds.

    The holder may delete the folder: whoever waited for it then starts over with a new one.
    """
    deadline = time.monotonic() + limit
    while True:
        private_dir(folder)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _wait_for_lock(descriptor, folder, deadline)
            if folder.exists() and os.path.samestat(os.fstat(descriptor), folder.stat()):
                yield
                return
        finally:
            os.close(descriptor)


def _wait_for_lock(descriptor: int, folder: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                fail("IPP805", f"another command has held {folder} for too long", exit_code=ExitCode.FAILURE)
            time.sleep(0.2)
