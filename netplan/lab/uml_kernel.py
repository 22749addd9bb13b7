"""The kernel of the backend "uml": Linux as a program (User Mode Linux), compiled once from Debian's source package.

Debian's own ``user-mode-linux`` lacks what a node needs (nftables' inet tables, XFRM interfaces) and has one processor.
``kernel/config`` has what this one has besides the smallest kernel; all of it is built in.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from netplan.lab import archive, building
from netplan.lab.packages import require_kernel_programs
from netplan.lab.paths import cache_home, locked, private_dir, remove_tree, write

Say = Callable[[str], None]

FILES = Path(__file__).parent / "kernel"
FORMAT = 1  # raise it when this file builds something else from the same inputs
SUITE = "forky"  # the oldest of Debian whose kernel does without ptrace, which is slow, and has several processors
_PACKAGE = "linux-source"
_PREFIX = "uml-"
_NOTE = "kernel.json"
_SPACE = 2_500_000_000  # bytes that a build needs while it runs
_LIMIT = 4 * 3600.0  # seconds for the compiler, which takes 20 minutes of processor time
# Hardware that a program has not; Kconfig asks for the folders, not for what is compiled.
_LEFT_OUT = (
    "*/Documentation/*",
    "*/tools/testing/*",
    *(f"*/{part}/*.[ch]" for part in ("sound", "drivers/gpu", "drivers/media")),
    *(f"*/drivers/net/{part}/*.[ch]" for part in ("ethernet", "wireless")),
)
_LISTS = ("modules.builtin", "modules.builtin.modinfo", "modules.order")


@dataclass(frozen=True, slots=True)
class Kernel:
    """One built kernel in ``folder``."""

    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "linux"

    def complete(self) -> bool:
        return (self.folder / _NOTE).exists()

    def lists(self) -> dict[str, bytes]:
        """Return path below /usr/lib/modules -> content, by which ``modprobe`` knows what is built in."""
        top = self.folder / "modules"
        return {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


def options() -> list[str]:
    """Return the lines ``CONFIG_X=value`` of our configuration."""
    lines = (FILES / "config").read_text(encoding="ascii").splitlines()
    return [line for line in lines if line.startswith("CONFIG_")]


def current() -> Kernel:
    """Return the kernel that is built from our configuration, whether it is there or not."""
    digest = hashlib.sha256("\n".join([str(FORMAT), SUITE, *options()]).encode()).hexdigest()
    return Kernel(cache_home() / f"{_PREFIX}{digest[:16]}")


def ensure(say: Say) -> Kernel:
    """Return the kernel; if the cache lacks it, build it (some minutes; needs the network and a compiler)."""
    kernel = current()
    if not kernel.complete():
        require_kernel_programs()
        private_dir(kernel.folder.parent)
        with locked(kernel.folder):
            if not kernel.complete():
                say("compiling the kernel of the backend uml (once; kept in the cache)")
                _build(kernel, say)
    os.utime(kernel.folder / _NOTE)
    return kernel


def prune(*, days: float) -> list[str]:
    """Delete the kernels of other configurations that nobody has used for ``days``; returns their keys."""
    old = []
    for note in sorted(cache_home().glob(f"{_PREFIX}*/{_NOTE}")):
        if note.parent != current().folder and time.time() - note.stat().st_mtime > days * 86400:
            remove_tree(note.parent)
            old.append(note.parent.name)
    return old


def lacking(wanted: list[str], made: str) -> list[str]:
    """Return the options of ``wanted`` that a kernel's .config, the text ``made``, has not so."""
    there = set(made.splitlines())
    return [line for line in wanted if line not in there]


def _build(kernel: Kernel, say: Say) -> None:
    work = building.make_place(_SPACE)
    log = kernel.folder / "build.log"
    try:
        with log.open("wb") as out:
            package = _unpack(work, out)
            say(f"  source: {package}")
            tree = work / "tree"
            _configure(tree, out)
            processors = len(os.sched_getaffinity(0))
            _make(tree, out, f"-j{processors}", "linux")
            release = (tree / "include/config/kernel.release").read_text(encoding="ascii").strip()
            lists = private_dir(private_dir(work / "modules") / "lib") / "modules" / release
            lists.mkdir(parents=True)
            for name in _LISTS:
                if (tree / name).exists():
                    shutil.copyfile(tree / name, lists / name)
            building.run(["depmod", "-b", str(work / "modules"), release], out)
        say("  compiled")
        remove_tree(kernel.folder / "modules")
        shutil.copytree(work / "modules/lib/modules", kernel.folder / "modules")
        shutil.copyfile(tree / "linux", kernel.program)
        kernel.program.chmod(0o755)
        write(kernel.folder / _NOTE, json.dumps({"release": release, "package": package}, indent=2) + "\n")
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        building.failed("the kernel", error, log)
    finally:
        remove_tree(work)


def _unpack(work: Path, out: IO[bytes]) -> str:
    """Fetch the kernel's source and unpack it into ``work``/tree; return the name of the package."""
    for name in ("debs", "package", "tree"):
        (work / name).mkdir()
    (package,) = archive.Archive(work, SUITE).fetch_kernel(work / "debs", _PACKAGE)
    building.run(["dpkg-deb", "-x", str(package), str(work / "package")], out)
    package.unlink()
    (source,) = (work / "package").glob("usr/src/linux-source-*.tar.xz")
    left_out = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
    building.run(["tar", "-xJf", str(source), "-C", str(work / "tree"), "--strip-components=1", *left_out], out)
    remove_tree(work / "package")
    return package.name


def _configure(tree: Path, out: IO[bytes]) -> None:
    (tree / "Documentation/Kconfig").touch()
    ours = tree / "ours.config"
    ours.write_text("\n".join(options()) + "\n", encoding="ascii")
    _make(tree, out, "allnoconfig", KCONFIG_ALLCONFIG=str(ours))
    missing = lacking(options(), (tree / ".config").read_text(encoding="utf-8"))
    if missing:
        raise ValueError(f"this source can't have {', '.join(missing)}")


def _make(tree: Path, out: IO[bytes], *words: str, **variables: str) -> None:
    building.run(["make", "-s", "ARCH=um", *words], out, variables, limit=_LIMIT, folder=tree)
