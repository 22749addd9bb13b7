"""SSH to the nodes of a lab, over one kept connection a node. The lab's folder has the ssh_config."""

from __future__ import annotations

import contextlib
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from netplan.lab.config import GUEST
from netplan.lab.guest_config import KeyPair
from netplan.lab.paths import write
from netplan.problems import ExitCode, fail

KEY_FILE = "id_ed25519"
KNOWN_HOSTS = "known_hosts"
CONFIG = "ssh_config"


class Ssh:
    """SSH with the keys and names in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write_files(self, client: KeyPair, host_keys: Mapping[str, str], ports: Mapping[str, int]) -> None:
        """Write key, known hosts and ssh_config. ``host_keys`` are public keys, known before anything was contacted."""
        write(self.folder / KEY_FILE, client.private)
        write(self.folder / f"{KEY_FILE}.pub", client.public + "\n")
        known = "".join(f"[127.0.0.1]:{ports[name]} {key}\n" for name, key in host_keys.items())
        write(self.folder / KNOWN_HOSTS, known)
        blocks = [f"Host {name}\n  Port {port}\n" for name, port in ports.items()]
        common = "".join(f"  {line}\n" for line in self.options())
        blocks.append(f"Host {' '.join(ports)}\n  HostName 127.0.0.1\n  User root\n{common}")
        write(self.folder / CONFIG, "".join(blocks))

    def options(self) -> list[str]:
        """Return the lines of ssh_config that say whom to trust; Ansible gets the same."""
        return [
            f"IdentityFile {self.folder / KEY_FILE}",
            "IdentitiesOnly yes",
            f"UserKnownHostsFile {self.folder / KNOWN_HOSTS}",
            "GlobalKnownHostsFile /dev/null",
            "StrictHostKeyChecking yes",
            "UpdateHostKeys no",
            "BatchMode yes",
            "ConnectTimeout 120",  # a node of a busy machine takes its time to greet
            "ServerAliveInterval 10",
            "ServerAliveCountMax 12",
            "LogLevel ERROR",
        ]

    def argv(self, node: str, command: Sequence[str], *, keep: bool = True, options: Iterable[str] = ()) -> list[str]:
        """Return the ssh command line; run it in :attr:`folder`. ``keep`` uses and leaves a shared connection.

        The socket's path is relative because an absolute one may be longer than a socket's path can be.
        """
        master = ("auto", "ctl-%n", "60") if keep else ("no", "none", "no")
        given = [f"ControlMaster={master[0]}", f"ControlPath={master[1]}", f"ControlPersist={master[2]}", *options]
        words = [word for option in given for word in ("-o", option)]
        return ["ssh", "-F", CONFIG, *words, node, "--", shlex.join(command)]

    def run(
        self,
        node: str,
        command: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float = 900.0,
        keep: bool = True,
        options: Iterable[str] = (),
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command on a node and return its output; ssh's own failure to connect is status 255."""
        feed: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        return subprocess.run(
            self.argv(node, command, keep=keep, options=options),
            cwd=self.folder,
            capture_output=True,
            timeout=timeout,
            check=False,
            **feed,
        )

    def spawn(
        self, node: str, command: Sequence[str], stdout: IO[bytes] | int = subprocess.PIPE
    ) -> subprocess.Popen[bytes]:
        """Start a command on a node and return at once; it ends with its connection, so the caller must end it."""
        return subprocess.Popen(
            self.argv(node, command, keep=False),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.DEVNULL if stdout is subprocess.PIPE else stdout,
        )

    def wait(self, names: Sequence[str], command: Sequence[str], limit: float, *, keep: bool = True) -> None:
        """Wait until ``command`` succeeds on every node, asking all at the same time, at most ``limit`` seconds."""
        deadline = time.monotonic() + limit
        stop = threading.Event()
        with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
            try:
                tasks = {name: pool.submit(self._until, name, command, deadline, keep, stop) for name in names}
                futures.wait(tasks.values())
            finally:
                stop.set()  # Ctrl-C: nobody goes on asking
        late = {name: complaint for name, task in tasks.items() if (complaint := task.result()) is not None}
        if late:
            name, complaint = next(iter(late.items()))
            fail(
                "IPP805",
                f"no answer over SSH from {', '.join(late)} in {limit:.0f} s; {name} said: {complaint}",
                exit_code=ExitCode.UNREACHABLE,
            )

    def _until(
        self, name: str, command: Sequence[str], deadline: float, keep: bool, stop: threading.Event
    ) -> str | None:
        # A node that is about to come up may never answer the first try, one on a busy machine not the shortest one
        complaint, patience = "nothing", 10.0
        while (left := deadline - time.monotonic()) > 0 and not stop.is_set():
            options = [f"ConnectTimeout={patience:.0f}"]
            with contextlib.suppress(subprocess.TimeoutExpired):
                done = self.run(name, command, timeout=max(1.0, min(3 * patience, left)), keep=keep, options=options)
                if done.returncode == 0:
                    return None
                complaint = (done.stderr or done.stdout).decode(errors="replace").strip() or f"status {done.returncode}"
            patience = min(2 * patience, 120.0)
            time.sleep(0.1)
        return complaint

    def close(self, node: str = "*") -> None:
        """End the kept connections (to one node), so that no saved machine remembers them."""
        for kept in self.folder.glob(f"ctl-{node}"):
            name = kept.name.removeprefix("ctl-")
            argv = ["ssh", "-F", CONFIG, "-o", f"ControlPath=ctl-{name}", "-O", "exit", name]
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(argv, cwd=self.folder, capture_output=True, timeout=10, check=False)
            kept.unlink(missing_ok=True)


def names_with_guest(names: Iterable[str]) -> list[str]:
    """Return the guest's name and the nodes' names, the order ports are given in."""
    return [GUEST, *names]


def free_ports(names: Sequence[str]) -> dict[str, int]:
    """Return a free port of 127.0.0.1 for each name, each port once: all are bound until the last is found."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) for _ in names]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in zip(names, sockets, strict=True)}
