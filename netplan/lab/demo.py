"""Demonstration on a small real cluster: the commands that a user would type, their output, and the time they take.

Nothing here is special to the demonstration: every step is the command line in a process of its own.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from netplan.lab.paths import labs_home
from netplan.problems import present

NAME = "demo"


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
    keep: bool,
) -> int:
    """Run the demonstration; returns the exit code of the first step that failed, or 0. ``keep`` leaves the lab up.

    The rest are :meth:`netplan.lab.cluster.Lab.up`'s.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ipsecplan-demo-") as work:
        environment = {**os.environ, "IPSECPLAN_STATE": str(Path(work) / "state")}

        def step(title: str, *argv: str, expect: Sequence[str] = ()) -> None:
            _step(began, title, argv, environment, work, expect)

        lab = ("--name", NAME)
        plan = str(labs_home() / NAME / "plan.yaml")
        code = 0
        try:
            size = ("--nodes", str(nodes), "--family", family, "--overlay", overlay, "--mtu", str(mtu))
            system = ["--release", release]
            system += ["--mix", ",".join(f"{name}={other}" for name, other in mix.items())] if mix else []
            system += ["--kernel", kernel] if kernel else []
            step("a running cluster without encryption", "lab", "up", *lab, *size, *system)
            step("its nodes", "lab", "status", *lab)
            step("what the plan computes, and why", "plan", plan)
            step("the files that people review", "render", plan, "--to", "bundle")
            step("the change, phase by phase, and its proof on the wire", "apply", "bundle", "--yes")
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
        return code


def _step(
    began: float, title: str, argv: Sequence[str], environment: dict[str, str], work: str, expect: Sequence[str]
) -> None:
    shown = " ".join(("ipsecplan", *argv))
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
