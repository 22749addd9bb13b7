"""Runs the measurement on a kernel that has ESP: this machine's own when it does, else a User Mode Linux guest."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MODULES = Path("/usr/lib/uml/modules")
TIMEOUT = 600
MEMORY = "256M"  # of a guest


class NoKernel(Exception):
    """No kernel with ESP can be reached; the message names what is missing."""


def host_has_esp() -> bool:
    """Tell whether this process may make a namespace here and put an ESP state into it."""
    name = f"probe{os.getpid()}"
    if os.geteuid() or not shutil.which("ip") or _quiet("ip", "netns", "add", name):
        return False
    key = "0x" + "11" * 20
    state = (
        f"xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 mode transport aead rfc4106(gcm(aes)) {key} 128"
    )
    try:
        return not _quiet("ip", "-n", name, *state.split())
    finally:
        _quiet("ip", "netns", "del", name)


def _quiet(*command: str) -> int:
    return subprocess.run(command, capture_output=True).returncode


def missing_for_guest() -> list[str]:
    """Return the Debian packages that a guest needs and this machine lacks."""
    wanted = {
        "user-mode-linux": shutil.which("linux.uml") and MODULES.is_dir(),
        "kmod": Path("/sbin/modprobe").exists(),
        "iproute2": shutil.which("ip"),
    }
    return [package for package, there in wanted.items() if not there]


def measure(
    jobs: list[dict[str, Any]],
    directory: Path,
    program: str = "measure.py",
    timeout: float = TIMEOUT,
    memory: str = MEMORY,
) -> tuple[str, list[dict[str, Any]]]:
    """Have ``program`` measure jobs, in ``timeout`` seconds; return which kernel did, and its answers in their order.

    One measurement keeps one processor busy, so the list is shared out among those that this machine has, up to four:
    each share has network namespaces, or a guest, of its own.

    Raises NoKernel when there is none, RuntimeError when a run broke off.
    """
    own = host_has_esp()
    missing = [] if own else missing_for_guest()
    if missing:
        raise NoKernel(f"this machine's kernel has no ESP (or we are not root), and for a guest {missing} is missing")
    where = f"this machine's kernel {os.uname().release}" if own else f"User Mode Linux {guest_version()}"
    until = time.monotonic() + timeout
    running = []
    try:
        for number, share in enumerate(shares(jobs, min(len(os.sched_getaffinity(0)), 4))):
            running.append((share, *_begin(share, directory / f"share{number}", own, program, memory)))
        rows = [_rows(process, share, log, where, until) for share, process, log in running]
    finally:
        for _, process, _ in running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # a guest is several processes
            process.wait()
    return where, [row for found in rows for row in found]


def shares(jobs: list[dict[str, Any]], number: int) -> list[list[dict[str, Any]]]:
    """Return the jobs in order as at most ``number`` lists of nearly equal length, none of them empty."""
    size = -(-len(jobs) // number)
    return [jobs[at : at + size] for at in range(0, len(jobs), size)]


def _begin(
    jobs: list[dict[str, Any]], directory: Path, own: bool, program: str, memory: str
) -> tuple[subprocess.Popen[bytes], Path]:
    directory.mkdir(parents=True)
    file, log = directory / "jobs.json", directory / "log"
    file.write_text(json.dumps(jobs))
    command = [sys.executable, "-B", str(HERE / program), str(file)] if own else guest_command(file, program, memory)
    prepare = hide_extended_state if not own and too_narrow(guest_version()) else None
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=prepare, start_new_session=True
        )
        return process, log


def _rows(
    process: subprocess.Popen[bytes], jobs: list[dict[str, Any]], log: Path, where: str, until: float
) -> list[dict[str, Any]]:
    process.wait(max(until - time.monotonic(), 0))
    lines = log.read_text(errors="replace").splitlines()
    rows = [json.loads(line[4:]) for line in lines if line.startswith("ROW ")]
    if not any(line.strip() == f"END {len(jobs)}" for line in lines):
        raise RuntimeError(f"{where} broke off after {len(rows)} of {len(jobs)} jobs:\n" + "\n".join(lines[-25:]))
    return rows


def guest_command(jobs: Path, program: str = "measure.py", memory: str = MEMORY) -> list[str]:
    """Return the command that boots the guest: this machine's files read-only, one measurement, power off."""
    return [
        *(
            "linux.uml",
            f"mem={memory}",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            "quiet",
            "con=null",
            "con0=fd:0,fd:1",
        ),
        f"init={HERE / 'guest.sh'}",
        *(f"RIG={HERE}", f"RIG_PYTHON={Path(sys.executable).resolve()}", f"RIG_JOBS={jobs}", f"RIG_PROGRAM={program}"),
    ]


def guest_version() -> str:
    """Return the release of the User Mode Linux kernel that is installed here, e.g. 6.1.99."""
    return min(path.name for path in MODULES.iterdir())


def too_narrow(version: str) -> bool:
    """Tell whether that release of User Mode Linux keeps registers in too short a buffer; 6.13 asks for its size.

    From then on it insists on the extended state, and does not start when it is refused.
    """
    major, minor = version.split(".")[:2]
    return (int(major), int(minor)) < (6, 13)


def hide_extended_state() -> None:
    """Make the tracer see x87 and SSE registers only (for this process and its children).

    User Mode Linux before 6.13 writes registers back in a buffer that is too short on a CPU with AMX, and dies. Refused
    the extended state, it falls back to the old interface, which has no wider vector registers; so guest programs must
    not use them.
    """
    ptrace, getregset, setregset, xstate = 101, 0x4204, 0x4205, 0x202
    allow, refuse = 0x7FFF0000, 0x00050005  # EIO
    load, equal, give = 0x20, 0x15, 0x06
    program = [
        (load, 0, 0, 0),  # number of the system call
        (equal, 0, 5, ptrace),
        (load, 0, 0, 16),  # its first argument: the request
        (equal, 1, 0, getregset),
        (equal, 0, 2, setregset),
        (load, 0, 0, 32),  # its third argument: the register set
        (equal, 1, 0, xstate),
        (give, 0, 0, allow),
        (give, 0, 0, refuse),
    ]
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code)

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    filter_ = Program(len(program), ctypes.addressof(buffer))
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(filter_), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        kernel, answers = measure(json.loads(Path(sys.argv[1]).read_text()), Path(scratch))
    print(kernel)
    for answer in answers:
        print(json.dumps(answer))
