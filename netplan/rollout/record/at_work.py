"""Who is at work on a cluster: the lock that writers hold, and what stands in it for everybody else to read.

Writers (apply, try, confirm, resume, revert, rotate, psk) exclude each other by flock(2) on a file; the file says who
holds it. Readers (status, verify, diff --live, facts, history, show, the planner) need no lock, and no writable state
directory. Only measurements take turns, among themselves, and wait for what changes the nodes meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from netplan.problems import ExitCode, Problem, ProblemError, printable

LOCK = "lock"
MEASURING = "measuring"
GRACE_S = 2.0  # a reader that looks holds the lock for an instant: a writer comes again
WAIT_S = 900.0  # longest wait of a measurement for its turn
NAMED_S = 1.0  # until then whoever has just taken a lock has written down who it is
TOLD_S = 60.0  # a wait is told of when it begins, and again after so many seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that holds a lock. ``since`` is UTC; ``waits``: it changes nothing now, it waits for somebody's yes."""

    pid: int = 0
    verb: str = ""
    since: str = ""
    who: str = ""
    transaction: str = ""
    waits: bool = False

    def words(self) -> str:
        """Return who it is, for a message."""
        if not self.pid:
            return "another ipsecplan"
        transaction = f" {self.transaction}" if self.transaction else ""
        about = f"pid {self.pid}, since {self.since[11:19]} UTC, {self.who}"
        return printable(f"{self.verb or 'another ipsecplan'}{transaction} ({about})")

    def as_json(self) -> dict[str, Any]:
        """Return it as data."""
        return asdict(self)


def holder(file: Path) -> Holder | None:
    """Return who holds a lock file; None when nobody does, or when it can't be looked at. Never waits."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(handle)
    except OSError:
        return None
    finally:
        os.close(handle)  # and with it the lock, if we got it
    return None


def _read(handle: int) -> Holder:
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        said = json.loads(os.pread(handle, 4096, 0))
        return Holder(
            pid=int(said["pid"]),
            verb=str(said["verb"]),
            since=str(said["since"]),
            who=str(said["who"]),
            transaction=str(said["transaction"]),
            waits=bool(said["waits"]),
        )
    return Holder()


class Lock:
    """A lock file that says who holds it."""

    def __init__(self, file: Path, verb: str) -> None:
        self.file = file
        self._handle: int | None = None
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.holder = Holder(pid=os.getpid(), verb=verb, since=now, who=who())

    def take(self, seconds: float | None = None) -> bool:
        """Take it; False when it was not free for ``seconds`` (GRACE_S). Raises OSError when it can't be made."""
        seconds = GRACE_S if seconds is None else seconds
        handle = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= end:
                    os.close(handle)
                    return False
                time.sleep(0.05)
                continue
            self._handle = handle
            self.note()
            return True

    def note(self, **changed: Any) -> None:
        """Write down who we are, and what has changed since; a full disk is no reason to stop."""
        self.holder = replace(self.holder, **changed)
        if self._handle is None:
            return
        text = json.dumps(self.holder.as_json()).encode()
        with contextlib.suppress(OSError):  # spaces behind it: a reader never sees half of it
            os.pwrite(self._handle, text.ljust(os.fstat(self._handle).st_size), 0)

    def give(self) -> None:
        """Give it back."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def who() -> str:
    """Return user@host, for people; a user id without an entry in passwd stays a number."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    return f"{user[:32]}@{socket.gethostname()[:40]}"


@contextlib.contextmanager
def turn(
    folder: Path,
    verb: str,
    say: Callable[[str], object],
    *,
    cancelled: Callable[[], bool] = lambda: False,
    wait_s: float = WAIT_S,
) -> Iterator[None]:
    """Measure inside this block: no other measurement of this state directory runs, and no writer changes nodes.

    Waits for both, at most ``wait_s`` seconds, telling for whom; then raises ProblemError. A state directory that is
    not there, or can't be written, orders nothing: the nodes themselves let one measurement in at a time.
    """
    lock = Lock(folder / MEASURING, verb)
    begin = time.monotonic()
    end, told = begin + wait_s, -TOLD_S
    try:
        while True:
            other = holder(folder / LOCK)
            if other is None or other.waits:
                if _taken(lock):
                    break
                other = holder(lock.file) or Holder()
            if cancelled():
                raise KeyboardInterrupt
            if time.monotonic() >= end:
                raise ProblemError(
                    Problem(
                        code="IPP608",
                        message=f"still at work after {wait_s:.0f} s: {other.words()}",
                        hint="what it does would be measured half done; `ipsecplan status` shows how far it is",
                    ),
                    ExitCode.FAILURE,
                )
            # whoever has only just taken it, or only looks at it, has not written a name there
            named = other.pid or time.monotonic() - begin > NAMED_S
            if named and time.monotonic() - told >= TOLD_S:
                say(f"waiting for {other.words()} to end")
                told = time.monotonic()
            time.sleep(0.2)
        yield
    finally:
        lock.give()


def _taken(lock: Lock) -> bool:
    """Take a measurement's turn; a folder that can't be used has no turns."""
    try:
        return lock.take(0.0)
    except OSError:
        return True
