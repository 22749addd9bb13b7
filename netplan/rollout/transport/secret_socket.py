"""How a step keeps secrets to itself: they go to Ansible through a socket, and the caller's environment stays out.

A request with pre-shared keys is on no disk, not even for a moment: the action plugin asks for it. So does a look-up
for the password with which a login becomes root. When this process is killed the socket is dead, and with it both.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

NAME = "hand"
LINK = "handover"  # in a step's directory: leads to the socket, whose own path has to be short
PASSWORD = "password:"  # noqa: S105  before a node's id, where its login's password is asked for
PATIENCE_S = 60.0  # for a worker of Ansible on this machine, which may be starved, to say which node it is
FOREIGN = ("ANSIBLE_", "AWX_", "RUNNER_")


class Handover:
    """Gives each request once, to whoever can reach a socket in a folder that is ours alone; a context manager.

    ``passwords``: node id -> the password of its login, given as often as Ansible connects.
    """

    def __init__(
        self, folder: Path, requests: Mapping[str, bytes], passwords: Mapping[str, bytes] = MappingProxyType({})
    ) -> None:
        self.path, self._left = folder / NAME, dict(requests)
        self._passwords = {f"{PASSWORD}{node_id}": password for node_id, password in passwords.items()}
        self._socket = socket.socket(socket.AF_UNIX)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Handover:
        self.path.unlink(missing_ok=True)
        self._socket.bind(str(self.path))
        self._socket.listen(64)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.clear()
        self._passwords.clear()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.path))  # wakes `accept`; an empty name ends it
            last.shutdown(socket.SHUT_WR)
            self._thread.join(PATIENCE_S)
        self._socket.close()
        self.path.unlink(missing_ok=True)

    def _serve(self) -> None:
        name = "?"
        while name:
            asks, _ = self._socket.accept()
            with asks, contextlib.suppress(OSError):
                asks.settimeout(PATIENCE_S)
                name = asks.recv(256).decode("ascii", "replace")
                asks.sendall(self._passwords.get(name) or self._left.pop(name, b""))


@contextlib.contextmanager
def own_environment() -> Iterator[None]:
    """Take the caller's settings of Ansible out of the environment: none may raise its verbosity or write a log.

    ``no_log`` is in the play; this keeps out what goes round it (debug output, callbacks, plugins). Who a node is
    reached as is said by the inventory alone, see decision 10.
    """
    away = {name: value for name, value in os.environ.items() if name.startswith(FOREIGN)}
    for name in away:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(away)
