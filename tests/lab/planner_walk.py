"""A walk through the planner as its user sees it: a terminal in tmux, keys in, frames and pictures out.

The recording in docs/planner is made by this (see the test beside it), so it can be made anew when a screen changes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from netplan.lab.cluster import Lab

COLUMNS, ROWS = 100, 30
SERVER = f"ipsecplan-walk-{os.getpid()}"
PLAN = """\
# The lab: three nodes, one overlay. Comments stay where they are.
name: lab
inventory: inventory.yml
nodes: {nodes}

underlay:
  mtu: 1500                   # IP MTU between the hosts
  family: ipv4

ipsec:
  mode: transport
  esp: [aes256gcm16-x25519]   # preferred first
  nat_traversal: never

overlay: {{type: vxlan, port: 4789, vni: {vni}, device: {device}}}

cni: {{plugin: bridge}}
"""


class Terminal:
    """One tmux window of a server of its own, with the planner in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # where the state lies by default: paths in messages are then short, and nobody else's state is touched
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / ".state"),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LANG": "C.UTF-8",
        }
        self.environment.pop("IPSECPLAN_STATE", None)

    def _tmux(self, *argv: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", SERVER, *argv],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def open(self, *argv: str) -> None:
        """Start the planner; in the window that a planner before has left, if there is one."""
        line = [sys.executable, "-m", "netplan", "ui", *argv]
        if (self.folder / ".opened").exists():
            self._tmux("respawn-pane", "-t", "walk", *line)
            return
        (self.folder / ".opened").touch()
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "walk", *size, *line)
        self._tmux("set-option", "-g", "remain-on-exit", "on")

    def close(self) -> None:
        """End the server and what runs in it."""
        with contextlib.suppress(AssertionError):
            self._tmux("kill-server")

    def kill(self) -> None:
        """Kill the planner as a crash or the end of a connection would, without a word."""
        os.kill(int(self._tmux("display-message", "-p", "-t", "walk", "#{pane_pid}")), signal.SIGKILL)
        self.until("Pane is dead")

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names."""
        self._tmux("send-keys", "-t", "walk", *keys)

    def type(self, text: str) -> None:
        """Type text."""
        self._tmux("send-keys", "-t", "walk", "-l", text)

    def frame(self) -> str:
        """Return what stands on the terminal."""
        rows = [row.rstrip() for row in self._tmux("capture-pane", "-p", "-t", "walk").split("\n")]
        return "\n".join(rows).rstrip("\n")

    def until(self, wanted: str, seconds: float = 30) -> str:
        """Wait until a regular expression is on the terminal and it stands still; returns the frame."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            frame = self.frame()
            if re.search(wanted, frame):
                return frame
            time.sleep(0.2)
        raise AssertionError(f"{wanted!r} did not appear in {seconds} s; there is\n{self.frame()}")

    def field(self) -> str:
        """Return the field of the form that the cursor is on, as the line of help names it."""
        return (re.findall(r"^ ?([a-z_.]+): ", self.frame(), re.MULTILINE) or [""])[-1]

    def moved(self, before: str, seconds: float = 10) -> None:
        """Wait until the cursor has left a field: a slow machine draws late."""
        end = time.monotonic() + seconds
        while self.field() == before and time.monotonic() < end:
            time.sleep(0.1)


class Walk:
    """Records frames with headings, and pictures that the planner itself exports."""

    def __init__(self, terminal: Terminal, out: Path) -> None:
        self.terminal, self.out = terminal, out
        self.frames: list[str] = []

    def show(self, heading: str, wanted: str, seconds: float = 30) -> str:
        """Wait for something on the terminal, and record that frame."""
        self.terminal.until(wanted, seconds)
        time.sleep(0.5)  # what else changes with it is drawn in the same moment
        frame = self.terminal.frame()
        self.frames.append(f"### {heading}\n\n{frame}\n")
        return frame

    def picture(self, name: str) -> None:
        """Let the planner write its screen as SVG."""
        before = set(self.terminal.folder.glob("ipsecplan-*.svg"))
        self.terminal.press("F8")
        self.terminal.until(r"\.svg written", 10)
        (written,) = set(self.terminal.folder.glob("ipsecplan-*.svg")) - before
        shutil.move(written, self.out / f"{name}.svg")
        self.quiet()

    def quiet(self) -> None:
        """Wait until messages in the corner are gone."""
        end = time.monotonic() + 15
        while time.monotonic() < end and re.search(
            r"written|digest|process \d+; |saved$|[^(]exit 0", self.terminal.frame()
        ):
            time.sleep(0.3)

    def write(self, name: str) -> None:
        """Write the recording."""
        head = (
            f"A recording of the planner in tmux ({COLUMNS}x{ROWS}), against the embedded lab: three nodes, VXLAN,\n"
            "a real kernel's ESP. Each frame is what tmux capture-pane gave; keys are in the headings. Times are\n"
            "those of an emulated machine. Made by tests/lab/test_planner_walk.py with UPDATE_GOLDEN=1.\n\n"
        )
        (self.out / f"{name}.txt").write_text(head + "\n".join(self.frames))


def plan_of(lab: Lab) -> str:
    """Return a plan for the lab with a comment or two."""
    own = yaml.safe_load(lab.plan.read_text())
    overlay = own["overlay"]
    return PLAN.format(nodes=own["nodes"], vni=overlay["vni"], device=overlay["device"])


def cipher(walk: Walk, proposal: str, number: int) -> None:
    """Type another ESP proposal over the one in the form, key by key."""
    terminal = walk.terminal
    terminal.press("2")
    terminal.until("Leave field")
    terminal.press("C-o")
    terminal.until(r" d +▕")  # the letters are on the fields
    terminal.press("a", "Escape")  # the first field, wherever the cursor was; then from line to line
    terminal.until("name: name of the cluster")
    for _ in range(40):
        before = terminal.field()
        if before == "ipsec.esp":
            break
        terminal.press("Down")
        terminal.moved(before)
    terminal.press("Enter")
    terminal.press("End")
    terminal.press("C-u")
    terminal.until("ipsec.esp is empty")
    terminal.type(proposal[:-6])
    if number == 1:
        walk.show("2: the cipher is changed; half typed, it is an error at the field and in the file", "IPP4")
    terminal.type(proposal[-6:])


def try_it(walk: Walk, number: int) -> None:
    """From the changed draft to a rollout that has begun."""
    terminal = walk.terminal
    terminal.press("C-s")
    if number == 1:
        walk.show("ctrl+s: the diff of the plan; Enter saves it", r"\+.*esp:")
    terminal.until(r"\+.*esp:")
    terminal.press("Enter")
    terminal.until(r"plan.yaml  pod MTU \d+  ")
    terminal.press("Escape")
    time.sleep(1)  # together they would be one key to a terminal: Alt and 4
    terminal.press("4")
    terminal.until("files of the plan")
    terminal.press("R")
    terminal.until("Write the bundle")
    terminal.press("y")
    if number == 1:
        walk.show("4, R: the bundle is rendered", "digest")
    terminal.until("digest")
    terminal.press("5")
    terminal.until("no transaction yet|confirmed")
    terminal.press("t")
    if number == 1:
        walk.show("5, t: how long a verified change waits for confirmation", "this many seconds")
    terminal.until("this many seconds")
    terminal.press("Enter")


def say_yes(walk: Walk, heading: str) -> None:
    """Confirm what is proven."""
    terminal = walk.terminal
    terminal.press("C")
    if heading:
        walk.show("C: yes, after one more question", "Keep it")
    terminal.until("Keep it")
    terminal.press("y")
    walk.show(heading or "C: confirmed, with nothing lost", r"confirmed \(exit 0\)", 240)


def walk_through(walk: Walk) -> None:
    """Open a plan, change the cipher, see the MTU move, review, try, watch, confirm, verify."""
    terminal = walk.terminal
    terminal.open("plan.yaml")
    walk.show("ipsecplan ui plan.yaml: what is known of plan, bundle and cluster, and the next step", "next: ")
    terminal.press("1")
    walk.show("1: the packet that limits the cluster", "pod MTU 1416")
    walk.picture("calc")
    terminal.press("3")
    walk.show("3: every pair with its inner MTU", "inner MTU, 3 hosts")
    cipher(walk, "aes128-sha256-x25519", 1)
    walk.show("2: typed whole, the MTU has moved from 1416 to 1408", r"1408 \(was 1416\)")
    terminal.press("Escape")
    walk.picture("plan")
    terminal.press("4")
    terminal.until("differ")
    terminal.press("a", "d")
    walk.show("4: what that changes in the files, before anything is saved", r"\[unified\]")
    terminal.press("d")
    walk.show("4: side by side", "side by side")
    walk.picture("diff")
    try_it(walk, 1)
    walk.show(
        "the rollout runs in a process of its own; each node's revert clock runs too", r"running.*(\n.*)*≤ \d:\d\d", 240
    )
    walk.picture("rollout")
    walk.show("verified on the wire; now it waits for confirmation, and every node counts down", "left to confirm", 400)
    walk.quiet()
    walk.picture("try")
    say_yes(walk, "confirmed: measured once more, every node's timer is over")
    terminal.press("6")
    terminal.until("nothing measured yet|measured .* ago")
    terminal.press("v")
    walk.show("6, v: measured on the wire", "verified: 6 directions", 240)
    walk.picture("verify")
    terminal.press("3", "Right")
    walk.show("3: what was measured, beside what was planned", "= measured n1 -> n2")
    walk.picture("pairs")
    way_down(walk)


def way_down(walk: Walk) -> None:
    """From the overview of a cluster that was asked to one node, to one pair, and what both ends say of it."""
    terminal = walk.terminal
    terminal.press("0")
    terminal.until("in progress")
    terminal.press("s")
    walk.show("0, s: every node asked; plan, bundle and cluster are the same", "plan = bundle = cluster", 240)
    walk.picture("overview")
    terminal.press("s", "Tab", "Enter")
    walk.show("Enter on a node: its pairs", "Overview › n1")
    terminal.press("Enter")
    terminal.until("Overview › n1 › n1 - n2")
    terminal.press("s")
    walk.show("Enter on a pair, s: SAs, counters, route and charon's words of both ends", "n1: IKE_SA ESTABLISHED", 120)
    walk.picture("pair")


def killed_and_attached(walk: Walk) -> None:
    """The same with another cipher, and the planner killed while the rollout runs."""
    terminal = walk.terminal
    terminal.open("plan.yaml")
    terminal.until("pod MTU 1416")
    cipher(walk, "aes256-sha512-x25519", 2)
    walk.show("2: another cipher, and the MTU that it allows", r"\(was 1416\)")
    try_it(walk, 2)
    terminal.until(r"try tx-.*running.*(\n.*)*≤ \d:\d\d", 240)
    walk.show(
        "Second run, another cipher: the planner is killed (kill -9) in mid-rollout, right after this frame", "running"
    )
    terminal.kill()
    terminal.open("--screen", "rollout", "plan.yaml")
    walk.show(
        "a new planner: ipsecplan ui --screen rollout plan.yaml, attached to the same transaction",
        "try tx-.*running|left to say",
        60,
    )
    walk.picture("attached")
    walk.show("verified: the new planner counts down to the same second", "left to confirm", 400)
    say_yes(walk, "")
    terminal.press("s")
    walk.show("s: every node asked", "0 to change", 240)
    terminal.press("6")
    terminal.until("nothing measured yet|measured .* ago")
    terminal.press("v")
    walk.show("6, v: measured on the wire", "verified: 6 directions", 240)
    terminal.press("7")
    walk.show("7: the transaction phase by phase, with the run that confirmed it", "1 transaction")
    walk.picture("history")
    terminal.press("q")
