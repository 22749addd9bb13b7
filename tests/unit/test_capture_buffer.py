"""A capture that is read late has missed nothing."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

LATE = """
import socket, sys
from netplan.agent.system import capture
packets = int(sys.argv[1])
taken = capture.Capture("lo", "clear", 4789)  # its thread is not started yet: nobody reads
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(packets):
    out.sendto(b"x" * 1400, ("127.0.0.1", 4789))
with taken:
    print(len(taken.stop()))
"""
PACKETS = 200  # each is seen twice on a loopback, and takes more than its size: over the kernel's 208 KiB


def test_what_comes_while_nobody_reads_is_kept() -> None:
    command = ["unshare", "--net", "--", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if subprocess.run([*command, "true"], capture_output=True, timeout=20, check=False).returncode:
        pytest.skip("no network namespace of its own here")
    command += [sys.executable, "-P", "-c", LATE, str(PACKETS)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert done.stdout.strip() == str(PACKETS), done.stderr


def test_the_option_is_the_kernels() -> None:
    from netplan.agent.system import capture

    assert capture.SO_RCVBUFFORCE == socket.SO_RCVBUF + 25  # 33 and 8 in asm-generic/socket.h
