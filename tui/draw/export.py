"""Exports: the clipboard through OSC 52, and files of a screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.app import App

from netplan.problems import printable


def copy(app: App[Any], text: str) -> None:
    """Copy text to the clipboard of whoever looks at the terminal."""
    if not text:
        app.notify("nothing to copy", severity="warning", timeout=2)
        return
    app.copy_to_clipboard("\n".join(printable(line) for line in text.split("\n")))
    lines = text.count("\n") + 1
    app.notify(f"{lines} line{'s' if lines > 1 else ''} copied", timeout=2)


def write(app: App[Any], suffix: str, text: str) -> Path | None:
    """Write an export into the working directory under a name that is free; tells where."""
    if not text:
        app.notify("nothing to export here", severity="warning", timeout=2)
        return None
    for number in range(1, 1000):
        path = Path(f"ipsecplan-{app.current_mode}-{number}.{suffix}")
        try:
            with open(path, "x", encoding="utf-8") as out:
                out.write(text if text.endswith("\n") else text + "\n")
        except FileExistsError:
            continue
        except OSError as error:
            app.notify(f"{path}: {error.strerror}", severity="error", markup=False)
            return None
        app.notify(f"{path} written", timeout=3, markup=False)
        return path
    return None
