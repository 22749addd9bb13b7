"""Handles an error that ended the planner: a report for the developers, one line for the user."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import tempfile
import time
import traceback
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from netplan import __version__
from netplan.problems import ProblemError, printable

LONGEST = 160  # characters of an error's own words in the line


def as_error(renderables: Iterable[Any]) -> Exception:
    """Return what Textual wants to show at its end as an exception with that text."""
    from rich.console import Console

    shown = list(renderables)
    if shown and isinstance(shown[0], Exception):
        return shown[0]
    out = io.StringIO()
    Console(file=out, width=120, color_system=None).print(*shown)
    error = RuntimeError("the terminal can't be used any more")
    error.add_note(out.getvalue())
    return error


def report(error: BaseException, about: dict[str, object], state_dir: str | None) -> Path | None:
    """Write what is needed to find the fault; None when it can't be written anywhere. Never raises OSError.

    No local variables and no environment: both may hold secrets. Mode 0600, below the state directory, else a
    temporary file.
    """
    text = _text(error, about)
    name = f"ui-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
    with contextlib.suppress(OSError, ProblemError):  # ProblemError: a user without a home has no state directory
        from netplan.rollout.record.journal import state_root

        path = state_root(state_dir) / "crashes" / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as out:
            out.write(text)
        return path
    with contextlib.suppress(OSError):
        handle, made = tempfile.mkstemp(prefix="ipsecplan-ui-", suffix=".txt")
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as out:
            out.write(text)
        return Path(made)
    return None


def trace(error: BaseException) -> str:
    """Return the traceback with everything that led to it."""
    return "".join(traceback.format_exception(error))


def sentence(error: BaseException) -> str:
    """Return what happened and where, in one line."""
    words = printable(" ".join(str(error).split()))
    words = f": {words[: LONGEST - 1]}…" if len(words) > LONGEST else f": {words}" if words else ""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({'/'.join(Path(frames[-1].filename).parts[-2:])}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{words}{place}"


def _text(error: BaseException, about: dict[str, object]) -> str:
    versions = [f"ipsecplan {__version__}", f"Python {platform.python_version()}"]
    for name in ("textual", "rich"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions.append(f"{name} {metadata.version(name)}")
    lines = [
        f"ipsecplan ui ended by an error at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}",
        ", ".join([*versions, platform.platform()]),
        ", ".join(f"{key} {value}" for key, value in about.items()),
        "",
        trace(error),
    ]
    return "\n".join(lines)
