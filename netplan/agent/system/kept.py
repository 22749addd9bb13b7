"""What a request may name by its digest instead of carrying it: node.json and the list of files, sent once a run.

A part lies in /run/ipsecplan, which is root's alone, in a file that is named by the part's SHA-256. What lies there
counts only where it has that digest; who asked sends it whole otherwise.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat

from . import core

PREFIX = "part-"
MOST = 4  # parts that are kept, the newest: bundles of several networks, and one that was fitted to its run
_DIGEST = re.compile(r"[0-9a-f]{64}")


def part(folder: str, digest: str, sent: bytes | None) -> bytes | None:
    """Return a part: as it was ``sent``, which is kept in ``folder``, or else as it is kept.

    None where neither has the digest, so that it must be sent again. A node without room keeps nothing.
    """
    path = f"{folder}/{PREFIX}{digest}"
    if not _DIGEST.fullmatch(digest):
        return None
    if sent is None:
        return _kept(path, digest)
    if core.sha256(sent) != digest:
        return None
    with contextlib.suppress(OSError):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        core.write(path, sent, 0o600, os.geteuid(), os.getegid())
        _forget(folder, path)
    return sent


def _kept(path: str, digest: str) -> bytes | None:
    """Return the content of a file that nobody else could have written and that has this digest, or None."""
    with contextlib.suppress(OSError):
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            at = os.fstat(file.fileno())
            data = file.read() if stat.S_ISREG(at.st_mode) else b""
        private = at.st_uid == os.geteuid() and not at.st_mode & 0o077
        if private and core.sha256(data) == digest:
            os.utime(path)
            return data
    return None


def _forget(folder: str, but: str) -> None:
    """Remove the oldest parts, so that ``MOST`` are left."""
    found = [entry for entry in os.scandir(folder) if entry.name.startswith(PREFIX) and entry.path != but]
    found.sort(key=lambda entry: entry.stat().st_mtime)
    for entry in found[: max(0, len(found) - MOST + 1)]:
        core.remove(entry.path)
