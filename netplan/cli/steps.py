"""Write files for review into a new directory, with STEPS.md: the commands that make them live, in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from netplan.files import write_atomic
from netplan.problems import Location, fail, printable
from netplan.refusals import refusals


def write_page(path: Path, text: str) -> None:
    """Write a page or report to a file, whole or not at all. Raises ProblemError."""
    with refusals(path, "written"):
        write_atomic(path, text.encode(), 0o644)


def write_steps(directory: Path, files: Mapping[str, str], lines: Iterable[str]) -> None:
    """Write ``files`` (path below ``directory`` -> text) and the ``lines`` of STEPS.md.

    Raises ProblemError when the directory is not empty or can't be written.
    """
    with refusals(directory, "written"):
        _put(directory, files, lines)


def _put(directory: Path, files: Mapping[str, str], lines: Iterable[str]) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        fail("IPP210", "exists and is not empty", location=Location(str(directory)), hint="name a new directory")
    for path, text in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "x", encoding="utf-8", newline="") as out:
            out.write(text)
    (directory / "STEPS.md").write_text("\n".join(printable(line) for line in lines) + "\n", encoding="utf-8")
