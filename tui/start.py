"""Starts and ends the planner. However it ends, the terminal is restored and unsaved edits are kept.

Imports only what a planner that runs without errors imports anyway.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netplan.problems import ExitCode, ProblemError, present

if TYPE_CHECKING:
    from tui.app import Planner

GRACE_S = 10.0  # how long an orderly end may take after an error or a signal
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
# cursor, line wrap, focus reports, bracketed paste, mouse, keyboard protocol, alternate screen: as a shell has them
_PLAIN = b"\x1b[?25h\x1b[?7h\x1b[?1004l\x1b[?2004l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[<u\x1b[?1049l"


class Terminal:
    """How the terminal was before."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None
        with contextlib.suppress(termios.error, OSError, ValueError):
            self._before = termios.tcgetattr(sys.stdin.fileno())

    def restore(self) -> None:
        """Make the terminal usable again; without effect when it is, or when there is none any more."""
        if self._before is None:
            return
        with contextlib.suppress(termios.error, OSError, ValueError):
            if termios.tcgetattr(sys.stdin.fileno()) != self._before:  # else Textual has been here
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, self._before)
                os.write(sys.stderr.fileno(), _PLAIN)


def start(plan: Path | None, **options: Any) -> int:
    """Run the planner; returns the exit code. Raises ProblemError for what is wrong with plan or settings.

    An error in the planner is 1, with one line that says what and where the report lies; a signal N is 128 + N. What
    was not saved is kept beside the plan both times.
    """
    terminal, planner, fault = Terminal(), None, None
    try:
        from tui.app import Planner  # not above: an installation that can't do this is told like any other fault

        planner = Planner(plan, **options)
        with _signals(planner), _watched(planner, terminal):
            planner.run()
    except ProblemError:
        raise
    except KeyboardInterrupt:  # see _signals
        if planner is None or planner.ended_by is None:
            raise
    except Exception as error:  # noqa: BLE001 - it is our bug, whatever it is, and nobody else reports it
        fault = error
    return _ended(planner, fault, terminal, options)


def _ended(planner: Planner | None, fault: BaseException | None, terminal: Terminal, options: dict[str, Any]) -> int:
    """Say how it ended, unless somebody asked for it; return the exit code."""
    number = planner.ended_by if planner is not None else None
    error = (planner.error if planner is not None else None) or fault
    if planner is not None and (error is not None or number is not None):
        planner.keep_draft()  # once more: it may have failed the first time, or an editor has come back since
    if number is None and error is None:
        return (planner.return_code if planner is not None else None) or int(ExitCode.OK)
    terminal.restore()
    draft = _draft_line(planner)
    if number is not None:
        _say(f"ipsecplan ui: ended by {signal.Signals(number).name}{draft}")
        return 128 + number
    from netplan.cli.defect import sentence
    from tui import crash

    error = present(error, "the error")  # a signal or a good end has returned above

    about: dict[str, object] = {
        "TERM": os.environ.get("TERM"),
        "screen": planner.current_mode if planner is not None else options.get("mode"),
        "size": "x".join(map(str, planner.size)) if planner is not None else "unknown",
        "plan": "open" if planner is not None and planner.desk.draft is not None else "none",
        "readonly": options.get("readonly", False),
    }
    report = crash.report(error, about, options.get("state_dir"))
    if report is None:
        _say(crash.trace(error))
    where = f"report: {report}" if report is not None else "its report, which can't be written anywhere, is above"
    _say(f"ipsecplan ui: error in the planner: {sentence(error)}; {where}{draft}")
    return int(ExitCode.FAILURE)


def _draft_line(planner: Planner | None) -> str:
    """Say where the unsaved text lies; when it lies nowhere, give all of it away: it is the last chance."""
    if planner is None or not planner.desk.dirty or planner.desk.draft is None:
        return ""
    if not planner.on_disk:
        _say("\n".join(planner.desk.draft.diff()))
        return "; unsaved: the difference above, which can't be written anywhere"
    return f"; unsaved changes: {planner.kept}"


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # the terminal may have gone
        os.write(sys.stderr.fileno(), f"{text}\n".encode(errors="backslashreplace"))


@contextlib.contextmanager
def _signals(planner: Planner) -> Iterator[None]:
    """Leave in order when asked by a signal, and at once when asked again."""

    def end(number: int, frame: object) -> None:
        del frame
        if planner.ended_by is not None:
            raise KeyboardInterrupt
        planner.end_by(number)

    # who was started with SIGHUP ignored (nohup) goes on ignoring it
    wanted = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _watched(planner: Planner, terminal: Terminal) -> Iterator[None]:
    """Bound the time of an end: a thread of work or a terminal that takes nothing must not hold it for ever."""
    timer: threading.Timer | None = None
    telling = threading.Lock()  # held by whoever tells how it ended, for good

    def late() -> None:
        telling.acquire()
        os._exit(_ended(planner, None, terminal, {"state_dir": planner.state_dir}))

    def begin() -> None:
        nonlocal timer
        if timer is None:
            timer = threading.Timer(GRACE_S, late)
            timer.daemon = True
            with contextlib.suppress(RuntimeError):  # no thread to be had any more
                timer.start()

    planner.on_end = begin
    try:
        yield
    finally:
        planner.on_end = None
        if timer is not None:
            timer.cancel()
            telling.acquire()  # never comes back when the other has it: the process is about to end
