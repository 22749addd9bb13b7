"""What runs on a worker: it finds Ansible there, keeps a folder of its own, and ends whatever outlives its controller.

Sent over SSH with every order, and run by the worker's own Python (3.8 or newer, standard library alone). The order is
a line of JSON on standard input; the answer is one on standard output. Only ``work`` goes on: behind the order come the
stream of ``ansible-runner transmit`` and then a byte now and then, a sign of life; what comes back is the stream of
``ansible-runner worker``.

Secrets stand in the order, stay in the memory of this process, and are handed over as on the control machine, through
a socket: they are in no file, argument or environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from netplan.rollout.transport.secret_socket import FOREIGN, LINK, Handover

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

PREFIX = "ipsecplan-worker-"
STALE_S = 6 * 3600  # nothing has been asked of its owner's worker for so long
ROOM = 256 * 2**20  # bytes that a folder in memory should have
DEATH_SIGNAL, DUMPABLE, SUBREAPER = 1, 4, 36  # of prctl(2)
LOOK_S = 60  # for a program to tell its version


def main(stream: IO[bytes], out: IO[bytes]) -> int:
    """Do one order. Whatever is wrong is an answer: ``{"wrong": "..."}``."""
    order: dict[str, Any] = json.loads(stream.readline())
    try:
        if order["do"] == "work":
            return _work(order, stream)
        answer = _look(order) if order["do"] == "look" else _end(order)
    except OSError as error:
        answer = {"wrong": f"{error.filename or 'the worker'}: {error.strerror}"}
    out.write(json.dumps(answer).encode() + b"\n")
    out.flush()
    return 0


def _look(order: dict[str, Any]) -> dict[str, Any]:
    """Return the versions of ansible-runner and ansible-core (absent: not found), and a folder made for this run."""
    path = _path(order)
    found: dict[str, Any] = {}
    for name, program, words in (
        ("runner", "ansible-runner", r"(\d[\w.]*)"),
        ("core", "ansible-playbook", r"\[core (\d[\w.]*)\]"),
    ):
        where = shutil.which(program, path=path)
        if where is None:
            continue
        done = subprocess.run(
            [where, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(path, tempfile.gettempdir()),
            timeout=LOOK_S,
            check=False,
        )
        said = re.search(words, done.stdout.decode("utf-8", "replace"))
        found[name] = said.group(1) if said else "?"
    if len(found) < 2:
        return found
    parent = _parent()
    _remove_stale(parent)
    found["folder"] = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
    return found


def _parent() -> str:
    """Return where folders are made: root's in memory, where there is room. No secret is in them, see the module.

    Of other users logind removes what they have in /dev/shm when their last session ends, such as ours behind a step.
    """
    with contextlib.suppress(OSError):
        room = os.statvfs("/dev/shm")  # noqa: S108  a folder of our own is made in it, 0700
        if os.geteuid() == 0 and room.f_bavail * room.f_frsize > ROOM:
            return "/dev/shm"  # noqa: S108
    return "/tmp"  # noqa: S108  short: paths of sockets are made in it


def _remove_stale(parent: str) -> None:
    """Remove folders of runs that nobody ended: this machine or its controller was cut off."""
    for entry in os.scandir(parent):
        with contextlib.suppress(OSError):
            about = entry.stat(follow_symlinks=False)
            old = time.time() - about.st_mtime > STALE_S
            if entry.name.startswith(PREFIX) and about.st_uid == os.geteuid() and old and not entry.is_symlink():
                shutil.rmtree(entry.path)


def _end(order: dict[str, Any]) -> dict[str, Any]:
    """Remove the folder of a run; what a killed run has left at work in it is ended before."""
    with contextlib.suppress(FileNotFoundError):
        folder = _own(order["folder"])
        mark = os.fsencode(f"TMPDIR={folder}")
        for _ in range(100):
            found = [pid for pid in _processes() if mark in _settings(pid)]
            if not found:
                break
            _kill(found)
        shutil.rmtree(folder)
    return {"ended": "yes"}


def _own(name: str) -> Path:
    """Return a folder that is one of ours. Raises OSError."""
    folder = Path(name)
    if not folder.name.startswith(PREFIX) or folder.lstat().st_uid != os.geteuid():
        raise PermissionError(1, "is not a worker's folder of this user", name)
    return folder


def _path(order: dict[str, Any]) -> str:
    return os.pathsep.join([*map(os.path.expanduser, order["places"]), os.environ.get("PATH", os.defpath)])


def _environment(path: str, temporary: str) -> dict[str, str]:
    """Return the environment of Ansible: nothing of this login's settings, temporary files in the run's own folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "PATH": path, "TMPDIR": temporary, "LC_ALL": "C.UTF-8"}


def _work(order: dict[str, Any], stream: IO[bytes]) -> int:
    """Run ``ansible-runner worker`` on what follows on the stream, for as long as the controller is heard of.

    ``beat_s``: so often, in seconds, the runner says that it is alive. ``silent_s``: when nothing came for so long,
    everything is ended, as it is at the end of the stream.
    """
    folder = _own(order["folder"])
    run = folder / order["run"]
    run.mkdir(0o700)
    prctl = ctypes.CDLL(None).prctl
    prctl(DUMPABLE, 0, 0, 0, 0)  # no core, and no look into our memory by other processes of this user
    prctl(SUBREAPER, 1, 0, 0, 0)  # forks of Ansible that lose their parent become our children: see `_kill_all`
    path = _path(order)
    program = shutil.which("ansible-runner", path=path) or "ansible-runner"
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):  # before there is a child that would be left behind
        signal.signal(number, lambda *_: over.set())
    child = subprocess.Popen(
        [program, "worker", "--private-data-dir", str(folder), "--keepalive-seconds", str(int(order["beat_s"]))],
        stdin=subprocess.PIPE,
        bufsize=0,
        env=_environment(path, str(folder)),
        preexec_fn=lambda: prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0),  # there is no thread yet
    )
    with contextlib.ExitStack() as stack:
        if order["secret"] or order["passwords"]:
            secret = {name: text.encode() for name, text in order["secret"].items()}
            passwords = {name: text.encode("utf-8", "surrogateescape") for name, text in order["passwords"].items()}
            hand = stack.enter_context(Handover(run, secret, passwords))
            (run / LINK).symlink_to(hand.path)
        gone = _watched(child, stream, float(order["silent_s"]), over)
        if gone:
            _kill_all()
    for left in [folder] if gone else [run, folder / "artifacts"]:
        shutil.rmtree(left, ignore_errors=True)
    return child.wait()


def _watched(child: subprocess.Popen[bytes], stream: IO[bytes], silent_s: float, over: threading.Event) -> bool:
    """Hand the stream on until the child ends; return whether its controller was gone before, or ``over`` was set."""
    heard = [time.monotonic()]

    def relay() -> None:
        while True:
            data = stream.read1(1 << 16)  # type: ignore[attr-defined]
            if not data:
                break
            heard[0] = time.monotonic()
            with contextlib.suppress(OSError):
                child.stdin.write(data)  # type: ignore[union-attr]
        over.set()

    threading.Thread(target=relay, daemon=True).start()
    while child.poll() is None:
        if over.is_set() or time.monotonic() - heard[0] > silent_s:
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.2)
    return False


def _kill_all() -> None:
    """End every process that began here: Ansible's have sessions of their own, so no group of processes has them all.

    What daemonized itself is among them: connections to nodes that ssh keeps open.
    """
    for _ in range(100):
        found = _below(os.getpid())
        if not found:
            return
        _kill(found)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _kill(found: list[int]) -> None:
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.02)


def _processes() -> list[int]:
    return [int(process.name) for process in Path("/proc").glob("[1-9]*")]


def _settings(pid: int) -> list[bytes]:
    """Return the environment of a process, nothing of one that is gone or somebody else's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _below(root: int) -> list[int]:
    """Return the processes below one, itself not included; those that have ended are none."""
    parents = {}
    for pid in _processes():
        with contextlib.suppress(OSError, ValueError):
            text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
            state, parent = text.rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[pid] = int(parent)
    found, level = [], [root]
    while level:
        level = [pid for pid, parent in parents.items() if parent in level]
        found += level
    return found
