"""A boot that prints is waited for; one that only repeats itself is not."""

from __future__ import annotations

import pytest

from netplan.lab import process
from netplan.lab.booting import await_nodes
from netplan.lab.process import Progress
from netplan.problems import ProblemError

BOOT = "[    {0}.004421] Linux version 7.2\n[    {0}.9] Kernel panic, pid {1} at 0xffff{1}\nlab: {0}.31 init\n"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(process.time, "monotonic", lambda: now[0])
    return now


def test_nothing_printed_ends_the_wait(clock: list[float]) -> None:
    wait = Progress(60)
    clock[0] += 59
    assert wait.goes_on("")
    clock[0] += 2
    assert not wait.goes_on("")


def test_every_node_that_is_ready_is_news(clock: list[float]) -> None:
    wait, said = Progress(60), "lab: 3.91 init\n"
    for number in range(1, 60):
        said += f"lab: n{number} ready\n"
        clock[0] += 50
        assert wait.goes_on(said)


def test_a_boot_that_repeats_itself_is_no_news(clock: list[float]) -> None:
    wait, said, rounds = Progress(60), "", 0
    while rounds < 100:
        said += BOOT.format(rounds + 3, rounds * 17 + 211)
        if not wait.goes_on(said):
            break
        clock[0] += 20
        rounds += 1
    assert rounds == 3


def test_half_a_line_is_read_when_it_is_whole(clock: list[float]) -> None:
    wait = Progress(60)
    assert wait.goes_on("lab: 3.9")
    clock[0] += 61
    assert not wait.goes_on("lab: 3.9")
    assert wait.goes_on("lab: 3.9 init\n")


class Ended:
    """A guest that has ended, with what was printed."""

    def __init__(self, printed: str = "", complained: str = "") -> None:
        self.printed, self.complained = printed, complained

    def alive(self) -> bool:
        return False

    def console(self) -> str:
        return self.printed

    def complaint(self) -> str:
        return self.complained


@pytest.mark.parametrize(
    ("guest", "why"),
    [
        (Ended(complained="qemu: no such drive"), "qemu: no such drive"),
        (Ended("lab: 3.91 init\nKernel panic - not syncing\n"), "Kernel panic - not syncing"),
        (
            Ended("Oops: double fault\nKernel panic - not syncing: Fatal\nKernel Offset: disabled\n"),
            "not syncing: Fatal",
        ),
        (Ended("lab: 3.91 init\nend of the line\n"), "end of the line"),
    ],
)
def test_guest_that_ends_is_told_with_its_last_words(guest: Ended, why: str) -> None:
    with pytest.raises(ProblemError, match=why):
        await_nodes(guest, ["n1"], 60, lambda _: None, last=False)


def test_guest_that_ends_without_a_word_may_be_booted_once_more() -> None:
    assert not await_nodes(Ended(), ["n1"], 60, lambda _: None, last=False)
    with pytest.raises(ProblemError, match="neither QEMU nor the guest said why"):
        await_nodes(Ended(), ["n1"], 60, lambda _: None, last=True)
