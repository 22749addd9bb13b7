"""A pseudo terminal with a program in it: keys in, bytes out, and what is left of the terminal afterwards."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from typing import Any

_ESCAPES = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
LIMIT_S = 120  # only for a program that hangs


class Terminal:
    """Runs a program with a terminal of its own as standard input, output and error."""

    def __init__(self, argv: Sequence[str], environment: dict[str, str], cwd: str, size: tuple[int, int] = (80, 24)):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave  # kept open: the terminal outlives the program, as a shell's does
        self.said = b""
        self.process = subprocess.Popen(
            argv,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            cwd=cwd,
            start_new_session=True,
            # a shell's background job ignores Ctrl-C, and what it starts inherits that: a user's planner doesn't
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self.master], [], [], seconds)
        if ready:
            try:
                self.said += os.read(self.master, 1 << 16)
            except OSError:  # nobody has it open any more
                return False
        return bool(ready)

    @property
    def text(self) -> str:
        """Return everything that was written, without escape sequences."""
        return _ESCAPES.sub(b"", self.said).decode(errors="replace")

    def until(self, *words: str) -> None:
        """Read until all words are there."""
        end = time.monotonic() + LIMIT_S
        while not all(word in self.text for word in words):
            assert self.process.poll() is None or self._read(0), f"ended without {words}:\n{self.text}"
            assert time.monotonic() < end, f"no {words} in:\n{self.text}"
            self._read(0.2)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.master, keys.encode())

    def end(self) -> int:
        """Read until it has ended; return its exit code."""
        end = time.monotonic() + LIMIT_S
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still running:\n{self.text}"
            self._read(0.1)
        while self._read(0):
            pass
        return self.process.returncode

    def settings(self) -> list[Any]:
        """Return the settings of the terminal as they are now."""
        return termios.tcgetattr(self.slave)

    def last_words(self) -> str:
        """Return what was written after the alternate screen was left for the last time."""
        assert self.said.count(b"\x1b[?1049h") <= self.said.count(b"\x1b[?1049l"), "still in the alternate screen"
        text = self.said.rpartition(b"\x1b[?1049l")[2]
        return _ESCAPES.sub(b"", text).decode(errors="replace").replace("\r\n", "\n").strip("\n")

    def hang_up(self) -> None:
        """Close the terminal as a lost connection does."""
        os.close(self.slave)
        os.close(self.master)
        self.master = self.slave = -1

    def close(self) -> None:
        """End what still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.master >= 0:
            self.hang_up()
