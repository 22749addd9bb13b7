"""``ipsecplan status --watch``: query the nodes repeatedly and print what changed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from netplan.agent.protocol.reply import Status
from netplan.cli.output import emit, note
from netplan.problems import ExitCode, ProblemError, counted
from netplan.verify.drift import changed

Nodes = dict[str, Status]
Look = Callable[[], tuple[Nodes, list[str], ExitCode]]
IDLE = "nothing changed"


def lines(before: Nodes | None, after: Nodes, names: list[str]) -> Iterator[str]:
    """Yield what changed between two looks, all nodes in order; ``before`` is None at the first."""
    for name in names:
        yield from changed(name, (before or {}).get(name), after.get(name))


def watch(look: Look, names: list[str], *, interval_s: float, count: int = 0) -> ExitCode:
    """Look every ``interval_s`` seconds until Ctrl-C, or ``count`` times; print changes; return the last look's code.

    On a terminal the last line tells when the next look is; elsewhere there are lines with a time and nothing else.
    """
    before: Nodes | None = None
    code, done = ExitCode.OK, 0
    with _Countdown() as countdown:
        try:
            while True:
                countdown.say("looking")
                try:
                    nodes, trouble, code = look()
                except ProblemError as error:
                    nodes, trouble, code = {}, [p.message for p in error.problems], error.exit_code
                stamp = time.strftime("%H:%M:%S")
                said = [*lines(before, nodes, names), *trouble]
                for text in said:
                    emit(f"{stamp} {text}")
                before = nodes
                done += 1
                if count and done >= count:
                    return code
                countdown.wait(interval_s, f"{stamp} {IDLE}" if not said else f"{stamp} {counted(len(said), 'change')}")
        except KeyboardInterrupt:
            return code


class _Countdown:
    """The last line of a terminal; nothing where there is none."""

    def __init__(self) -> None:
        self._status: Any = None

    def __enter__(self) -> _Countdown:
        if sys.stdout.isatty() and sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True, highlight=False).status("")
            self._status.start()
        else:
            note("watching; Ctrl-C ends it")
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def say(self, text: str) -> None:
        """Show ``text`` as the last line."""
        if self._status:
            self._status.update(text)

    def wait(self, seconds: float, text: str) -> None:
        """Wait, and show the seconds left."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.say(f"{text}; next look in {left:.0f} s, Ctrl-C ends it")
            time.sleep(min(1.0, left))
