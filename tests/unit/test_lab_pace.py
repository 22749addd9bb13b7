"""What the lab's tests count with: times of a machine, lost pings, a refusal's timer."""

from __future__ import annotations

import pytest

from tests.lab.pace import Pace, asked_for, until
from tests.lab.pings import read

HEAD = "PING 10.244.2.2 (10.244.2.2) 56(84) bytes of data.\n"


def answer(*numbers: int) -> str:
    return "".join(f"64 bytes from 10.244.2.2: icmp_seq={n} ttl=62 time=0.9 ms\n" for n in numbers)


@pytest.mark.parametrize(
    ("unit", "timer"),
    [(0.1, 30), (0.3, 30), (0.5, 45), (2.0, 180), (100.0, 3600)],
)
def test_a_timer_follows_the_machine(unit: float, timer: int) -> None:
    assert Pace(unit).timer == timer


def test_a_refusal_names_its_timer() -> None:
    said = "error IPP675: --rollback-timeout 30 is too short: ...\n"
    said += "  hint: --rollback-timeout 84 is the smallest that will do\n"
    assert asked_for(said) == 84
    assert asked_for(said, "--confirm-timeout") is None
    assert asked_for("error IPP661: n1 can't be reached\n") is None


def test_what_is_under_way_is_not_lost() -> None:
    seen = read(HEAD + answer(1, 2, 3, 7, 8, 10) + "\n20 packets transmitted, 6 received, 70% packet loss, time 9 ms\n")
    assert (seen.sent, seen.lost, round(seen.longest, 2)) == (20, 4, 0.06)


def test_pings_out_of_order_and_twice_are_not_lost() -> None:
    seen = read(HEAD + answer(3, 1, 2, 2, 4) + "\n4 packets transmitted, 4 received, +1 duplicates, 0% packet loss\n")
    assert (seen.sent, seen.lost, seen.longest) == (4, 0, 0)


def test_the_first_ones_count_and_silence_is_no_short_gap() -> None:
    assert read(answer(5) + "5 packets transmitted, 1 received\n").lost == 4
    with pytest.raises(AssertionError, match="ever answered"):
        read("5 packets transmitted, 0 received\n")


def test_a_wait_ends_with_the_first_true_answer_or_says_what_it_waited_for() -> None:
    values = iter([0, "", 7])
    assert until("a number", lambda: next(values), every=0) == 7
    with pytest.raises(AssertionError, match="never came in 0 s: rain"):
        until("rain", lambda: False, every=0, limit=0)
