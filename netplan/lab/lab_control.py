"""Controls a running lab: commands on its nodes, power and cables."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from netplan.lab.backend import machine
from netplan.lab.config import GUEST, NODE, LabConfig, LabNode, check_name
from netplan.lab.image import Image
from netplan.lab.logins import PASSWORD_FILE
from netplan.lab.paths import cache_home, labs_home
from netplan.lab.ssh import Ssh
from netplan.lab.state import State
from netplan.problems import ExitCode, fail, quoted

Say = Callable[[str], None]

ANSWER_LIMIT = 900.0  # seconds until a node that runs must have answered: only one that hangs takes so long
RUN_CLUSTER = ("systemctl", "is-system-running", "--wait")  # fails when a unit has failed
# prints WHAT=VERSION lines; the words around the numbers are each program's own
_VERSIONS = """
. /etc/os-release; echo "system=$PRETTY_NAME"
echo "kernel=$(uname -r)"
echo "strongSwan=$(swanctl --version 2>/dev/null | grep -o '[0-9][0-9.]*' | head -n1)"
echo "libreswan=$(ipsec --version 2>/dev/null | sed -n 's/^Libreswan \\([0-9.]*\\).*/\\1/p')"
echo "systemd=$(systemctl --version | sed -n '1s/^systemd \\([^ ]*\\).*/\\1/p')"
echo "nftables=$(nft --version | grep -o '[0-9][0-9.]*' | head -n1)"
echo "OpenSSH=$(sshd -V 2>&1 | grep -o 'OpenSSH_[^ ,]*' | cut -d_ -f2 | head -n1)"
"""
_STARTED = ("sh", "-c", "systemctl is-system-running --wait | grep -q -e running -e degraded")


class Handle:
    """A lab by its name and state; :class:`netplan.lab.cluster.Lab` adds start, save, restore and end."""

    def __init__(self, name: str, state: State, say: Say) -> None:
        self.name = check_name(name)
        self.directory = labs_home() / name
        self.state = state
        self.ssh = Ssh(self.directory)
        self._machine = machine(state.backend, self.directory)
        self._say = say

    # -- what it is ---------------------------------------------------------------------------------------------

    @property
    def config(self) -> LabConfig:
        return self.state.config

    @property
    def nodes(self) -> tuple[LabNode, ...]:
        return self.state.config.members

    @property
    def inventory(self) -> Path:
        return self.directory / "inventory.yml"

    @property
    def plan(self) -> Path:
        return self.directory / "plan.yaml"

    @property
    def password_file(self) -> Path | None:
        """The file with the password by which the nodes' login becomes root; None where it needs none."""
        path = self.directory / PASSWORD_FILE
        return path if path.exists() else None

    @property
    def source(self) -> str:
        """Where the packages of the nodes came from, in words."""
        return Image(self.state.image, cache_home() / self.state.image).source

    def pid(self) -> int | None:
        """Return the process id of the virtual machine, if it runs."""
        return self._machine.pid()

    def ssh_argv(self, node: str, argv: Sequence[str], options: Sequence[str] = ()) -> list[str]:
        """Return the ssh command line that runs a command on a node; start it in :attr:`directory`."""
        return self.ssh.argv(self._known(node), argv, options=options)

    def alive(self) -> bool:
        """Tell whether the virtual machine's process runs."""
        return self._machine.alive()

    # -- using it -----------------------------------------------------------------------------------------------

    def exec(
        self,
        node: str,
        argv: Sequence[str],
        stdin: str | bytes | None = None,
        timeout: float = ANSWER_LIMIT,
        check: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a node, or on "guest" (the machine around them), and return its output as text.

        Raises TimeoutExpired after ``timeout`` seconds, and a Problem for a bad status when ``check`` is set.
        """
        self._known(node)
        feed = stdin.encode() if isinstance(stdin, str) else stdin
        done = self.ssh.run(node, argv, stdin=feed, timeout=timeout)
        result = subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )
        if check and result.returncode != 0:
            said = (result.stderr or result.stdout).strip()
            fail(
                "IPP809",
                f"on {node}, {argv[0]} ended with status {result.returncode}: {said}",
                exit_code=ExitCode.FAILURE,
            )
        return result

    def systems(self) -> dict[str, dict[str, str]]:
        """Return for every node what it runs, asked now: system, kernel, strongSwan or libreswan, systemd, nftables,
        OpenSSH. A node that doesn't answer has nothing.
        """
        names = self.config.names

        def ask(name: str) -> dict[str, str]:
            try:
                done = self.exec(name, ["sh", "-c", _VERSIONS])
            except subprocess.TimeoutExpired:
                return {}
            rows = (line.partition("=") for line in done.stdout.splitlines())
            return {what: version for what, equals, version in rows if equals and version}

        with ThreadPoolExecutor(max_workers=len(names)) as pool:
            return dict(zip(names, pool.map(ask, names), strict=True))

    def spawn(
        self, node: str, argv: Sequence[str], stdout: IO[bytes] | int = subprocess.PIPE
    ) -> subprocess.Popen[bytes]:
        """Start a command on a node or the guest and return at once (a capture, for instance); the caller ends it."""
        self._known(node)
        return self.ssh.spawn(node, argv, stdout)

    def wait(self, *nodes: str, timeout: float = ANSWER_LIMIT) -> None:
        """Wait until nodes (all, if none is named) answer over SSH and have finished starting."""
        self.ssh.wait(nodes or self.config.names, _STARTED, timeout, keep=False)

    def power_cut(self, node: str) -> None:
        """Take a node's power away; it starts again by itself. Files stay, all else of the node is gone."""
        self._power(node, "cut")

    def power_off(self, node: str) -> None:
        """Take a node's power away until :meth:`power_on`."""
        self._power(node, "off")

    def power_on(self, node: str) -> None:
        """Give a node its power back; :meth:`wait` tells when it is up."""
        self._power(node, "on")

    def cut_link(self, node: str) -> None:
        """Pull the plug of a node's network card, as the switch sees it."""
        self._guest("ip", "link", "set", f"vb-{self._node(node)}", "down")

    def mend_link(self, node: str) -> None:
        """Undo :meth:`cut_link`."""
        self._guest("ip", "link", "set", f"vb-{self._node(node)}", "up")

    def _power(self, node: str, verb: str) -> None:
        self._node(node)
        self.ssh.close(node)  # that connection leads nowhere from now on
        self._guest("/usr/lib/ipsecplan-lab/power.sh", verb, node)

    def _guest(self, *argv: str) -> None:
        self.exec(GUEST, argv, check=True)

    def _known(self, node: str) -> str:
        if node not in self.state.ports:
            known = " ".join(self.state.ports)
            fail(
                "IPP806",
                f"the lab {quoted(self.name)} has no node {quoted(node)}: it has {known}",
                exit_code=ExitCode.FAILURE,
            )
        return node

    def _node(self, node: str) -> str:
        if not NODE.fullmatch(node):
            fail("IPP806", f"{quoted(node)} is no node", exit_code=ExitCode.FAILURE)
        return self._known(node)
