"""Workers on this machine: ``ssh`` is a program of ours that stands for the way there, and for nodes; the rest is real.

For a worker it runs the command here, as sshd would, and keeps its process id. For a node (192.0.2.x) it plays an agent
to which everything is well.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netplan.rollout.nodes.targets import Target
from netplan.rollout.transport.reply import Answer
from netplan.rollout.transport.workers import WorkersTransport

SSH = """#!{python} -I
import json, os, sys, time, zlib
from pathlib import Path
root, words = Path({root!r}), sys.argv[1:]
worker = os.environ.get("PLAYED_WORKER", "")
if words[-1].startswith("exec python3 -I -c "):
    name = words[-2]
    (root / (name + ".words")).write_text(json.dumps(words))
    played = root / (name + ".sh")
    (root / (name + ".pids")).open("a").write(str(os.getpid()) + " ")
    os.environ["PLAYED_WORKER"] = name
    os.execv("/bin/sh", ["sh", "-c", words[-1]] if not played.exists() else ["sh", str(played)])
host = next(word for word in words if word.startswith("192.0.2."))
if (root / (host + ".gone-" + worker)).exists():
    print("ssh: connect to host " + host + " port 22: No route to host", file=sys.stderr)
    sys.exit(255)
stream = sys.stdin.buffer
header = json.loads(stream.readline())
stream.read(header["code"] + header["about"])
request = json.loads(zlib.decompress(stream.read(header["request"])))
stream.read()
turn = request.get("lease", {{}}).get("turn", 0)
with (root / (host + ".log")).open("a") as log:
    log.write(json.dumps([worker, request["phases"], turn, header["code"] > 0]) + "\\n")
end = time.time() + 60
while (root / ("hangs-" + worker)).exists() and time.time() < end:
    time.sleep(0.05)
about = {{"ok": True, "changed": True, "detail": "played", "findings": [], "seconds": 0.01}}
results = [{{"phase": phase, **about}} for phase in request["phases"]]
print("\\nIPSECPLAN-RESULT " + json.dumps({{"results": results, "clock": 1.0, "wall": time.time()}}))
"""


class Played:
    """Nodes ``n-...0`` and so on at 192.0.2.1 and so on, and what has become of them."""

    def __init__(self, root: Path, number: int, **connection: object) -> None:
        self.root = root
        ids = [f"n-{n:012x}" for n in range(number)]
        self.targets = {
            i: Target(
                i,
                f"web{n}",
                "0" * 64,
                {"id": i, "peers": []},
                (),
                {},
                {"ansible_host": f"192.0.2.{n + 1}", **connection},
            )  # type: ignore[typeddict-item]
            for n, i in enumerate(ids)
        }
        self.arrived: list[str] = []
        self.events: list[Any] = []

    def step(self, transport: WorkersTransport, *phases: str, **more: object) -> dict[str, Answer]:
        """Ask every node for phases that change something."""
        transport.told = self.events.append
        lease = {"owner": "a" * 16, "who": "test", "epoch": 1, "seconds": 60, "steal": False}
        requests: dict[str, Any] = {
            i: {"phases": list(phases), "node": target.node, "lease": lease, **more}
            for i, target in self.targets.items()
        }
        return transport.step(
            requests, self.targets, payload=False, fresh=False, arrived=lambda i, _: self.arrived.append(i)
        )

    def log(self, number: int) -> list[list[Any]]:
        """Return what one node was asked: by which worker, which phases, the turn, whether the code came along."""
        path = self.root / f"192.0.2.{number + 1}.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def pids(self, worker: str) -> list[int]:
        """Return the processes that stood for sshd's, oldest first."""
        return [int(word) for word in (self.root / f"{worker}.pids").read_text().split()]


def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int = 2, **connection: object) -> Played:
    """Put ``ssh`` on the PATH; the worker's Ansible is the one of this Python."""
    programs, root = tmp_path / "bin", tmp_path / "played"
    for folder in (programs, root, tmp_path / "tmp"):
        folder.mkdir()
    program(programs / "ssh", SSH.format(python=sys.executable, root=str(root)))
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return Played(root, number, **connection)


def program(path: Path, text: str) -> None:
    """Write a program."""
    path.write_text(text)
    path.chmod(0o755)


@contextmanager
def workers(
    names: Sequence[str] = ("w1", "w2"), passwords: dict[str, bytes] | None = None
) -> Iterator[WorkersTransport]:
    """Open a transport with workers; afterwards nothing of it is left."""
    with WorkersTransport(names, passwords or {}) as transport:
        yield transport
        folders = [Path(worker.folder) for worker in transport.workers]
    assert [folder for folder in folders if folder.exists()] == []


def until(condition: Any, seconds: float = 60) -> None:
    """Wait for something, so long at most."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
