"""Commands as argument lists, files that are never half-written, findings that carry a code and a hint."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..protocol.reply import Finding
    from ..protocol.words import Json, Severity

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "LANG": "C"}


class Stop(Exception):
    """A phase failed on this node; carries its findings."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("; ".join(f["message"] for f in findings))
        self.findings = list(findings)


class Waiting(Stop):
    """A phase has done its own part and lacks others': ``peers`` are their ids, each once. It is to be asked again."""

    def __init__(self, peers: Iterable[str]) -> None:
        super().__init__()
        self.peers = sorted(set(peers))


def counted(number: int, noun: str, many: str = "") -> str:
    """Return a number with its noun, as :func:`netplan.problems.counted` does."""
    return f"{number} {noun if number == 1 else many or f'{noun}s'}"


def finding(code: str, message: str, hint: str | None = None, severity: Severity = "error") -> Finding:
    """Return one finding as the controller's Problem wants it."""
    return {"code": code, "message": message, "hint": hint, "severity": severity}


class Done:
    """What a command left: exit code and both outputs as text."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def said(self) -> str:
        """The last line of what it said, for a message."""
        lines = [line for line in (self.err + "\n" + self.out).splitlines() if line.strip()]
        return lines[-1].strip()[:200] if lines else "no output"


# Longest wait for a command that ends at once on a healthy node. Only what hangs should meet it, not what is slow: on a
# busy node 0.5 s a command were seen, and 20 s for one of charon's. What hangs under a timer is ended by that anyway.
COMMAND_S = 180.0


def run(
    *argv: object, timeout: float = COMMAND_S, stdin: bytes | None = None, env: dict[str, str] | None = None
) -> Done:
    """Run a command given as words; never raises for its exit code. 124 after ``timeout`` seconds, 127 if missing."""
    try:
        done = subprocess.run(
            [str(a) for a in argv],
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env={**ENV, **(env or {})},
            cwd="/",
            check=False,
        )
    except FileNotFoundError:
        return Done(127, "", f"{argv[0]}: not found")
    except subprocess.TimeoutExpired:
        return Done(124, "", f"{argv[0]}: no answer in {timeout:g} s")
    return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def run_json(*argv: object) -> list[Json]:
    """Run a command that prints a JSON list of objects; return them, none when it fails or prints nothing.

    Raises Stop when what it prints is no such list.
    """
    done = run(*argv)
    if done.code != 0 or not done.out.strip():
        return []
    try:
        found = json.loads(done.out)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise Stop(finding("IPP610", f"{' '.join(map(str, argv[:4]))} printed what is no list of objects"))
    return [entry for entry in found if entry]  # iproute2 prints an empty object for what it filters out


def must(*argv: object, **options: Any) -> Done:
    """Run a command and stop the phase when it fails."""
    done = run(*argv, **options)
    if done.code != 0:
        raise Stop(finding("IPP610", f"{' '.join(map(str, argv[:4]))} failed (exit {done.code}): {done.said}"))
    return done


def which(name: str) -> str | None:
    """Return the path of a program on the fixed search path, or None."""
    for folder in ENV["PATH"].split(":"):
        path = folder + "/" + name
        if os.access(path, os.X_OK):
            return path
    return None


def read(path: str, default: str | None = None) -> Any:
    """Return the text of a file, or ``default`` when it does not exist."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return default


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes as hex."""
    import importlib  # imports are a third of what a round trip costs on a slow node: late where not always needed

    for name in ("_sha2", "_sha256"):  # what hashlib has besides brings OpenSSL with it; from 3.12, and before
        with contextlib.suppress(ImportError):
            return str(importlib.import_module(name).sha256(data).hexdigest())
    import hashlib

    return hashlib.sha256(data).hexdigest()


def digest(path: str) -> str | None:
    """Return the SHA-256 of a regular file as hex, or None when there is none."""
    try:
        with open(path, "rb") as file:
            return sha256(file.read())
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def write(path: str, data: str | bytes, mode: int = 0o600, uid: int = 0, gid: int = 0) -> bool:
    """Put ``data`` at ``path`` in one step: a temporary file beside it, fsync, rename. True when content changed."""
    if isinstance(data, str):
        data = data.encode()
    with contextlib.suppress(FileNotFoundError, IsADirectoryError):
        with open(path, "rb") as file:
            same = file.read() == data
        at = os.lstat(path)
        if same and (at.st_mode & 0o7777, at.st_uid, at.st_gid) == (mode, uid, gid) and not os.path.islink(path):
            return False
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    temporary = f"{folder}/.ipsecplan-{os.getpid()}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fchmod(handle, mode)
        os.fchown(handle, uid, gid)
        os.fsync(handle)
    except BaseException:
        os.close(handle)
        os.unlink(temporary)
        raise
    os.close(handle)
    os.rename(temporary, path)
    sync_folder(folder)
    return True


def sync_folder(folder: str) -> None:
    """Make a rename or an unlink in ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: str) -> bool:
    """Remove a file if it is there. True when it was."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    sync_folder(os.path.dirname(path))
    return True


def wait(check: Callable[[], Any], seconds: float, pause: float = 0.25) -> Any:
    """Call ``check`` until it returns something true or ``seconds`` are over; return its last answer."""
    end = time.monotonic() + seconds
    while True:
        answer = check()
        if answer or time.monotonic() >= end:
            return answer
        time.sleep(pause)


def now() -> str:
    """Return the UTC time for people and for the state file."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def each(work: Callable[[Any], Any], items: Iterable[Any], threads: int = 8) -> list[Any]:
    """Call ``work`` for every item, some at a time; return the answers in order. An exception of one is raised."""
    items = list(items)
    if len(items) < 2:
        return [work(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        return list(pool.map(work, items))


@contextlib.contextmanager
def locked(path: str, seconds: float, busy: Finding) -> Iterator[None]:
    """Hold the lock file ``path``; raises Stop with the finding ``busy`` when it is not free within ``seconds``."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path, "w", encoding="ascii") as lock:

        def taken() -> bool:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            return False

        if not wait(taken, seconds):
            raise Stop(busy)
        yield
