"""Follows the console of a guest that boots, until every node has said that its pod is there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from netplan.lab.process import Progress
from netplan.problems import ExitCode, fail


class Guest(Protocol):
    """What boots: whether it is there, what it has printed so far, and what the program that runs it complained of."""

    def alive(self) -> bool: ...

    def console(self) -> str: ...

    def complaint(self) -> str: ...


def await_nodes(
    guest: Guest, names: Sequence[str], silence: float, say: Callable[[str], None], *, last: bool = True
) -> bool:
    """Return True when all nodes of ``names`` run, False when the guest ended without a word; with ``last`` that fails.

    Raises ProblemError IPP805: the guest ended and said why, or it has printed nothing new for ``silence`` seconds.
    """
    progress = Progress(silence)
    told: set[str] = set()
    say("booting")
    while len(told) < len(names):
        said = guest.console()
        if not guest.alive():
            why = guest.complaint() or _last_words(said)
            if not why and not last:
                return False
            message = f"the lab ended while it started: {why or 'neither QEMU nor the guest said why'}"
            fail("IPP805", message, exit_code=ExitCode.FAILURE)
        if not progress.goes_on(said):
            missing = ", ".join(name for name in names if name not in told)
            message = f"no sign of {missing}: the console has said nothing new for {progress.silence:.0f} s"
            fail("IPP805", message, exit_code=ExitCode.FAILURE)
        for name in re.findall(r"lab: (n\d+) ready", said):
            if name not in told:
                told.add(name)
                say(f"node {name} is ready")
        time.sleep(0.1)
    return True


def _last_words(console: str) -> str:
    """Return the line that says why a guest ended: a kernel that panics prints registers and more behind it."""
    lines = console.strip().splitlines()
    return next((line for line in reversed(lines) if "kernel panic" in line.lower()), lines[-1] if lines else "")
