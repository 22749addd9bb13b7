"""Unexpected errors: one line for the user, and a report with the traceback for the developers."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from netplan import __version__
from netplan.problems import DefectError, Problem, ProblemError, printable

DEBUG = "IPSECPLAN_DEBUG"  # set: the traceback on stderr, and no report
LONGEST = 160  # characters of the error's own words


def debugging() -> bool:
    """Return True if tracebacks are wanted on stderr."""
    return os.environ.get(DEBUG, "0") not in ("", "0")


def tell(error: Exception, argv: Sequence[str]) -> None:
    """Print what went wrong and where the report lies; with IPSECPLAN_DEBUG=1 the traceback instead. Never raises."""
    with contextlib.suppress(Exception):
        if debugging():
            traceback.print_exception(error)
            return
        for line in problem(error, argv).lines():
            sys.stderr.write(line + "\n")


def sentence(error: BaseException) -> str:
    """Return what happened and where, in one line."""
    words = printable(" ".join(str(error).split()))
    words = f": {words[: LONGEST - 1]}…" if len(words) > LONGEST else f": {words}" if words else ""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({'/'.join(Path(frames[-1].filename).parts[-2:])}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{words}{place}"


def problem(error: Exception, argv: Sequence[str]) -> Problem:
    """Return the error as a Problem, its report written."""
    where = report(error, argv)
    hint = f"please send the report {where}" if where else f"{DEBUG}=1 shows the traceback"
    return Problem(code=DefectError.code, message=f"this is a defect of ipsecplan: {sentence(error)}", hint=hint)


def report(error: Exception, argv: Sequence[str]) -> Path | None:
    """Write a report on an error of the command line.

    No local variables and no environment but the locale: both may hold secrets.
    """
    locale = {k: v for k, v in os.environ.items() if k == "LANG" or k.startswith("LC_") or k in ("TZ", "PYTHONUTF8")}
    text = "\n".join(
        [
            f"ipsecplan {__version__}, Python {platform.python_version()}, {platform.platform()}",
            f"at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}: ipsecplan {' '.join(map(repr, argv))}",
            f"locale {locale}, umask {_umask():03o}, user id {os.geteuid()}",
            "",
            "".join(traceback.format_exception(error)),
        ]
    )
    return write_report(text)


def write_report(text: str, state_dir: str | None = None, kind: str = "") -> Path | None:
    """Write a report (0600) below the state directory, else as a temporary file; ``kind`` begins its name.

    Returns None when it can't be written anywhere. Never raises OSError.
    """
    name = f"{kind}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
    with contextlib.suppress(OSError, ProblemError):  # ProblemError: a user without a home has no state directory
        from netplan.rollout.record.journal import state_root

        path = state_root(state_dir) / "crashes" / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _put(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path, text)
    with contextlib.suppress(OSError):
        handle, made = tempfile.mkstemp(prefix=f"ipsecplan-{kind or 'crash-'}", suffix=".txt")
        return _put(handle, Path(made), text)
    return None


def _put(handle: int, path: Path, text: str) -> Path:
    with open(handle, "w", encoding="utf-8", errors="backslashreplace") as out:
        out.write(text)
    return path


def _umask() -> int:
    now = os.umask(0o077)
    os.umask(now)
    return now
