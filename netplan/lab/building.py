"""What the builds of the lab share: a place to work in, programs that write to a log, and what is said of a failure."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NoReturn

from netplan.lab.aptfiles import redacted
from netplan.lab.paths import cache_home, is_plain, remove_tree
from netplan.problems import ExitCode, fail

_WORK = "ipsecplan-image-"


def require_root() -> None:
    """Raise a Problem when we are not root."""
    if os.geteuid() != 0:
        fail("IPP803", "building the lab's image needs root (running it does not)", exit_code=ExitCode.FAILURE)


def make_place(size: int) -> Path:
    """Return a new folder with ``size`` bytes free, which the caller removes; what killed builds left is removed now.

    It is in shared memory when that is big enough and programs may run from it.
    """
    # a folder of ours with a random name goes into it
    places = ("/dev/shm", tempfile.gettempdir(), "/var/tmp", str(cache_home()))  # noqa: S108
    found = next((place for place in places if _suits(place, size)), None)
    if found is None:
        fail(
            "IPP803",
            f"no folder to build in: it takes {size / 1e9:.1f} GB, and devices and programs must be allowed there",
            hint="free some in /var/tmp, or set TMPDIR to a plain path on another disk",
            exit_code=ExitCode.FAILURE,
        )
    _clear_abandoned(Path(found))
    work = Path(tempfile.mkdtemp(prefix=f"{_WORK}{os.getpid()}-", dir=found))
    work.chmod(0o755)  # apt fetches as a user of its own
    return work


def run(
    argv: Iterable[str],
    out: IO[bytes],
    extra: dict[str, str] | None = None,
    *,
    limit: float = 900.0,
    folder: Path | None = None,
) -> None:
    """Run a program of a build, at most ``limit`` seconds; what it says goes to ``out``. Raises SubprocessError."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    environment = {**os.environ, **(extra or {}), "PATH": path, "LC_ALL": "C.UTF-8"}
    subprocess.run(
        list(argv),
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=out,
        env=environment,
        timeout=limit,
        cwd=folder,
        umask=0o022,  # what is made now are files of the nodes: their modes are not a matter of the caller's taste
    )


def failed(what: str, error: Exception, log: Path) -> NoReturn:
    """Raise a Problem: the build of ``what`` failed; the hint has the end of its log."""
    tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-4:] if log.exists() else []
    fail(
        "IPP803",
        f"{what} build failed: {error}",
        hint=redacted("; ".join(tail)) + f" (all of it: {log})",
        exit_code=ExitCode.FAILURE,
        cause=error,
    )


def _clear_abandoned(space: Path) -> None:
    """Delete what builds left behind that were killed."""
    for folder in space.glob(f"{_WORK}*"):
        owner = folder.name.removeprefix(_WORK).split("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            remove_tree(folder)


def _suits(place: str, size: int) -> bool:
    try:
        info = os.statvfs(place)
    except OSError:
        return False
    allowed = not info.f_flag & (os.ST_NOEXEC | os.ST_NODEV) and is_plain(place) and os.access(place, os.W_OK)
    return allowed and info.f_bavail * info.f_frsize > size
