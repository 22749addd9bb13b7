"""Free room on every file system that a release touches: taken and given back for trial, then held for a revert."""

from __future__ import annotations

import contextlib
import os

from ..system.core import finding
from . import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import Finding

ETC = "/etc/ipsecplan"
ALWAYS = ("/etc", "/etc/swanctl", ETC, "/var/lib", state.ROOT, "/run", "/usr/local")
RESERVE = 2**20  # bytes; revert.sh gives it back before it writes anything
BASE = 8 * 2**20
INODES = 500
LITTLE = 2**18  # bytes; more than a lease, a timer and a state take


def places(paths: list[str]) -> dict[int, str]:
    """Return device -> an existing folder on it, for every file system that ``paths`` lie on."""
    found: dict[int, str] = {}
    for path in [*(os.path.dirname(p) for p in paths), *ALWAYS]:
        folder = path
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        found.setdefault(os.stat(folder).st_dev, folder)
    return found


def check(paths: list[str], payload_bytes: int) -> list[Finding]:
    """Return what lacks room: old and new files side by side, and a copy of the old, must fit."""
    wrong, needed = [], BASE + 3 * payload_bytes
    for folder in places(paths).values():
        disk = os.statvfs(folder)
        free = disk.f_bavail * disk.f_frsize
        if free < needed or (disk.f_files and disk.f_favail < INODES):
            text = f"{folder} has {free // 1024} KiB and {disk.f_favail} inodes free, {needed // 1024} and {INODES}"
            wrong.append(finding("IPP635", text + " are needed"))
            continue
        said = _allocate(f"{folder}/.ipsecplan-room-{os.getpid()}", needed, keep=False)
        if said:
            wrong.append(finding("IPP635", f"{needed // 1024} KiB can't be written to {folder}: {said}"))
    return wrong


def reserves() -> tuple[str, str]:
    """Return where room is held: beside the state and beside the configuration; revert.sh knows both."""
    return state.ROOT + "/reserve", ETC + "/reserve"


def reserve() -> None:
    """Set room aside for a revert, on the file systems of the state and of the configuration."""
    for path in reserves():
        os.makedirs(os.path.dirname(path), mode=0o755 if path.startswith(ETC) else 0o700, exist_ok=True)
        _allocate(path, RESERVE, keep=True)


def release() -> None:
    """Free what :func:`reserve` took."""
    for path in reserves():
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def release_if_full() -> None:
    """Free what :func:`reserve` took where the disk is full: an undo, and a confirmation, must be able to write."""
    for path in reserves():
        with contextlib.suppress(FileNotFoundError):
            disk = os.statvfs(path)
            if disk.f_bavail * disk.f_frsize < LITTLE:
                os.unlink(path)


def _allocate(path: str, size: int, *, keep: bool) -> str | None:
    """Allocate blocks, not a hole; return why it failed, or None. A quota shows here and nowhere else."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        return error.strerror
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError as error:
        keep = False
        return error.strerror
    finally:
        os.close(handle)
        if not keep:
            os.unlink(path)
    return None
