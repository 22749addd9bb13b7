"""Commands as argument lists, files that are never half-written, findings that carry a code and a hint."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "LANG": "C"}


class Stop(Exception):
    """A phase failed on this node; carries the findings as dicts (code, message, hint)."""

    def __init__(self, *findings):
        super().__init__("; ".join(f["message"] for f in findings))
        self.findings = list(findings)


def finding(code, message, hint=None, severity="error"):
    """Return one finding as the controller's Problem wants it."""
    return {"code": code, "message": message, "hint": hint, "severity": severity}


class Done:
    """What a command left: exit code and both outputs as text."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def said(self):
        """The last line of what it said, for a message."""
        lines = [line for line in (self.err + "\n" + self.out).splitlines() if line.strip()]
        return lines[-1].strip()[:200] if lines else "no output"


def run(*argv, timeout=20, stdin=None, env=None):
    """Run a command given as words; never raises for its exit code. 124 after ``timeout`` seconds, 127 if missing."""
    try:
        done = subprocess.run(
            [str(a) for a in argv],
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout,
            env={**ENV, **(env or {})},
            cwd="/",
            check=False,
        )
    except FileNotFoundError:
        return Done(127, "", "%s: not found" % argv[0])
    except subprocess.TimeoutExpired:
        return Done(124, "", "%s: no answer in %s s" % (argv[0], timeout))
    return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def must(*argv, **options):
    """Run a command and stop the phase when it fails."""
    done = run(*argv, **options)
    if done.code != 0:
        raise Stop(finding("IPP610", "%s failed (exit %d): %s" % (" ".join(map(str, argv[:4])), done.code, done.said)))
    return done


def which(name):
    """Return the path of a program on the fixed search path, or None."""
    for folder in ENV["PATH"].split(":"):
        path = folder + "/" + name
        if os.access(path, os.X_OK):
            return path
    return None


def read(path, default=None):
    """Return the text of a file, or ``default`` when it does not exist."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return default


def sha256(data):
    """Return the SHA-256 of bytes as hex."""
    import hashlib  # imports are a third of what a round trip costs on a slow node: late where not always needed

    return hashlib.sha256(data).hexdigest()


def digest(path):
    """Return the SHA-256 of a regular file as hex, or None when there is none."""
    try:
        with open(path, "rb") as file:
            return sha256(file.read())
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def write(path, data, mode=0o600, uid=0, gid=0):
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
    temporary = "%s/.ipsecplan-%d.tmp" % (folder, os.getpid())
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


def sync_folder(folder):
    """Make a rename or an unlink in ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path):
    """Remove a file if it is there. True when it was."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    sync_folder(os.path.dirname(path))
    return True


def wait(check, seconds, pause=0.25):
    """Call ``check`` until it returns something true or ``seconds`` are over; return its last answer."""
    end = time.monotonic() + seconds
    while True:
        answer = check()
        if answer or time.monotonic() >= end:
            return answer
        time.sleep(pause)


def now():
    """Return the UTC time for people and for the state file."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def each(work, items, threads=8):
    """Call ``work`` for every item, some at a time; return the answers in order. An exception of one is raised."""
    items = list(items)
    answers, failed, left = [None] * len(items), [], list(enumerate(items))[::-1]

    def take():
        while left and not failed:
            try:
                number, item = left.pop()
            except IndexError:
                return
            try:
                answers[number] = work(item)
            except Exception as error:  # noqa: BLE001  carried to the caller's thread
                failed.append(error)

    workers = [threading.Thread(target=take) for _ in range(min(threads, len(items)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failed:
        raise failed[0]
    return answers
