"""``calc --batch``: 40,000 lines, five stacks among them."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.result import Result

LINES = 40_000
GOAL = 1.0


def measure() -> list[Result]:
    shapes = (
        *("ip4/esp:aes256gcm16/udp/vxlan/eth/ip4", "ip4/udp/esp:aes128-sha256/ip4/udp/geneve:8/eth/ip6"),
        *("ip6/esp:chacha20poly1305/ip6", "ip4/udp/wireguard/ip4", "ip4/ah:sha256/ip4/gre:key/ip6"),
    )
    text = "".join(f"{shapes[n % len(shapes)]} {1280 + n % 20_000}\n" for n in range(LINES))
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-m", "netplan", "calc", "--batch", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    after = os.times()
    spent = after.children_user - before.children_user + after.children_system - before.children_system
    assert done.stdout.count("\n") == LINES
    return [
        Result(
            name=f"{LINES} batch lines, start of the process included",
            value=spent,
            goal=GOAL,
            unit="s",
            detail=f"{LINES / spent:,.0f} lines a second of CPU",
        )
    ]
