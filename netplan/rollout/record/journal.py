"""What a rollout did, on disk before it goes on: one JSON object a line. Holds no secret.

Each line is fsynced, but for the result of one node: that is on disk with the next line of another kind, at the latest
the end of its phase.

<state>/clusters/<cluster>/          0700
    lock                             held while a controller changes nodes, see netplan.rollout.record.at_work
    measuring                        held while packets are measured
    owner                            who this state directory is to the nodes, see netplan.rollout.nodes.lease
    journal/<transaction>.jsonl      0600
    memory.json                      what of it is in force, see netplan.rollout.record.memory
    last-proof.json, last-status.json  what nodes said last, see netplan.rollout.record.seen
    ca/                              the cluster's CA, see netplan.ipsec.ca
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netplan.problems import ExitCode, Problem, ProblemError
from netplan.refusals import home
from netplan.rollout.record.at_work import LOCK, Holder, Lock, holder
from netplan.rollout.record.events import AwaitingConfirm, Event, PhaseStarted, RunStarted
from netplan.rollout.record.lines import record_of
from netplan.rollout.record.private import hide_memory, need_private

_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_SAFE = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")


def state_root(override: str | None = None) -> Path:
    """Return the state directory: the option, else IPSECPLAN_STATE, else XDG_STATE_HOME/ipsecplan."""
    chosen = override or os.environ.get("IPSECPLAN_STATE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_STATE_HOME")
    if base:
        return Path(base) / "ipsecplan"
    return home("IPSECPLAN_STATE, or give --state-dir: it keeps journals and the cluster's CA", "IPP608") / (
        ".local/state/ipsecplan"
    )


def new_transaction() -> str:
    """Return a new transaction id: time and 4 random hex digits."""
    return f"tx-{time.strftime('%Y%m%d%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"


class ClusterState:
    """The state directory of one cluster: locked against a second writer while in use, or only ``reading``.

    ``verb`` is what the lock says that we do. Who only reads needs no lock and makes nothing.
    """

    def __init__(self, root: Path, cluster: str, verb: str = "", *, reading: bool = False) -> None:
        name = cluster if _SAFE.fullmatch(cluster) else hashlib.sha256(cluster.encode()).hexdigest()[:16]
        self._root, self.folder = root, root / "clusters" / name
        self.reading = reading
        self._lock = Lock(self.folder / LOCK, verb)

    def __enter__(self) -> ClusterState:
        if self.reading:
            return self
        hide_memory()  # who changes nodes holds the CA or their keys
        try:
            need_private(self._root, self.folder / "journal")
            free = self._lock.take()
        except OSError as error:
            said = f"the state directory {self.folder} can't be used: {error.strerror}"
            hint = "give --state-dir, or set IPSECPLAN_STATE, to a directory that you can write"
            raise _problem(said, hint) from None
        if not free:
            other = (self.at_work() or Holder()).words()
            hint = "wait for it to end; `ipsecplan status` shows how far it is"
            raise _problem(f"{other} is at work on this cluster", hint)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.give()

    def at_work(self) -> Holder | None:
        """Return who changes this cluster at this moment; None when nobody of this state directory does."""
        return holder(self.folder / LOCK)

    def note(self, event: Event) -> None:
        """Let the lock say which transaction it is about, and whether somebody's yes is waited for."""
        if isinstance(event, RunStarted):
            self._lock.note(verb=event.verb, transaction=event.transaction)
        elif isinstance(event, AwaitingConfirm | PhaseStarted):
            self.waits(isinstance(event, AwaitingConfirm))

    def waits(self, yes: bool) -> None:
        """Let the lock say whether somebody's answer is waited for, so that nothing changes meanwhile."""
        if yes != self._lock.holder.waits:
            self._lock.note(waits=yes)

    @property
    def ca(self) -> Path:
        """Where the cluster's CA lies."""
        return self.folder / "ca"

    def journal(self, transaction: str, room: int = 0) -> Journal:
        """Open the journal of a transaction for writing, with ``room`` bytes kept free for it on the disk."""
        return Journal(self.folder / "journal" / f"{transaction}.jsonl", room)

    def journals(self) -> list[Path]:
        """Return the journals, one a transaction, oldest first."""
        return sorted((self.folder / "journal").glob("tx-*.jsonl"))

    def last(self) -> list[dict[str, Any]]:
        """Return the lines of the newest journal, oldest first; empty when there is none."""
        files = self.journals()
        return list(read(files[-1])) if files else []


class Journal:
    """An append-only file of events. Its room on the disk is taken first: a full disk is found before any change.

    Raises ProblemError when there is no room.
    """

    def __init__(self, path: Path, room: int = 0) -> None:
        self.path = path
        self._handle = os.open(path, _APPEND, 0o600)
        size: int | None = None
        try:
            size = os.fstat(self._handle).st_size
            self._cut = size > 0 and os.pread(self._handle, 1, size - 1) != b"\n"
            _reserve(self._handle, room)
        except OSError as error:
            self.close()
            if size == 0:  # a journal without a line would be the last run
                path.unlink(missing_ok=True)
            raise _problem(
                f"no room for the journal in {path.parent}: {error.strerror}",
                f"free {room // 1024} KiB there; nothing was changed",
                code="IPP668",
            ) from None

    def write(self, record: dict[str, Any]) -> None:
        """Append one record and, unless it is one of many, wait until it is on disk. Raises OSError."""
        stamped = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **record}
        # behind half a line, which a full disk or a crash left, the next one begins anew
        line = ("\n" if self._cut else "") + json.dumps(stamped, sort_keys=True, default=str) + "\n"
        left = memoryview(line.encode())
        self._cut = True
        while left:
            left = left[os.write(self._handle, left) :]
        self._cut = False
        if record.get("event") != "NodeResult":
            os.fsync(self._handle)

    def close(self) -> None:
        """Close the file and give back what it did not need."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._handle, os.fstat(self._handle).st_size)
        os.close(self._handle)


def _reserve(handle: int, room: int) -> None:
    """Take ``room`` bytes of the disk behind the end of a file, which does not grow by it (fallocate(2), KEEP_SIZE).

    Where the file system can't, it is at least looked whether so much is free. Raises OSError.
    """
    if not room:
        return
    keep_size = 1
    libc = ctypes.CDLL(None, use_errno=True)
    end = os.fstat(handle).st_size
    if libc.fallocate(handle, keep_size, ctypes.c_long(end), ctypes.c_long(room)) == 0:
        return
    number = ctypes.get_errno()
    if number not in (errno.EOPNOTSUPP, errno.ENOSYS):
        raise OSError(number, os.strerror(number))
    disk = os.fstatvfs(handle)
    if disk.f_bavail * disk.f_frsize < room:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a journal; a line that was cut by a crash, or is none of ours, is left out."""
    for line in path.read_bytes().split(b"\n"):
        record = record_of(line)
        if record is not None:
            yield record


def _problem(message: str, hint: str | None = None, code: str = "IPP608") -> ProblemError:
    return ProblemError(Problem(code=code, message=message, hint=hint), ExitCode.FAILURE)
