"""The control machine's end of one worker: orders over SSH, ansible-runner's transmit and process around its stream.

``ssh`` is started with a list of words; no shell of ours sees a name that somebody chose, and the worker's shell sees
nothing but a program of fixed words. It has a session of its own: Ctrl-C at our terminal is for us to act on.
"""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from netplan.problems import DefectError, printable
from netplan.rollout.pace import Limits
from netplan.rollout.transport import secret_socket, worker_side
from netplan.rollout.transport.worker_stream import Stream

LOADER = "import sys;exec(sys.stdin.buffer.read(int(sys.argv[1])))"
PLACES = (str(Path(sys.executable).parent), "~/ipsecplan/bin", "~/.local/bin")  # where Ansible may be, before the PATH
END_S = 15.0  # for a worker to end after its last word
ORDER_S = 90.0  # for a short order, Ansible's start twice included
MOST_SAID = 1 << 14
ENDED = """
for name, text in MODULES.items():
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    exec(compile(text, name, "exec"), module.__dict__)
# past Python's own end, which aborts where a thread still reads standard input
os._exit(sys.modules["netplan.rollout.transport.worker_side"].main(sys.stdin.buffer, sys.stdout.buffer))
"""


@functools.cache
def program() -> bytes:
    """Return the program that a worker's Python is given on its standard input: modules of ours, and their start."""
    sent = {"netplan": "", "netplan.rollout": "", "netplan.rollout.transport": ""}
    for module in (secret_socket, worker_side):
        sent[module.__name__] = Path(str(module.__file__)).read_text(encoding="utf-8")
    return f"import os, sys, types\nMODULES = {sent!r}{ENDED}".encode()


def words(where: str, connect_s: int) -> list[str]:
    """Return the words of the ssh that reaches a worker; it asks no question, since nobody may be there to answer.

    Whatever the user's settings say, its host key has to be known: keys and passwords go there.
    """
    options = [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "ForwardX11=no",
        f"ConnectTimeout={connect_s}",
        "ServerAliveInterval=5",
    ]
    command = f"exec python3 -I -c '{LOADER}' {len(program())}"
    return ["ssh", "-T", *(word for option in options for word in ("-o", option)), "--", where, command]


@dataclass(eq=False)
class Worker:
    """``where``: its SSH destination. ``folder``: its own, there, of this run. ``sent``: what lies in that already.

    ``lost``: why it is not asked any more; empty while it is.
    """

    where: str
    folder: str = ""
    sent: set[str] = field(default_factory=set)
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run on a worker ended: ansible-runner's word, and why the worker can't go on (empty: it can)."""

    status: str
    why: str = ""
    printed: str = ""


def ask(where: str, order: Mapping[str, Any], connect_s: int, wait_s: float = ORDER_S) -> dict[str, Any]:
    """Return a worker's answer to a short order; ``{"wrong": why}`` where there is none."""
    with subprocess.Popen(
        words(where, connect_s),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as ssh:
        try:
            out, err = ssh.communicate(program() + json.dumps({**order, "places": PLACES}).encode() + b"\n", wait_s)
        except subprocess.TimeoutExpired:
            ssh.kill()
            return {"wrong": f"no answer within {wait_s:.0f} s"}
    try:
        said = json.loads(out[:MOST_SAID])
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return {"wrong": _last(err) or f"ssh ended with {ssh.returncode}, and the worker said nothing of use"}
    return {str(name): printable(value)[:300] for name, value in said.items() if isinstance(value, str)}


@dataclass(frozen=True)
class Job:
    """One run on a worker: the folder that is streamed, its exchange in it, and what is secret and in no file."""

    staged: Path
    run: str
    variables: Mapping[str, Any]
    settings: Mapping[str, str]
    secret: Mapping[str, bytes]
    passwords: Mapping[str, bytes]

    def order(self, folder: str, limits: Limits) -> bytes:
        """Return the order, which goes before the stream."""
        order = {
            "do": "work",
            "places": PLACES,
            "folder": folder,
            "run": self.run,
            "beat_s": _beat_s(limits),
            "silent_s": round(limits.alive_s * 2 / 3, 1),  # it ends its part before we give it to another one
            "secret": {name: text.decode() for name, text in self.secret.items()},
            "passwords": {name: text.decode("utf-8", "surrogateescape") for name, text in self.passwords.items()},
        }
        return json.dumps(order).encode() + b"\n"


def _beat_s(limits: Limits) -> int:
    return max(1, limits.alive_s // 6)


def work(worker: Worker, job: Job, limits: Limits, heard: Callable[[dict[str, Any]], bool]) -> Ended:
    """Let a worker do its part of a step; ``heard`` is called with each event of a host, in this thread.

    Nothing is raised for the worker's sake. Raises OSError where this machine can't.
    """
    import ansible_runner

    over, failed = threading.Event(), list[str]()
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryDirectory(dir=job.staged.parent) as scratch:
        ssh = subprocess.Popen(
            words(worker.where, limits.connect_s),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        if ssh.stdin is None or ssh.stdout is None:
            raise DefectError("a process without its pipes")
        sender = threading.Thread(target=_send, args=(ssh, ssh.stdin, worker, job, limits, over, failed), daemon=True)
        sender.start()
        stream = Stream(ssh.stdout.fileno(), limits.alive_s, limits.step_s + 2 * limits.alive_s + END_S)
        try:
            ended = ansible_runner.run(
                streamer="process",
                _input=stream,
                private_data_dir=scratch,
                settings={},
                quiet=True,
                event_handler=heard,
                cancel_callback=lambda: False,
            )
            over.set()
            if stream.ended:
                _wait(ssh)  # with its input open: a worker that hears the end of that takes us for gone
        finally:
            over.set()
            ssh.kill()
            ssh.wait()
            sender.join(END_S)
            for pipe in (ssh.stdin, ssh.stdout):
                _close(pipe)
        errors.seek(max(0, errors.seek(0, 2) - MOST_SAID))
        said = _last(errors.read())
    why = "" if stream.ended else (failed or [stream.why])[0]
    return Ended(str(ended.status), f"{why}: {said}" if why and said else why, stream.printed)


def _send(
    ssh: subprocess.Popen[bytes],
    pipe: IO[bytes],
    worker: Worker,
    job: Job,
    limits: Limits,
    over: threading.Event,
    failed: list[str],
) -> None:
    """Send a run, then signs of life until it is over. Where this machine can't, the connection is ended.

    That the worker is gone is noticed by whoever reads its answer.
    """
    import ansible_runner

    try:
        pipe.write(program() + job.order(worker.folder, limits))
        pipe.flush()
        ansible_runner.run(
            streamer="transmit",
            _output=pipe,
            private_data_dir=str(job.staged),
            playbook="step.yml",
            inventory=str(job.staged / "hosts.yml"),
            extravars=dict(job.variables),
            envvars=dict(job.settings),
            quiet=True,
            timeout=limits.step_s,
            cancel_callback=lambda: False,
        )
        while not over.wait(_beat_s(limits)):
            pipe.write(b"\n")
            pipe.flush()
    except BrokenPipeError:
        pass
    except Exception as error:  # noqa: BLE001  a full disk, say: nothing more would come of this
        if not over.is_set():
            failed.append(f"this machine could not send: {type(error).__name__}: {printable(str(error))[:200]}")
            ssh.kill()


def _wait(ssh: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        ssh.wait(END_S)


def _close(pipe: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        pipe.close()


def _last(said: bytes) -> str:
    """Return the last line of what ssh said, for people."""
    lines = said[-MOST_SAID:].decode("utf-8", "replace").strip().splitlines()
    return printable(lines[-1].strip())[:300].rstrip(".") if lines else ""
