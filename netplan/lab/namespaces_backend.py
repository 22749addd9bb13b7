"""The lab on the host's own kernel: "the guest" is a set of namespaces instead of a virtual machine.

It uses none of the host's networks or mounts, and ends with one process. It needs root and a kernel with
ESP; it starts in about a second, and there is nothing to save or restore.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from netplan.lab import process
from netplan.lab.image import Image
from netplan.lab.packages import find_program
from netplan.lab.paths import GUEST_FILES, private_dir, remove_tree, write
from netplan.problems import ExitCode, fail

LACKS = "the host's kernel lacks"  # how probe.sh begins when a feature is missing
_INIT = "/usr/lib/ipsecplan-lab/init.sh"
_PROBE = "/usr/lib/ipsecplan-lab/probe.sh"
_PROBE_LIMIT = 120.0  # seconds
_START_LIMIT = 300.0  # seconds until the first line
# Loaded from outside: a node may use a module, but loading one is the host's affair.
_MODULES = (
    "loop overlay veth bridge vxlan geneve esp4 esp6 xfrm_user xfrm_interface "
    "nf_tables nft_xfrm nft_ct gcm ccm echainiv"
)


class DirectMachine:
    """One lab's namespaces and its files in ``folder``, with the methods of :class:`netplan.lab.qemu.Machine`."""

    _mark = "lab.direct"  # what its processes are known by, behind the folder

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._marker = str(folder / self._mark)

    def start(
        self,
        image: Image,
        *,
        ports: Mapping[str, int],
        addresses: Mapping[str, str],
        program: str = _INIT,
    ) -> None:
        """Start the guest's first program; ``ports`` and ``addresses`` are forwarded as a virtual machine's are."""
        for name in ("root", "cgroup"):
            private_dir(self.folder / name)
        roots = [f"{release}={other.root}" for release, other in image.others]
        script = ["sh", str(GUEST_FILES / "direct.sh"), str(self.folder), str(image.root)]
        spaces = ["unshare", "--mount", "--net", "--uts", "--ipc", "--"]
        self._begin([*spaces, *script, _cgroup(self.folder), program, self._marker, *roots], ports, addresses)

    def _begin(self, argv: list[str], ports: Mapping[str, int], addresses: Mapping[str, str]) -> None:
        """Run ``argv``, whose network becomes the guest's, and forward ``ports`` when it has said its first word."""
        with contextlib.ExitStack() as stack:
            listeners = {name: stack.enter_context(_listener(port)) for name, port in ports.items()}
            log = stack.enter_context((self.folder / "console.log").open("wb"))
            _background(argv, log.fileno())
            if not listeners:
                return
            try:
                deadline, present = time.monotonic() + _START_LIMIT, self.presence()
                while "lab: " not in self.console():
                    if time.monotonic() > deadline or not present.lasts():
                        why = self.complaint() or "it gave no sign of life"
                        fail("IPP805", f"the lab did not start: {why}", exit_code=ExitCode.FAILURE)
                    time.sleep(0.02)
                pairs = [f"{listener.fileno()}={addresses[name]}" for name, listener in listeners.items()]
                forward = [sys.executable, "-P", "-m", "netplan.lab.forward", self._marker, str(self.pid()), *pairs]
                _background(forward, log.fileno(), tuple(listener.fileno() for listener in listeners.values()))
            except BaseException:
                self.kill()
                raise

    def pid(self) -> int | None:
        """Return the id of the process that everything else ends with, if it runs."""
        return process.find("unshare", self._marker)

    def alive(self) -> bool:
        return self.pid() is not None

    def presence(self) -> process.Presence:
        """Return what tells whether anything of it runs, be it what starts it."""
        return process.Presence("", self._marker)

    def console(self) -> str:
        """Return what the guest has printed so far."""
        try:
            return (self.folder / "console.log").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def complaint(self) -> str:
        """Return the last line printed, for a message."""
        lines = self.console().strip().splitlines()
        return lines[-1] if lines else ""

    def kill(self) -> None:
        """End everything at once; does nothing when nothing runs."""
        ended = False
        while process.find("", self._marker) is not None:
            process.end("", self._marker)
            ended = True
        if ended:
            self._clean()

    def _clean(self) -> None:
        """Remove what ended processes leave outside the folder."""
        _remove_cgroup(self.folder)


def refusal(image: Image) -> str | None:
    """Return why this host can't run a lab on its own kernel, or None when it can: every feature is tried."""
    modprobe = find_program("modprobe")
    if modprobe is not None:
        subprocess.run(
            [modprobe, "-q", "-a", *_MODULES.split()], check=False, capture_output=True, timeout=_PROBE_LIMIT
        )
    folder = Path(tempfile.mkdtemp(prefix="ipsecplan-direct-"))
    machine = DirectMachine(folder)
    try:
        write(folder / "config.tar", bytes(10240))
        machine.start(image, ports={}, addresses={}, program=_PROBE)
        deadline, present = time.monotonic() + _PROBE_LIMIT, machine.presence()
        while time.monotonic() < deadline and "lab: " not in machine.console() and present.lasts():
            time.sleep(0.02)
        said = machine.complaint()
        return None if said == "lab: direct works" else said.removeprefix("lab: ") or "the probe printed nothing"
    finally:
        machine.kill()
        _remove_cgroup(folder)
        remove_tree(folder)


def _background(argv: list[str], log: int, keep: tuple[int, ...] = ()) -> None:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    subprocess.run(
        ["setsid", "--fork", *argv],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=keep,
        env=environment,
        timeout=_START_LIMIT,
    )


def _listener(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(16)
    except OSError as error:
        listener.close()
        message = f"the lab did not start: host forwarding of port {port}: {error}"
        fail("IPP805", message, exit_code=ExitCode.FAILURE, cause=error)
    return listener


def _cgroup(folder: Path) -> str:
    return "ipsecplan-lab-" + hashlib.sha256(str(folder).encode()).hexdigest()[:12]


def _remove_cgroup(folder: Path) -> None:
    """Remove the empty control groups that ended processes leave; best effort, they hold nothing."""
    script = GUEST_FILES / "direct-clean.sh"
    argv = ["unshare", "--mount", "--", "sh", str(script), str(private_dir(folder / "cgroup")), _cgroup(folder)]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(argv, check=False, capture_output=True, timeout=_PROBE_LIMIT)
