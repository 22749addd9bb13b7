"""What a worker sends back, bounded and checked before ansible-runner's own ``process`` reads it.

A worker is trusted with the nodes (it holds their logins), but not with this machine. ansible-runner takes counters and
ids of events as names of files, unpacks whatever archive comes, and ends in an exception where a line is no object. So
only what is looked at gets through: that something began or ended, the events of a host, in a form of our own.
"""

from __future__ import annotations

import json
import os
import select
import time
from typing import Any

from netplan.problems import printable

MOST_LINE = 16 * 2**20  # bytes of a line: an event with an answer in it
MOST_ARCHIVE = 64 * 2**20  # of a run's own records, which are passed over
MOST_SAID = 300  # characters of what Ansible printed that are kept
STATES = frozenset({"unstarted", "starting", "running", "successful", "failed", "error", "timeout", "canceled"})
CHUNK = 1 << 16


class BrokenStreamError(OSError):
    """The stream ended, stopped or makes no sense. An OSError: ``process`` takes that for the end of its input."""


class Stream:
    """The lines of a worker, as ``ansible_runner.streaming.Processor`` reads them.

    ``silent_s``: how long nothing may come; ``most_s``: how long all of it may take. ``ended``: whether the worker said
    that this was all; ``why``: what was wrong, empty where nothing was; ``printed``: what Ansible printed last.
    """

    def __init__(self, descriptor: int, silent_s: float, most_s: float) -> None:
        self._fd, self._silent_s, self._end = descriptor, silent_s, time.monotonic() + most_s
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._buffer = bytearray()
        self.ended, self.why, self.printed = False, "", ""

    def readline(self) -> bytes:
        """Return the next line that is of use. Raises BrokenStreamError."""
        while True:
            line = self._line()
            try:
                said = json.loads(line)
            except (ValueError, RecursionError):
                raise self._broken("it sent what is no JSON") from None
            if not isinstance(said, dict):
                raise self._broken("it sent what is no object")
            found = self._use(said)
            if found is not None:
                return json.dumps(found).encode() + b"\n"

    def _use(self, said: dict[str, Any]) -> dict[str, Any] | None:
        """Return what is handed on of an object, None for nothing. Raises BrokenStreamError."""
        if "status" in said:
            if not isinstance(said["status"], str) or said["status"] not in STATES:
                raise self._broken("it sent a status that there isn't")
            self._keep(said.get("job_explanation"))
            return {"status": said["status"]}
        if "zipfile" in said:
            self._pass_over(said["zipfile"])
            return None
        if "eof" in said:
            self.ended = True
            return {"eof": True}
        return self._event(said)

    def _event(self, said: dict[str, Any]) -> dict[str, Any] | None:
        kind, counter, about = said.get("event"), said.get("counter"), said.get("event_data")
        if kind == "keepalive":
            return None
        if not isinstance(kind, str) or type(counter) is not int or counter < 1:
            raise self._broken("it sent an event without a name or a number")
        self._keep(said.get("stdout"))
        host, result = (about.get("host"), about.get("res")) if isinstance(about, dict) else (None, None)
        if not isinstance(host, str):
            return None
        kept = {k: result[k] for k in ("said", "again", "msg") if k in result} if isinstance(result, dict) else {}
        return {"event": kind, "counter": counter, "uuid": "0", "event_data": {"host": host, "res": kept}}

    def _keep(self, text: object) -> None:
        if isinstance(text, str) and text.strip():
            self.printed = printable(text.strip())[-MOST_SAID:]

    def _pass_over(self, size: object) -> None:
        """Read an archive of so many bytes, which comes in base64 and has no end of its own."""
        if type(size) is not int or not 0 <= size <= MOST_ARCHIVE:
            raise self._broken("it sent records of a size that there isn't")
        left = (size + 2) // 3 * 4
        while left > len(self._buffer):
            left -= len(self._buffer)
            self._buffer.clear()
            self._more()
        del self._buffer[:left]

    def _line(self) -> bytes:
        seen = 0
        while (at := self._buffer.find(b"\n", seen)) < 0:
            seen = len(self._buffer)
            if seen > MOST_LINE:
                raise self._broken(f"it sent a line of more than {MOST_LINE >> 20} MiB")
            self._more()
        line = bytes(self._buffer[:at])
        del self._buffer[: at + 1]
        return line

    def _more(self) -> None:
        left = self._end - time.monotonic()
        wait = max(0.0, min(self._silent_s, left))
        if not self._poll.poll(1000 * wait):
            raise self._broken(f"nothing came from it for {wait:.0f} s" if left > wait else "it took too long")
        chunk = os.read(self._fd, CHUNK)
        if not chunk:
            raise self._broken("its connection ended")
        self._buffer += chunk

    def _broken(self, why: str) -> BrokenStreamError:
        self.why = why
        return BrokenStreamError(why)
