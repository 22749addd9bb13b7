"""The virtual machine: starts, finds, saves and ends QEMU.

QEMU needs no privilege and no network of the host: its user-mode network forwards ports of 127.0.0.1, nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from netplan.lab import process
from netplan.lab.config import NETWORK
from netplan.lab.image import Image
from netplan.lab.packages import find_program
from netplan.lab.qmp import Qmp
from netplan.problems import ExitCode, ProblemError, fail, present

_PROGRAM = "qemu-system"
# Emulated without cx16 (cmpxchg16b): with it Debian's 6.12.95 in QEMU 7.2 ended in a double fault at each of five
# boots, just behind that instruction, with other bits in the flags than it sets. Without it the kernel takes a lock.
_ACCELERATION = {
    "kvm": ["-accel", "kvm", "-cpu", "host"],
    "emulated": ["-accel", "tcg,thread=multi,tb-size=256", "-cpu", "Nehalem,-cx16"],
}
# The guest's time is HPET's, which QEMU keeps. The processor's own counter would be quicker to read, but on a busy
# machine the guest can't tell how fast it runs: it took 2445 MHz for 628 ("PIT calibration deviates from HPET"), its
# time ran four times as fast, and its timers fired early. A saved machine would also take the number to another one.
_KERNEL_LINE = (
    "console=ttyS0 quiet loglevel=3 panic=-1 net.ifnames=0 mitigations=off nokaslr tsc=unstable clocksource=hpet "
    "random.trust_cpu=on"
)
# Seconds that only what hangs takes
_SAVE_LIMIT = 900.0  # to write or to load a machine's memory
_START_LIMIT = 300.0  # until QEMU itself answers


def hardware(backend: str) -> list[str]:
    """Return what else of QEMU's command line a saved machine depends on; nothing for a backend without QEMU."""
    return [*_ACCELERATION[backend], _KERNEL_LINE] if backend in _ACCELERATION else []


@functools.cache
def version() -> str:
    """Return QEMU's version line; a saved machine loads only into the very same version."""
    program = find_program("qemu-system-x86_64") or "qemu-system-x86_64"
    done = subprocess.run(
        [program, "--version"], check=True, capture_output=True, encoding="utf-8", timeout=_START_LIMIT
    )
    return done.stdout.splitlines()[0]


def processors() -> int:
    """Return how many virtual processors a machine gets."""
    return 2 if len(os.sched_getaffinity(0)) > 1 else 1


class Machine:
    """One virtual machine and its files in ``folder``: config.tar (second disk), console.log, qemu.log, qemu.pid."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pid_file = folder / "qemu.pid"

    def start(
        self,
        image: Image,
        backend: str,
        *,
        memory: int,
        ports: Mapping[str, int],
        addresses: Mapping[str, str],
        state: Path | None = None,
    ) -> None:
        """Start QEMU, with the memory of ``state`` (a file of :meth:`save`) if given. ``memory`` is in MiB.

        ``ports`` and ``addresses`` say which port of 127.0.0.1 leads to port 22 of which address in the guest.
        """
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{port}-{addresses[name]}:22" for name, port in ports.items())
        argv = [
            find_program("qemu-system-x86_64") or "qemu-system-x86_64",
            *_ACCELERATION[backend],
            *("-machine", "q35", "-m", str(memory), "-smp", str(processors())),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny"),
            *("-serial", "file:console.log", "-qmp", "unix:qmp,server=on,wait=off", "-pidfile", str(self._pid_file)),
            *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", _KERNEL_LINE),
            *_disk("root", image.root),
            *_disk("config", self.folder / "config.tar"),
            *(word for release, other in image.others for word in _disk(release, other.root)),
            *("-netdev", f"user,id=net,net={NETWORK}.0/24,host={NETWORK}.1,restrict=on,ipv6=off{forwards}"),
            *("-device", "virtio-net-pci,netdev=net,romfile="),
            *("-device", "virtio-rng-pci"),
        ]
        with contextlib.ExitStack() as stack:
            keep: tuple[int, ...] = ()
            if state is not None:
                unpack = subprocess.Popen(["zstd", "-q", "-d", "-c", "--", str(state)], stdout=subprocess.PIPE)
                stack.callback(_finish, unpack)
                source = stack.enter_context(present(unpack.stdout, "the pipe from zstd")).fileno()
                argv += ["-incoming", f"fd:{source}"]
                keep = (source,)
            log = stack.enter_context((self.folder / "qemu.log").open("wb"))
            (self.folder / "console.log").touch(mode=0o600)
            (self.folder / "qmp").unlink(missing_ok=True)
            try:
                # QEMU's own way into the background forks after its sandbox has forbidden that
                subprocess.run(
                    ["setsid", "--fork", *argv],
                    check=True,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=keep,
                    env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                    timeout=_START_LIMIT,
                )
                self._await_monitor(memory=state is not None)
            except BaseException:
                self.kill()
                raise

    def _await_monitor(self, *, memory: bool) -> None:
        """Wait until QEMU answers and, with ``memory``, until a saved machine is loaded and runs."""
        deadline = time.monotonic() + _START_LIMIT
        while not (self.folder / "qmp").exists():
            if self.complaint() and not self.alive():
                fail("IPP805", f"QEMU did not start: {self.complaint()}", exit_code=ExitCode.FAILURE)
            if time.monotonic() > deadline:
                fail("IPP805", "QEMU did not start: it gave no sign of life", exit_code=ExitCode.FAILURE)
            time.sleep(0.02)
        with Qmp(self.folder / "qmp") as qmp:
            deadline = time.monotonic() + _SAVE_LIMIT
            while memory and not qmp.command("query-status")["running"]:
                if time.monotonic() > deadline:
                    fail(
                        "IPP805",
                        "QEMU did not start: the saved cluster did not load in time",
                        exit_code=ExitCode.FAILURE,
                    )
                time.sleep(0.03)

    def pid(self) -> int | None:
        """Return the process id of this folder's QEMU, if it runs; never that of another process with a reused id."""
        return process.find(_PROGRAM, str(self._pid_file), self._hint())

    def _hint(self) -> int:
        try:
            return int(self._pid_file.read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            return 0

    def alive(self) -> bool:
        return self.pid() is not None

    def console(self) -> str:
        """Return what the guest has printed so far."""
        try:
            return (self.folder / "console.log").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def complaint(self) -> str:
        """Return the last line that QEMU printed, for a message."""
        try:
            lines = (self.folder / "qemu.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""

    def kill(self) -> None:
        """End QEMU at once; nothing in it is worth an orderly end. Does nothing when it doesn't run."""
        process.end(_PROGRAM, str(self._pid_file), self._hint())

    def save(self, state: Path) -> float:
        """Write the machine's memory to ``state`` and let it run on; returns how many seconds that took.

        The guest stands still meanwhile and its clock loses that time.
        """
        began = time.monotonic()
        partial = state.with_name(f".{state.name}.{os.getpid()}")
        with partial.open("wb") as out, Qmp(self.folder / "qmp") as qmp:
            partial.chmod(0o600)
            pack = subprocess.Popen(["zstd", "-q", "-3", "-T2", "-c"], stdin=subprocess.PIPE, stdout=out)
            try:
                with present(pack.stdin, "the pipe to zstd") as pipe:
                    qmp.command("getfd", descriptor=pipe.fileno(), fdname="state")
                self._migrate(qmp)
                if pack.wait(timeout=_SAVE_LIMIT) != 0:
                    fail(
                        "IPP808",
                        "the cluster was not saved: zstd failed; is the disk full?",
                        exit_code=ExitCode.FAILURE,
                    )
            finally:
                _finish(pack)
        partial.replace(state)
        return time.monotonic() - began

    def _migrate(self, qmp: Qmp) -> None:
        qmp.command("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        qmp.command("migrate", uri="fd:state")
        deadline = time.monotonic() + _SAVE_LIMIT
        status = ""
        while time.monotonic() < deadline and status not in ("completed", "failed", "cancelled"):
            time.sleep(0.05)
            status = qmp.command("query-migrate").get("status", "")
        if status != "completed":
            with contextlib.suppress(ProblemError):
                qmp.command("migrate_cancel")
            fail("IPP808", f"the cluster was not saved: QEMU says {status or 'nothing'}", exit_code=ExitCode.FAILURE)
        qmp.command("cont")


def _disk(name: str, path: Path) -> list[str]:
    options = {"driver": "raw", "node-name": name, "read-only": True, "file": {"driver": "file", "filename": str(path)}}
    return ["-blockdev", json.dumps(options), "-device", f"virtio-blk-pci,drive={name}"]


def _finish(process: subprocess.Popen[bytes]) -> None:
    """Make sure that a helper of ours has ended and been waited for."""
    if process.poll() is None:
        process.kill()
    process.wait(timeout=_START_LIMIT)
