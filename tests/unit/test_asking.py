"""The second question of a try: only the word yes keeps; silence, no and Ctrl-C don't."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from netplan.cli.ask import asking_to_keep
from netplan.problems import ExitCode
from netplan.rollout.outcome import Outcome

FOUND = Outcome("planned", ExitCode.OK)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    out, into = os.pipe()
    with os.fdopen(out) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield into


@pytest.mark.parametrize(("words", "kept"), [("yes\n", True), ("no\n", False), ("y\nYES\nyes\n", True), ("", False)])
def test_only_yes_keeps(typed: int, words: str, kept: bool) -> None:
    os.write(typed, words.encode())
    os.close(typed)
    assert asking_to_keep(False, threading.Event())(FOUND, 60) is kept


def test_silence_is_no_before_a_yes_would_be_too_late(typed: int) -> None:
    found = Outcome("planned", ExitCode.OK, keep_margin_s=60)
    assert asking_to_keep(False, threading.Event())(found, 60) is False
    os.close(typed)


def test_ctrl_c_is_no_and_detached_asks_nobody(typed: int) -> None:
    cancelled = threading.Event()
    cancelled.set()
    assert asking_to_keep(False, cancelled)(FOUND, 60) is False
    assert asking_to_keep(True, threading.Event())(FOUND, 60) is None
    os.close(typed)
