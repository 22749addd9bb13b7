"""The files of an inventory: which there are, how messages name them, and which of them are programs."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from netplan.problems import Location, counted, fail
from netplan.refusals import refusals

MAX_FILES = 20_000  # below a folder that is named as inventory


def _below(folder: Path) -> Iterator[Path]:
    """Generate all that lies below a folder, but for what can't be listed.

    Not by ``Path.rglob``: from Python 3.12 on it raises PermissionError at some of those folders and skips others.
    """
    for place, folders, names in os.walk(folder):
        yield from (Path(place, name) for name in (*folders, *names))


def files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for found in sorted(_below(path)):
            if found.is_file() and not found.name.startswith("."):
                yield found
    else:
        yield path
        for folder in ("host_vars", "group_vars"):
            yield from sorted(p for p in (path.parent / folder).glob("*") if p.is_file())


def _everything(path: Path) -> Iterator[Path]:
    """Generate what Ansible may open: below a folder; beside a file, the variables of hosts and groups."""
    folders = [path] if path.is_dir() else [path.parent / "host_vars", path.parent / "group_vars"]
    found = [path for folder in folders for path in itertools.islice(_below(folder), MAX_FILES + 1)]
    if len(found) > MAX_FILES:
        fail(
            "IPP302",
            f"more than {counted(MAX_FILES, 'file')}: is this an inventory?",
            location=Location(str(folders[0])),
        )
    yield from sorted(path for path in found if path.exists())


def shown_as(found: Path, path: Path, shown: str) -> str:
    if found == path:
        return shown
    base = path if path.is_dir() else path.parent
    prefix = Path(shown) if path.is_dir() else Path(shown).parent
    return str(prefix / found.relative_to(base))


def refuse_programs(path: Path, shown: str) -> None:
    """Raise ProblemError for a program below a folder that is named as inventory: no reader would run it.

    Also for a pipe or a device where Ansible looks for files.
    """
    for found in _everything(path):
        if not found.is_file() and not found.is_dir():  # Ansible would wait for it
            fail("IPP302", "neither a file nor a directory", location=Location(shown_as(found, path, shown)))
    if not path.is_dir() or "ANSIBLE_INVENTORY_ENABLED" in os.environ:
        return
    for found in files(path):
        if os.access(found, os.X_OK) and _head(found).startswith((b"#!", b"\x7fELF")):
            where = shown_as(found, path, shown)
            hint = f"name it itself to run it, `inventory: {where}`; or chmod -x, or write down what it prints"
            fail("IPP302", "a program in an inventory directory is not run", location=Location(where), hint=hint)


def _head(path: Path) -> bytes:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(4)
    return b""


def refuse_any_program(path: Path, name: str) -> None:
    """Raise ProblemError for an inventory that holds more than plain files which nobody may execute."""
    hint = f"if you know what it does: --inventory {shlex.quote(name)}"
    with refusals(name, "read", "IPP301"):
        for found in [path, *(sorted(_below(path)) if path.is_dir() else ())]:
            mode = found.stat().st_mode
            if not stat.S_ISDIR(mode) and (not stat.S_ISREG(mode) or mode & 0o111):
                said = "is a program" if stat.S_ISREG(mode) else "is no regular file"
                said = f"the inventory that the bundle names {said}, and is not run on a bundle's word"
                fail("IPP312", said, location=Location(shown_as(found, path, name)), hint=hint)
