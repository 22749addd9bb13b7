"""Writes a bundle to a directory, whole or not at all. Only an earlier bundle there is replaced."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from netplan.bundle.build import build
from netplan.bundle.manifest import File, dump, manifest
from netplan.bundle.reader import Bundle
from netplan.inputs.inventory import Inventory
from netplan.inputs.path_kinds import MANIFEST
from netplan.plan.types import Plan
from netplan.problems import Location, fail
from netplan.refusals import refusals


def write(directory: Path, plan: Plan, inventory: Inventory, tell: Callable[[int], object] = lambda _: None) -> Bundle:
    """Write a bundle; an earlier bundle at that place is replaced as a whole, anything else there is refused.

    The new bundle is complete on disk before it takes the name, so an interruption leaves the old or the new one.
    """
    with refusals(directory, "written"):
        _may_become(directory)
    files = build(plan, tell)
    document = manifest(plan, inventory, files)
    with refusals(directory, "written"):
        _put(directory, [*files, File(MANIFEST, dump(document))])
    return Bundle(directory, document)


def _may_become(directory: Path) -> None:
    """Raise ProblemError when a bundle can't be put at a place, before the work of making it; raises OSError."""
    if directory.is_symlink():
        fail("IPP501", "the target is a symbolic link", location=Location(str(directory)))
    if directory.exists() and not directory.is_dir():
        fail(
            "IPP501",
            "the target is a file",
            location=Location(str(directory)),
            hint="choose an empty or new directory with --to",
        )
    if directory.exists() and not (directory / MANIFEST).is_file() and any(directory.iterdir()):
        fail(
            "IPP501",
            "the target is a directory that is no bundle",
            location=Location(str(directory)),
            hint="choose an empty or new directory with --to",
        )
    if directory.exists() and (os.path.ismount(directory) or not os.access(directory.parent, os.W_OK)):
        fail(
            "IPP501",
            "can't be replaced as a whole: it is a mount, or its parent can't be written",
            location=Location(str(directory)),
            hint=f"choose a new directory in it: --to {directory / 'bundle'}",
        )


def _put(directory: Path, files: Iterable[File]) -> None:
    """Write the files beside the place, complete, and give them its name. Raises OSError."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        for file in files:
            target = fresh / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "x", encoding="utf-8", newline="") as out:
                out.write(file.text)
                os.fchmod(out.fileno(), 0o644)
        for folder in [fresh, *(path for path in fresh.rglob("*") if path.is_dir())]:
            folder.chmod(0o755)  # whatever the umask is: a bundle is for others to read, and for nobody to change
        if directory.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{directory.name}.old.", dir=directory.parent))
            directory.rename(old / "bundle")
            fresh.rename(directory)
            shutil.rmtree(old)
        else:
            fresh.rename(directory)
    except BaseException:
        with contextlib.suppress(OSError):
            shutil.rmtree(fresh)
        raise
