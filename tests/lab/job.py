"""The whole job on one cluster, step by step, and what each step cost: pings lost, packets in clear, seconds."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from netplan.lab.cluster import Lab

from .breakages import ALL, REBOOTED
from .command import ipsecplan
from .pace import HANG_S, Pace, until
from .pings import both_ways, pinging
from .rollout_steps import Rollout, is_old
from .sink import sink

HEAD = f"{'step':<34} {'s':>5} {'pings':>6} {'lost':>5} {'longest':>8} {'unit':>6} {'clear':>5} {'planted':>7}  note"
WATCH = "/sys/fs/cgroup/system.slice/ipsecplan-watch.service/cpu.stat"
# Prints the seconds from `nft flush ruleset` to our table, looked for every 20 ms; the time that the look takes counts.
RETURN = """
import subprocess, time
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
subprocess.run(["nft", "flush", "ruleset"], check=True)
began = time.monotonic()
while subprocess.run(["nft", "list", "table", "inet", "ipsecplan"], **quiet).returncode:
    time.sleep(0.02)
print(time.monotonic() - began)
"""


@dataclass
class Step:
    """One step: ``lost`` and ``longest`` (seconds) are of pings both ways between n1's and n2's pods."""

    name: str
    seconds: float = 0.0
    sent: int = 0
    lost: int = 0
    longest: float = 0.0
    unit: float = 0.0
    clear: int = 0
    planted: int = 0
    note: str = ""

    def line(self) -> str:
        return (
            f"{self.name:<34} {self.seconds:5.0f} {self.sent:6} {self.lost:5} {self.longest:6.1f} s "
            f"{self.unit:4.1f} s {self.clear:5} {self.planted:7}  {self.note}"
        )


@dataclass
class Job:
    """A lab, its bundles and state below ``folder``, and the steps so far."""

    lab: Lab
    folder: Path
    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, *, wire: bool = True, reboots: str = "") -> Iterator[Step]:
        """Time a step; with ``wire``, ping and capture meanwhile. The pings of a node that ``reboots`` are gone."""
        step = Step(name)
        began = time.monotonic()
        if not wire:
            yield step
        else:
            ways = both_ways(self.lab)
            with sink(self.lab) as sunk, pinging(self.lab, ways, ways.keys() - {reboots}) as pings:
                yield step
                step.seconds = time.monotonic() - began
            step.sent, step.lost, step.longest = pings.sent, pings.lost, pings.longest
            step.clear, step.planted = sunk.leaked, sum(sunk.planted.values())
            step.unit = Pace.of(self.lab).unit
        step.seconds = step.seconds or time.monotonic() - began
        self.steps.append(step)
        print(HEAD, step.line(), sep="\n", flush=True)

    def table(self) -> str:
        """Return the table, with what each node runs above it."""
        versions = [f"{name}: {', '.join(map(' '.join, runs.items()))}" for name, runs in self.lab.systems().items()]
        return "\n".join([*versions, HEAD, *(step.line() for step in self.steps)])

    def plan_from_init(self) -> None:
        """Write a plan as a user does, render it, and be ready for :attr:`rollout`."""
        path = self.folder / "plan.yaml"
        with self.step("init, plan, render", wire=False):
            words = ("--inventory", str(self.lab.inventory), "--nodes", "k8s_nodes", "--name", "lab")
            ipsecplan("init", str(path), *words, cwd=self.folder)
            document = yaml.safe_load(path.read_text())
            document["overlay"]["device"] = "ov0"  # the cluster's own
            path.write_text(yaml.safe_dump(document))
            ipsecplan("plan", str(path), cwd=self.folder)
            self.rollout = Rollout(self.lab, self.folder, path)

    def enforce(self) -> None:
        """Switch encryption on, prove it, and apply again."""
        with self.step("apply") as step:
            done = self.rollout.apply()
            assert done.returncode == 0, done.stdout + done.stderr
            step.note = f"{done.stdout.count('0 plaintext')} directions measured"
        assert f"confirmed on {len(self.lab.nodes)} nodes" in done.stdout
        complaints = re.findall(r".*\.(?:network|netdev):\d+:.*", self.logged("systemd-networkd"))
        assert complaints == [], "networkd of every release takes every word of ours"

    def verify(self) -> None:
        with self.step("verify, apply again") as step:
            step.note = self.rollout.run("verify", ok=True).stdout.splitlines()[-1]
            again = self.rollout.apply()
        assert (again.returncode, again.stdout.splitlines()[-1][:11]) == (0, "0 to change"), again.stdout

    def narrow(self) -> None:
        """Change the MTU: a path carries 1400 bytes only."""
        plan = self.folder / "narrow.yaml"
        document: dict[str, Any] = yaml.safe_load((self.folder / "plan.yaml").read_text())
        document["underlay"]["paths"] = [{"between": ["k8s_nodes", "k8s_nodes"], "mtu": 1400}]
        plan.write_text(yaml.safe_dump(document))
        with self.step("MTU 1416 -> 1316"):
            self.rollout.run("render", str(plan), "--to", str(self.rollout.bundle), bundle=False, ok=True)
            done = self.rollout.apply()
            assert done.returncode == 0, done.stdout + done.stderr
        for node in self.rollout.status().values():
            assert node["mtu"]["devices"] == {"ov0": 1316}

    def rotate(self) -> None:
        with self.step("rotate certificates"):
            assert "rotated" in self.rollout.run("rotate certificates", "--yes", ok=True).stdout

    def break_it(self, name: str) -> None:
        """Break one thing of the fail-closed table and mend it."""
        with self.step(name, reboots=REBOOTED.get(name, "")):
            ALL[name](self.lab)

    def guard_returns(self, node: str) -> list[float]:
        """Return the seconds from `nft flush ruleset` to the guard being back, five times."""
        run = ["python3", "-c", RETURN]
        return [float(self.lab.exec(node, run, timeout=HANG_S, check=True).stdout) for _ in range(5)]

    def watchdog_share(self, node: str, seconds: float) -> float:
        """Return a new watchdog's part of one processor, in percent, over a time in which nothing happens."""

        def used() -> float:
            text = self.lab.exec(node, ["cat", WATCH], check=True).stdout
            return int(dict(line.split() for line in text.splitlines())["usage_usec"]) / 1e6

        restart = "systemctl daemon-reload; systemctl restart ipsecplan-watch"
        self.lab.exec(node, ["sh", "-c", restart], check=True)
        until("the watchdog has begun to wait", lambda: used() == (time.sleep(8), used())[1])
        before, began = used(), time.monotonic()
        time.sleep(seconds)
        return (used() - before) / (time.monotonic() - began) * 100

    def revert(self) -> None:
        with self.step("revert") as step:
            done = self.rollout.run("revert", "--yes")
            assert done.returncode == 0, done.stdout + done.stderr
            nodes = self.rollout.status()
            step.note = f"{sum(map(is_old, nodes.values()))} of {len(nodes)} nodes are as before"
        assert all(is_old(node) for node in nodes.values())
        for name, node in nodes.items():
            assert node["mtu"]["devices"] == {"ov0": 1450}
            assert self.rollout.shell(name, "find", "/etc", "/usr/local", "-name", "*ipsecplan*") == ""
            assert "pair-" not in self.rollout.shell(name, "swanctl", "--list-conns")
            assert "4789" not in self.rollout.shell(name, "ip", "xfrm", "policy")

    def logged(self, unit: str) -> str:
        """Return what a unit's journal says on all nodes."""
        return "".join(
            self.lab.exec(name, ["journalctl", "-b", "-u", unit, "--no-pager"]).stdout for name in self.lab.config.names
        )

    def judged(self) -> None:
        """Hold the goals of docs/rollout.md over the steps that broke nothing."""
        for step in self.steps:
            if step.name in ALL or not step.sent:
                continue
            assert step.longest <= step.unit, step
            assert step.clear == 0 or step.name in ("apply", "revert"), step  # which begin or end in clear
        assert all(step.clear == 0 for step in self.steps if step.name in ALL), self.steps
