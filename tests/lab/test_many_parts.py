"""What watches many nodes, on made-up answers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from .many import PINGS, SIZES, Counted, readings, rules
from .mesh import Stream


def test_clear_packets_are_the_difference_of_two_readings_and_of_the_nodes_asked_for():
    early = "10.0 n1=5 n2=1 planted=0\n11.0 n1=7 n2=1 planted=0\n"
    text = early + "12.0 n1=7 n2=4 planted=12\n13.0 n1=9 n2=4 planted=12\n14.0 n1"
    report = Counted(readings=readings(text))
    assert len(report.readings) == 4
    assert report.clear(10.5, 12.5, ["n1"]) == 0
    assert report.clear(10.5, 12.5, ["n1", "n2"]) == 3
    assert report.clear(10.5, 13.5, ["n1"]) == 2
    assert report.planted() == 12
    assert Counted().clear(0, 99, ["n1"]) == Counted().planted() == 0
    assert readings("") == []


def test_each_node_has_a_counter_of_its_own():
    text = rules(["n1", "n2"], 4789)
    assert 'counter name iifname map { "vb-n1" : "n1", "vb-n2" : "n2" }' in text
    assert text.count("counter n") - text.count("counter name") == 2


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
