"""What the rollout tests share: the command line as a user calls it, and looks at nodes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netplan.lab.cluster import Lab

from .pace import HANG_S, asked_for
from .pace import until as wait_until

LINES = 99  # of the journal of an apply on three nodes; a unit test counts them
# prints nothing when a node has no transaction open, no timer of one, and no revert at work
OPEN = (
    "cat /var/lib/ipsecplan/open 2>/dev/null; systemctl list-units --plain --no-legend --state=active,activating "
    "'ipsecplan-revert-*'"
)


@contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Give a process that leads a session, and end all of it when the block ends, however that is."""
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()
        process.wait()


class Rollout:
    """One bundle for one lab, with a state directory of its own."""

    def __init__(self, lab: Lab, folder: Path, plan: Path | None = None) -> None:
        self.lab, self.folder = lab, folder
        self.bundle, self.state = folder / "bundle", folder / "state"
        self.names = [node.name for node in lab.config.members]
        self.run("render", str(plan or lab.plan), "--to", str(self.bundle), bundle=False, ok=True)

    def argv(self, verb: str, *words: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "netplan",
            *verb.split(),
            str(self.bundle),
            "--state-dir",
            str(self.state),
            *words,
        ]

    def run(self, verb: str, *words: str, bundle: bool = True, ok: bool = False) -> subprocess.CompletedProcess[str]:
        argv = self.argv(verb, *words) if bundle else [sys.executable, "-m", "netplan", verb, *words]
        done = _done(argv)
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return done

    def apply(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("apply", "--yes", "--soak", "2", *words)

    def status(self) -> dict[str, dict[str, Any]]:
        nodes: dict[str, dict[str, Any]] = json.loads(self.run("status", "--json").stdout)["result"]["nodes"]
        return nodes

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """An apply that runs; it is ended with the block."""
        argv = self.argv("apply", "--yes", "--soak", "2", *words)
        process = subprocess.Popen(
            argv,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        with ending(process):
            yield process

    @contextmanager
    def brought_to(self, phase: str, timer: int | None = None) -> Iterator[subprocess.Popen[str]]:
        """An apply that has printed the first result of ``phase``; with a timer that is short, but long enough."""
        while True:
            with self.started(*_timer(timer)) as process:
                said = until(process, phase, last=timer is None)
                if said is None:
                    yield process
                    return
            timer = _longer(timer, said)

    def kill_at(self, phase: str, after: float, timer: int | None = None) -> int | None:
        """SIGKILL an apply ``after`` seconds behind the first result of ``phase``; return the timer that it had."""
        with self.brought_to(phase, timer) as process:
            time.sleep(after)
            process.send_signal(signal.SIGKILL)
            process.wait()
            return timer

    def dies_after(self, point: str, verb: str, *words: str, timer: int | None = None) -> int | None:
        """Run a verb whose process group is killed right after a journal line (tests.lab.dying); return its timer."""
        while True:
            argv = self.argv(verb, *words, *_timer(timer))
            argv[1:3] = ["-m", "tests.lab.dying", point]
            done = _done(argv, start_new_session=True)
            if done.returncode == -signal.SIGKILL:
                return timer
            timer = _longer(timer, done.stdout + done.stderr)

    def shell(self, node: str, *argv: str) -> str:
        return self.lab.exec(node, list(argv), check=True).stdout

    def settled(self, *names: str) -> None:
        """Wait until no node has a transaction open, with nothing of ours at work anywhere: what they do by timer."""
        settle(self.lab, names or self.names)


def settle(lab: Lab, names: Iterable[str]) -> None:
    """Wait until none of these nodes has a transaction open."""
    for name in names:

        def closed(name: str = name) -> bool:
            return not lab.exec(name, ["sh", "-c", OPEN], check=True).stdout.strip()

        wait_until(f"{name} settles", closed, 0.5)


def _timer(seconds: int | None) -> tuple[str, ...]:
    return () if seconds is None else ("--rollback-timeout", str(seconds))


def _longer(timer: int | None, said: str) -> int:
    """Return the timer that a refusal asks for instead of ours."""
    smallest = asked_for(said)
    assert timer is not None, said
    assert smallest is not None, said
    assert smallest > timer, said
    return smallest


def _done(argv: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=HANG_S, stdin=subprocess.DEVNULL, **more)
    print(done.stdout, done.stderr, sep="\n")
    return done


def until(process: subprocess.Popen[str], phase: str, last: bool = True) -> str | None:
    """Read progress until the first result of ``phase``; one that never comes fails, or is what was said instead."""
    assert process.stderr
    said = []
    for line in process.stderr:
        print(line, end="")
        said.append(line)
        if line.split()[:1] == [phase]:
            return None
    assert not last, f"apply ended before {phase}"
    return "".join(said)


def rest(process: subprocess.Popen[str]) -> str:
    """Read progress to its end; the process ends, too."""
    assert process.stderr
    said = process.stderr.read()
    print(said)
    process.wait()
    return said


def is_new(node: dict[str, Any]) -> bool:
    """Tell whether a node is confirmed and everything live is as planned."""
    return bool(
        node["state"]["state"] == "confirmed"
        and not node["differs"]
        and node["guard"]["mode"] == "drop"
        and not node["permissive"]
        and not node["timers"]
    )


def is_old(node: dict[str, Any]) -> bool:
    """Tell whether nothing of IPsec is left on a node (its MTU may stay low)."""
    return bool(
        node["state"]["state"] == "none"
        and node["guard"]["mode"] == "absent"
        and not node["permissive"]
        and not node["connections"]
        and not node["ike_sas"]
        and not node["states"]
        and not node["policies"]
        and not node["timers"]
    )
