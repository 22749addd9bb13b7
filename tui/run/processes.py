"""Runs verbs in processes of their own, so that they outlive the planner or can be stopped without it."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from netplan.files import make_private
from netplan.problems import present


def start_detached(verb: Sequence[str], log: Path) -> int:
    """Start ``ipsecplan VERB`` in a session of its own: closing the terminal does not touch it. Returns its pid."""
    make_private(log.parent)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "netplan", *verb],
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            start_new_session=True,
        )
    finally:
        os.close(handle)
    _children.append(process)
    return process.pid


_children: list[subprocess.Popen[bytes]] = []


def ended() -> list[int]:
    """Return the exit codes of detached processes that have ended since last time."""
    over = [child for child in _children if child.poll() is not None]
    for child in over:
        _children.remove(child)
    return [child.returncode for child in over]


def stop(pid: int) -> None:
    """Ask a controller to stop: it ends the phase and rolls back in order."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)


class Child:
    """A process whose lines are read as they come; :meth:`cancel` may be called from another thread."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end(); a pipe nobody reads could fill
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._said,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )

    def lines(self) -> Iterator[str]:
        """Yield the lines of stdout until it ends."""
        for text in present(self._process.stdout, "the pipe of a process"):
            yield text.rstrip("\n")

    def end(self) -> tuple[int, str]:
        """Return the exit code and what was said on stderr."""
        code = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        with self._said as handle:
            handle.seek(0)
            return code, handle.read().decode(errors="replace")

    def cancel(self) -> None:
        """Stop it; it tidies up after itself."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()


def module(name: str, *arguments: str) -> Child:
    """Start a Python module with this interpreter."""
    return Child([sys.executable, "-P", "-m", name, *arguments])


def shown(verb: Sequence[str]) -> str:
    """Return a verb as the command line that people would type."""
    return shlex.join(["ipsecplan", *verb])
