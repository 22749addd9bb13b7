"""What watches many nodes, on made-up answers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from .many import PINGS, SIZES, Counted
from .mesh import Stream


def test_clear_packets_are_the_difference_of_two_readings():
    report = Counted(readings=[(10.0, 5, 0), (11.0, 7, 0), (12.0, 7, 12), (13.0, 9, 12)])
    assert report.clear(10.5, 12.5, []) == 0
    assert report.clear(10.5, 13.5, []) == 2
    assert report.clear(0, 99, []) == 4
    assert report.planted() == 12
    assert Counted().clear(0, 99, []) == Counted().planted() == 0


@pytest.mark.parametrize(("sent", "lost"), [(60, 0), (61, 0), (62, 2)])
def test_a_ping_a_second_that_is_under_way_is_not_lost(sent, lost):
    assert Stream(sent, 1, 60, 0.1, [], 0, 1.0).lost == lost


def test_the_programs_of_the_nodes_compile():
    for source in (PINGS, SIZES):
        compile(source, "node", "exec")


def test_pings_of_this_machine_are_counted(tmp_path):
    out = tmp_path / "out"
    command = ["unshare", "--net", "--", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    probe = subprocess.run([*command, "true"], capture_output=True, timeout=10, check=False)
    if probe.returncode:
        pytest.skip("no network namespace of its own here")
    with out.open("wb") as file:
        pings = [*command, sys.executable, "-c", PINGS, "0.05", "127.0.0.1", "127.0.0.9", "192.0.2.1"]
        process = subprocess.Popen(pings, stdout=file)
    time.sleep(1.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    said = json.loads(out.read_text())
    sent, first, last, up, slow, holes = said["127.0.0.9"]
    assert first == 1
    assert 0 <= sent - last <= 1
    assert (slow < 1, holes) == (True, [])
    assert up == pytest.approx(time.time(), abs=60)
    assert said["192.0.2.1"][1:] == [0, 0, 0.0, slow, []]
