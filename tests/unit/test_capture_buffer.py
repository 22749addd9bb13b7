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


RESTLESS = """
import socket, threading, time
from netplan.agent.system import capture
out, rest = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), []
def send():
    while not rest:
        out.sendto(b"x", ("127.0.0.1", 4789))
        time.sleep(0.001)
threading.Thread(target=send).start()
with capture.Capture("lo", "clear", 4789) as taken:
    time.sleep(0.3)
    began = time.monotonic()
    taken.stop()
    print(time.monotonic() - began)
rest.append(1)
"""


def test_a_capture_of_a_node_that_never_rests_ends() -> None:
    command = ["unshare", "--net", "--", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if subprocess.run([*command, "true"], capture_output=True, timeout=20, check=False).returncode:
        pytest.skip("no network namespace of its own here")
    command += [sys.executable, "-P", "-c", RESTLESS]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert float(done.stdout) < 10, done.stderr  # it waits a tenth of a second; DRAIN_S is 60


def test_the_option_is_the_kernels() -> None:
    from netplan.agent.system import capture

    assert capture.SO_RCVBUFFORCE == socket.SO_RCVBUF + 25  # 33 and 8 in asm-generic/socket.h
