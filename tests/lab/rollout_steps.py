"""What the rollout tests share: the command line as a user calls it, and looks at nodes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from netplan.lab.cluster import Lab

TIMEOUT = 500
LINES = 94  # of the journal of an apply on three nodes; a unit test counts them


class Rollout:
    """One bundle for one lab, with a state directory of its own."""

    def __init__(self, lab: Lab, folder: Path, plan: Path | None = None) -> None:
        self.lab, self.folder = lab, folder
        self.bundle, self.state = folder / "bundle", folder / "state"
        self.names = [node.name for node in lab.config.members]
        self.run("render", str(plan or lab.plan), "--to", str(self.bundle), bundle=False, ok=True)

    def argv(self, verb: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "netplan", verb, str(self.bundle), "--state-dir", str(self.state), *words]

    def run(self, verb: str, *words: str, bundle: bool = True, ok: bool = False) -> subprocess.CompletedProcess[str]:
        argv = self.argv(verb, *words) if bundle else [sys.executable, "-m", "netplan", verb, *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)
        print(done.stdout, done.stderr, sep="\n")
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return done

    def apply(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("apply", "--yes", "--soak", "2", *words)

    def status(self) -> dict[str, dict[str, Any]]:
        nodes: dict[str, dict[str, Any]] = json.loads(self.run("status", "--json").stdout)["result"]["nodes"]
        return nodes

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv("apply", "--yes", "--soak", "2", *words), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def kill_at(self, phase: str, after: float, *words: str) -> None:
        """Start an apply, SIGKILL it ``after`` seconds behind the first result of ``phase``."""
        process = self.start(*words)
        until(process, phase)
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stderr
        process.stderr.close()

    def dies_after(self, point: str, verb: str, *words: str) -> None:
        """Run a verb whose process group is killed right after a journal line, see tests.lab.dying."""
        argv = self.argv(verb, *words)
        argv[1:3] = ["-m", "tests.lab.dying", point]
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL, start_new_session=True
        )
        print(done.stdout, done.stderr, sep="\n")
        assert done.returncode == -signal.SIGKILL, done.returncode

    def shell(self, node: str, *argv: str) -> str:
        return self.lab.exec(node, list(argv), check=True).stdout


def until(process: subprocess.Popen[str], phase: str) -> None:
    """Read progress until the first result of ``phase``."""
    assert process.stderr
    for line in process.stderr:
        print(line, end="")
        if line.split()[:1] == [phase]:
            return
    raise AssertionError(f"apply ended before {phase}")


def is_new(node: dict[str, Any]) -> bool:
    """Tell whether a node is confirmed and everything live is as planned."""
    return bool(
        node["state"]["state"] == "confirmed" and not node["differs"] and node["guard"]["mode"] == "drop"
        and not node["permissive"] and not node["timers"]
    )  # fmt: skip


def is_old(node: dict[str, Any]) -> bool:
    """Tell whether nothing of IPsec is left on a node (its MTU may stay low)."""
    return bool(
        node["state"]["state"] == "none" and node["guard"]["mode"] == "absent" and not node["permissive"]
        and not node["connections"] and not node["ike_sas"] and not node["states"] and not node["policies"]
        and not node["timers"]
    )  # fmt: skip
