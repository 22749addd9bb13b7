"""Making many things on every processor gives what making them one by one gives, in the same order."""

from __future__ import annotations

import os

import pytest

from netplan.bundle import parallel


def times(factor: int, item: int) -> tuple[int, int]:
    if item == 13:
        raise ValueError("thirteen")
    return factor * item, os.getpid()


def test_few_are_made_here() -> None:
    made = list(parallel.each(times, 3, range(5)))
    assert made == [(3 * item, os.getpid()) for item in range(5)]


def test_many_are_made_by_several_processes_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: {0, 1})
    items = range(100, 100 + parallel.MANY)
    made = list(parallel.each(times, 2, items))
    assert [value for value, _ in made] == [2 * item for item in items]
    assert os.getpid() not in {process for _, process in made}


def test_what_fails_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: {0, 1})
    with pytest.raises(ValueError, match="thirteen"):
        list(parallel.each(times, 2, range(parallel.MANY)))
