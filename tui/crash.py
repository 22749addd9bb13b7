"""Handles an error that ended the planner: a report for the developers, one line for the user."""

from __future__ import annotations

import contextlib
import io
import platform
import time
import traceback
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from netplan import __version__
from netplan.cli.defect import write_report


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

    No local variables and no environment: both may hold secrets.
    """
    return write_report(_text(error, about), state_dir, "ui-")


def trace(error: BaseException) -> str:
    """Return the traceback with everything that led to it."""
    return "".join(traceback.format_exception(error))


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
