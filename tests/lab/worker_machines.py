"""Workers for tests: machines of this kernel, each with processes, /dev/shm and an SSH server of its own.

What makes one a machine of its own is a PID namespace: whoever kills its first process kills all of it at once, as a
power cut would. The nodes of a lab are reached as from here, over loopback.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .pace import until

PLACES = "/usr/sbin:/sbin:/usr/local/sbin"
DEBS = ("openssh-server", "libwrap0")
SETTINGS = """ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
"""
# the first process of a machine: what this one lacks of an SSH server's surroundings is there, and nowhere else
BOOT = """set -e
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mkdir -p /run/sshd
getent passwd sshd > /dev/null || {{
    {{ cat /etc/passwd; echo 'sshd:x:65000:65534::/run/sshd:/usr/sbin/nologin'; }} > {folder}/passwd
    mount --bind {folder}/passwd /etc/passwd
}}
export LD_LIBRARY_PATH={libraries}
exec {sshd} -D -e -f {folder}/settings
"""


@dataclass
class Machine:
    """One of them; ``where`` is its SSH destination."""

    where: str
    process: subprocess.Popen[bytes]

    @property
    def first(self) -> int:
        """Return its first process, by its number here."""
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def runs(self, word: str) -> bool:
        """Tell whether a process with this word among its arguments is at work in it."""
        mine = Path(f"/proc/{self.first}/ns/pid").readlink()
        for process in Path("/proc").glob("[1-9]*"):
            try:
                if word.encode() in (process / "cmdline").read_bytes() and (process / "ns/pid").readlink() == mine:
                    return True
            except OSError:
                continue
        return False

    def kill(self) -> None:
        """End all of it at once."""
        os.kill(self.first, signal.SIGKILL)
        self.process.wait(30)


@contextmanager
def machines(folder: Path, number: int) -> Iterator[list[Machine]]:
    """Boot so many machines, and put an ``ssh`` on the PATH that knows them, as a user's settings would."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare")
    sshd, libraries = _server(folder)
    made: list[Machine] = []
    with ExitStack() as stack:
        _keys(folder, number)
        path = f"{folder}/bin:{os.environ['PATH']}"
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("PATH", path)
        for n in range(number):
            own = folder / f"machine{n}"
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            (own / "settings").write_text(SETTINGS.format(port=port, folder=own))
            with (folder / "known_hosts").open("a") as known:
                known.write(f"[127.0.0.1]:{port} {(own / 'host.pub').read_text()}")
            boot = BOOT.format(folder=own, sshd=sshd, libraries=libraries)
            words = ["unshare", "--pid", "--mount", "--fork", "--kill-child=SIGKILL", "--mount-proc", "sh", "-c", boot]
            log = stack.enter_context((own / "log").open("wb"))
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            stack.callback(process.wait)
            stack.callback(process.kill)
            made.append(Machine(f"ssh://root@127.0.0.1:{port}", process))
            until(f"machine {n}", lambda port=port: _answers(port), 0.2)
        yield made


def _keys(folder: Path, number: int) -> None:
    (folder / "bin").mkdir()
    for path in [folder / "key", *(folder / f"machine{n}" / "host" for n in range(number))]:
        path.parent.mkdir(exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    for n in range(number):
        shutil.copy(folder / "key.pub", folder / f"machine{n}")
    options = {"IdentityFile": folder / "key", "IdentitiesOnly": "yes", "UserKnownHostsFile": folder / "known_hosts"}
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    program = folder / "bin" / "ssh"
    program.write_text(
        '#!/bin/sh\nfor word; do case "$word" in ssh://root@127.0.0.1:*) '
        f'exec {shutil.which("ssh")} -F {folder}/config "$@";; esac; done\nexec {shutil.which("ssh")} "$@"\n'
    )
    program.chmod(0o755)


def _server(folder: Path) -> tuple[str, str]:
    """Return the SSH server's program and its libraries; out of Debian's packages where it is not installed."""
    if found := shutil.which("sshd", path=PLACES):
        return found, ""
    debs = folder / "debs"
    debs.mkdir()
    got = _run(["apt-get", "download", *DEBS], debs)
    if got.returncode:
        pytest.skip(f"no SSH server here: {got.stderr[-200:]}")
    for deb in debs.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(deb), str(debs)], check=True)
    libraries: Sequence[Path] = [path.parent for path in debs.rglob("libwrap.so.0")]
    return str(debs / "usr/sbin/sshd"), ":".join(map(str, libraries))


def _run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as there:
            return there.recv(4) == b"SSH-"
    except OSError:
        return False
