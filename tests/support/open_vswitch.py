"""Open vSwitch in a network namespace. Needs root and its programs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path


def program(name: str) -> str | None:
    extra = "/usr/lib/openvswitch-switch:/usr/lib/openvswitch-common"
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:{extra}")


SCHEMA = os.environ.get("IPSECPLAN_OVS_SCHEMA", "/usr/share/openvswitch/vswitch.ovsschema")


class Node:
    """A network namespace with its own ovsdb-server and ovs-vswitchd."""

    def __init__(self, name: str, folder: Path, address: str) -> None:
        self.name, self.folder, self.address = name, folder, address
        folder.mkdir()
        self.socket = folder / "db.sock"
        self.run("ovsdb-tool", "create", str(folder / "conf.db"), SCHEMA)
        self.run(
            "ovsdb-server",
            str(folder / "conf.db"),
            f"--remote=punix:{self.socket}",
            "--detach",
            f"--pidfile={folder}/db.pid",
            f"--log-file={folder}/db.log",
            f"--unixctl={folder}/db.ctl",
        )
        self.vsctl("--no-wait", "init")
        self.run(
            "ovs-vswitchd",
            f"unix:{self.socket}",
            "--detach",
            "--disable-system",
            f"--pidfile={folder}/sw.pid",
            f"--log-file={folder}/sw.log",
            f"--unixctl={folder}/sw.ctl",
        )

    def run(self, *words: str, check: bool = True) -> str:
        name = program(words[0]) or words[0]
        private = {f"{of}_{what}DIR": str(self.folder) for of in ("OVS", "OVN") for what in ("RUN", "LOG")}
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, name, *words[1:]],
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, **private},
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout if done.returncode == 0 else ""

    def vsctl(self, *words: str) -> str:
        return self.run("ovs-vsctl", "--timeout=10", f"--db=unix:{self.socket}", *words)

    def mtu(self, device: str) -> int:
        (link,) = json.loads(self.run("ip", "-j", "link", "show", device))
        return int(link["mtu"])

    def stop(self) -> None:
        for pid in ("sw.pid", "db.pid"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((self.folder / pid).read_text()), 15)


def passes(node: Node, size: int) -> bool:
    """Tell whether an IP packet of this size reaches the other pod, DF set."""
    payload = str(size - 28)
    return bool(
        node.run("ping", "-M", "do", "-c", "2", "-i", "0.3", "-W", "1", "-s", payload, "10.99.0.2", check=False)
    )
