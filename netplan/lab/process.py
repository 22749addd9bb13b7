"""Background processes of a lab: found by a unique word in their arguments, and ended for certain."""

from __future__ import annotations

import os
import re
import select
import signal
import time
from pathlib import Path

_NUMBERS = re.compile(r"\b(?!n\d+\b)[\da-fx.:]*\d[\da-fx.:]*\b")  # times, process ids, addresses; not a node's name


class Progress:
    """A wait that ends when nothing new was printed for ``silence`` seconds, however long the whole takes.

    A line is new when none before it was equal but for its numbers: a guest that boots again and again prints for ever.
    """

    def __init__(self, silence: float) -> None:
        self.silence = silence
        self._read, self._seen, self._since = 0, set[str](), time.monotonic()

    def goes_on(self, said: str) -> bool:
        """Tell whether to wait on; ``said`` is everything that was printed so far."""
        whole = said.rfind("\n") + 1
        lines = {_NUMBERS.sub("#", line) for line in said[self._read : whole].splitlines()}
        if lines - self._seen:
            self._since = time.monotonic()
        self._seen |= lines
        self._read = whole
        return time.monotonic() - self._since < self.silence


class Presence:
    """Whether a marked process is still there, looked for again and again.

    A process that becomes another program (execve) has no arguments for a moment, longer on a busy machine. So it is
    gone when it was not found for ``silence`` seconds.
    """

    def __init__(self, program: str, marker: str, silence: float = 5.0) -> None:
        self._words, self._silence, self._seen = (program, marker), silence, time.monotonic()

    def lasts(self) -> bool:
        """Look, and tell whether to count on it."""
        if find(*self._words) is not None:
            self._seen = time.monotonic()
        return time.monotonic() - self._seen < self._silence


def is_marked(number: int, program: str, marker: str) -> bool:
    """Tell whether process ``number`` runs ``program`` (part of its first word) with the argument ``marker``."""
    try:
        words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return program.encode() in words[0] and marker.encode() in words


def find(program: str, marker: str, hint: int = 0) -> int | None:
    """Return the id of the marked process, if it runs; ``hint`` is where to look first."""
    if hint and is_marked(hint, program, marker):
        return hint
    others = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return next((other for other in others if is_marked(other, program, marker)), None)


def end(program: str, marker: str, hint: int = 0) -> None:
    """End the marked process at once and wait until it has ended; does nothing when it doesn't run."""
    number = find(program, marker, hint)
    if number is None:
        return
    try:
        handle = os.pidfd_open(number)  # from here on, the number can't come to mean another process
    except ProcessLookupError:
        return
    try:
        if is_marked(number, program, marker):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], 300.0)  # its ports are free only when it has ended, not when it is dying
    finally:
        os.close(handle)
