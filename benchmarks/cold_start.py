"""Cold start: CPU of ``ipsecplan calc ...`` as a multiple of ``python -c pass``, alternating, many runs each."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.result import Result, spent

RUNS = 60
GOAL = 3.0
STACK = "ip4/esp:aes256gcm16/udp/vxlan/eth/ip4"


def measure() -> list[Result]:
    python = sys.executable
    script = Path(python).parent / "ipsecplan"
    ours = [str(script)] if script.exists() else [python, "-m", "netplan"]
    commands = {
        "pass": [python, "-c", "pass"],
        "calc": [*ours, "calc", STACK, "--mtu", "1500"],
        "calc --json": [*ours, "calc", STACK, "--mtu", "1500", "--json"],
        "calc --explain": [*ours, "calc", STACK, "--mtu", "1500", "--explain"],
        "plan --help": [*ours, "plan", "--help"],
    }
    taken = dict.fromkeys(commands, 0.0)
    for command in commands.values():
        spent(command)  # once unmeasured, so that all files are in memory
    for _ in range(RUNS):
        for name, command in commands.items():
            taken[name] += spent(command).cpu_s
    base = taken.pop("pass")
    return [
        Result(
            name=f"cold start of {name}, against python -c pass",
            value=total / base,
            goal=GOAL,
            unit="",
            detail=f"{total / RUNS * 1000:.1f} ms against {base / RUNS * 1000:.1f} ms CPU, {RUNS} runs each",
        )
        for name, total in taken.items()
    ]
