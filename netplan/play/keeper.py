"""The process that keeps an engine for a play: it reads what is wanted on standard input, says on standard output where
its socket is, and serves the play's tasks there, one line of JSON each.

It lives no longer than ansible-playbook. Where that is gone all of a sudden, this process ends at once as well, and
the nodes' timers do the rest, as with a killed command line; where a task is interrupted (Ctrl-C), all is rolled back.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from netplan.play.gate import Gate, words
from netplan.play.runs import Run
from netplan.play.wanted import parse, refused
from netplan.problems import ExitCode, ProblemError
from netplan.rollout.record.private import hide_memory
from netplan.rollout.transport.ansible import own_folder

NAME = "play"
MOST_LINE = 1 << 20
INTERRUPTED_S = 3.0  # after Ctrl-C the task ends before, or soon after, its play


def main() -> None:
    """Serve one run, from its request on standard input to the end of the play."""
    hide_memory()
    folder: Path | None = None
    try:
        wanted = parse(sys.stdin.readline(MOST_LINE))
        watched = _watched(wanted.watch)
        folder = own_folder()
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(folder / NAME))
        server.listen(64)
    except ProblemError as error:
        _say({"problems": [problem.as_json() for problem in error.problems], "lines": _lines(error)})
        raise SystemExit(int(error.exit_code)) from None
    gate = Gate(threading.Event())
    run = Run(wanted, gate)
    _say({"socket": str(folder / NAME)})
    _detach()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: gate.cancelled.set())
    keeper = Keeper(run, server)
    threading.Thread(target=_watch, args=(watched, gate, folder), daemon=True).start()
    threading.Thread(target=keeper.serve, daemon=True).start()
    try:
        run.go()
        # tasks that come later are told how it ended; the last one says that there are none
        while not keeper.told.wait(1.0) and not gate.cancelled.is_set():
            pass
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lines(error: ProblemError) -> list[str]:
    return [line for problem in error.problems for line in problem.lines()]


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _detach() -> None:
    """Let go of the task's pipes, which nobody reads any more."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(nowhere, handle)


def _watched(pid: int) -> int:
    """Return a handle of the process without which nothing goes on. Raises ProblemError."""
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        raise refused(f"the process {pid} that is to be watched: {error.strerror}") from None


def _watch(handle: int, gate: Gate, folder: Path) -> None:
    """End this process when the play's is gone, unless nodes are being taken back in order already."""
    with contextlib.suppress(OSError):
        select.select([handle], [], [])
        if not gate.cancelled.wait(INTERRUPTED_S) and not gate.over:
            shutil.rmtree(folder, ignore_errors=True)
            os.kill(os.getpid(), signal.SIGKILL)
        gate.cancelled.set()


class Keeper:
    """Answers the tasks of a play. ``told``: set when the last one has heard how it ended."""

    def __init__(self, run: Run, server: socket.socket) -> None:
        self.run, self.server, self.told = run, server, threading.Event()

    def serve(self) -> None:
        """Take one task after the other, each in a thread of its own."""
        while True:
            client, _ = self.server.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, ValueError):
            with client.makefile("rb") as lines:
                asked = json.loads(lines.readline(MOST_LINE))
            answer = self.answer(asked, lambda: _there(client))
            client.sendall(json.dumps(answer).encode() + b"\n")
            if asked.get("act") == "end":
                self.told.set()

    def answer(self, asked: dict[str, Any], alive: Callable[[], bool]) -> dict[str, Any]:
        """Return what a task is told, when it is time for it."""
        act, gate = asked.get("act"), self.run.gate
        if act == "begin":
            gate.until_it_waits(alive)
            return self._begun()
        if act == "end":
            gate.free()
            gate.until_over(alive)
            return {**self._ended(), "raised": bool(self.run.outcome and self.run.outcome.raised)}
        phase, host = str(asked.get("phase")), str(asked.get("host"))
        gate.ask(str(asked.get("task")), phase, alive)
        return self._of_host(phase, host)

    def _begun(self) -> dict[str, Any]:
        run = self.run
        found = run.question or run.outcome
        return {
            **self._ended(),
            "open": not run.gate.over,
            "changes": found.changes if found else 0,
            "asks": run.asks,
            "prepared": run.prepared,
            "before": run.before,
            "after": run.after,
            "file": run.file,
        }

    def _ended(self) -> dict[str, Any]:
        run = self.run
        problems = [*run.problems, *(run.outcome.problems if run.outcome else [])]
        return {
            "outcome": run.outcome.outcome if run.outcome else "open",
            "exit_code": int(run.code),
            "failed": run.code != ExitCode.OK,
            "lines": run.said,
            "transaction": run.transaction,
            "until": run.outcome.until if run.outcome else "",
            "problems": [problem.as_json() for problem in problems],
            "problem_lines": [line for problem in problems for line in problem.lines()],
            "nodes": sorted(run.names.values()),
        }

    def _of_host(self, phase: str, host: str) -> dict[str, Any]:
        run = self.run
        known = host in run.names.values()
        result = run.gate.answer(phase, host)
        return {
            **words(result),
            **run.hosts.get(host, {}),
            "known": known,
            "happened": result is not None,
            "changed": run.gate.has_changed(phase, host),
            "ended": self._ended() if run.gate.over else None,
        }


def _there(client: socket.socket) -> bool:
    """Tell whether the other end of a connection still listens."""
    try:
        return bool(client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True
    except OSError:
        return False
