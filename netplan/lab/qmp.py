"""A client of QEMU's machine protocol (QMP): one JSON object a line over a Unix socket."""

from __future__ import annotations

import array
import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from netplan.problems import ExitCode, fail

_MONITOR = "the virtual machine's monitor"


class Qmp:
    """One connection. QEMU serves a single client at a time, so open it, use it, close it."""

    def __init__(self, path: Path, limit: float = 120.0) -> None:
        """Connect within ``limit`` seconds; that is also the longest wait for one answer."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(limit)
        # A socket's path may be 107 bytes long at most, a folder's may be longer: go there by descriptor.
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._connect(f"/proc/self/fd/{folder}/{path.name}", limit)
            self._lines = self._socket.makefile("r", encoding="utf-8")
            self._read()  # greeting
            self.command("qmp_capabilities")
        except OSError as error:
            self._socket.close()
            fail("IPP805", f"{_MONITOR}: {error}", exit_code=ExitCode.FAILURE, cause=error)
        finally:
            os.close(folder)

    def _connect(self, path: str, limit: float) -> None:
        deadline = time.monotonic() + limit
        while True:
            try:
                self._socket.connect(path)
                return
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def __enter__(self) -> Qmp:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._socket.close()

    def command(self, execute: str, *, descriptor: int | None = None, **arguments: Any) -> Any:
        """Run a command and return its result; ``descriptor`` is handed over with it (for ``getfd``)."""
        message = json.dumps({"execute": execute, "arguments": arguments}).encode() + b"\n"
        extra = []
        if descriptor is not None:
            extra.append((socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor])))
        try:
            self._socket.sendmsg([message], extra)
            while True:
                answer = self._read()
                if "return" in answer:
                    return answer["return"]
                if "error" in answer:
                    fail("IPP805", f"{_MONITOR}: {execute}: {answer['error'].get('desc')}", exit_code=ExitCode.FAILURE)
        except (OSError, ValueError) as error:
            fail("IPP805", f"{_MONITOR}: {execute}: {error}", exit_code=ExitCode.FAILURE, cause=error)

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            fail("IPP805", f"{_MONITOR}: the connection ended", exit_code=ExitCode.FAILURE)
        answer = json.loads(line)
        return answer if isinstance(answer, dict) else {}
