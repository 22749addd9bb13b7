"""Demonstration on a small real cluster: the commands that a user would type, their output, and the time they take.

Nothing here is special to the demonstration: every step is the command line in a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from netplan.lab.paths import labs_home
from netplan.model.cni_facts import PORTS
from netplan.problems import present

NAME = "demo"
_PACKETS = " or ".join(("esp", *(f"udp port {PORTS[overlay]}" for overlay in ("vxlan", "geneve"))))
# two packets between pods, as they look on the wire of n1: whoever is on the way sees this
WATCH = (
    'ping="ip netns exec pod1 ping -i 0.3 10.244.2.2 -c"; $ping 2 >/dev/null; '  # no ARP afterwards
    f'timeout 30 tcpdump -c 2 -lnn -i any "{_PACKETS}" 2>/dev/null & sleep 2; '
    "$ping 2 >/dev/null; wait"
)


class _Failed(Exception):
    """A step did not exit 0; holds its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


def run(
    *,
    nodes: int,
    family: str,
    overlay: str,
    mtu: int,
    release: str,
    mix: Mapping[str, str],
    kernel: str,
    backend: str,
    keep: bool,
) -> int:
    """Run the demonstration; returns the exit code of the first step that failed, or 0.

    ``keep`` leaves the lab up, with the bundle and the state of the control machine in its folder. The rest are
    :meth:`netplan.lab.cluster.Lab.up`'s.
    """
    began = time.monotonic()
    folder = labs_home() / NAME
    with tempfile.TemporaryDirectory(prefix="ipsecplan-demo-") as scratch:
        work = Path(scratch)
        environment = {**os.environ, "IPSECPLAN_STATE": str(work / "state")}

        def step(title: str, *argv: str, expect: Sequence[str] = ()) -> None:
            _step(began, title, argv, environment, str(work), expect)

        lab = ("--name", NAME)
        plan = str(folder / "plan.yaml")
        watch = ("lab", "exec", *lab, "n1", "--", "sh", "-c", WATCH)
        code = 0
        try:
            size = ("--nodes", str(nodes), "--family", family, "--overlay", overlay, "--mtu", str(mtu))
            system = ["--release", release, "--backend", backend]
            system += ["--mix", ",".join(f"{name}={other}" for name, other in mix.items())] if mix else []
            system += ["--kernel", kernel] if kernel else []
            step("a running cluster without encryption", "lab", "up", *lab, *size, *system)
            if keep:
                work = folder / "demo"
                work.mkdir(mode=0o700, exist_ok=True)
                environment["IPSECPLAN_STATE"] = str(work / "state")
            step("its nodes", "lab", "status", *lab)
            step("before: pods talk in clear, whoever is on the way reads every packet", *watch, expect=["ICMP echo"])
            step("what the plan computes, and why", "plan", plan)
            step("the files that people review", "render", plan, "--to", "bundle")
            step("the change, phase by phase, and its proof on the wire", "apply", "bundle", "--yes")
            step("after: the same pods, the same wire", *watch, expect=["ESP("])
            step("once more", "apply", "bundle", "--yes", expect=["0 to change"])
        except _Failed as failed:
            code = failed.code
            print(f"\ndemo: stopped, exit code {code}", file=sys.stderr)  # noqa: T201
        except KeyboardInterrupt:
            code = 130
        finally:
            if not keep:
                with contextlib.suppress(_Failed):
                    step("the lab is removed", "lab", "down", *lab)
        print(f"\ndemo: {'done' if code == 0 else 'failed'} in {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
        if code == 0:
            print(*_next(work if keep else None, plan), sep="\n", flush=True)  # noqa: T201
        return code


def _next(kept: Path | None, plan: str) -> list[str]:
    """Return what to try next, as lines that work as typed; ``kept``: where bundle and state of a kept lab are."""
    us = "ipsecplan" if shutil.which("ipsecplan") else sys.argv[0]
    if kept is None:
        return [
            "try next:",
            "  make demo KEEP=1     # the same, and the cluster stays: planner, status, a fault of your own",
            f"  {us} calc calico-vxlan --esp aes256gcm16 --underlay aws     # your own numbers, no cluster needed",
            "  docs/tutorial/first-cluster.md     # step by step, by hand, in half an hour",
        ]
    bundle = kept / "bundle"
    return [
        "the cluster runs on; try next:",
        f"  export IPSECPLAN_STATE={kept / 'state'}",
        f"  {us} ui --bundle {bundle} {plan}     # the planner; s asks every node",
        f"  {us} lab exec --name {NAME} n1 -- ip link set dev ov0 mtu 1450     # a fault, which",
        f"  {us} status {bundle}     # names",
        f"  {us} revert {bundle}     # in clear again",
        f"  {us} lab down --name {NAME}     # removes all of it",
        "  docs/tutorial/first-cluster.md     # the same by hand",
    ]


def _step(
    began: float, title: str, argv: Sequence[str], environment: dict[str, str], work: str, expect: Sequence[str]
) -> None:
    shown = shlex.join(("ipsecplan", *argv))
    if home := os.environ.get("HOME"):
        shown = shown.replace(home, "~")
    print(f"\n## {time.monotonic() - began:.0f} s: {title}\n$ {shown}", flush=True)  # noqa: T201
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "netplan", *argv],
        env=environment,
        cwd=work,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    output = present(process.stdout, "the pipe of a step")
    said = ""
    try:
        for line in output:
            said += line
            print(line, end="", flush=True)  # noqa: T201
    finally:
        code = process.wait()
    if code != 0:
        raise _Failed(code)
    for words in expect:
        if words not in said:
            print(f"demo: expected {words!r} in this output", file=sys.stderr)  # noqa: T201
            raise _Failed(1)
