"""The probe of the host's own kernel: what it says is the answer, and no more is waited for when it has ended."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from netplan.lab import namespaces_backend, process


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ("echo mount: not found >&2; exit 127", "mount: not found"),
        ("echo lab: direct works; sleep 0.1", None),
        ("echo 'lab: the host lacks esp4'; sleep 0.1", "the host lacks esp4"),
    ],
)
def test_a_probe_that_ends_is_not_waited_for(monkeypatch: Any, program: str, answer: str | None) -> None:
    def start(machine: Any, *_: Any, **__: Any) -> None:
        machine._begin(["sh", "-c", program, machine._marker], {}, {})

    monkeypatch.setattr(namespaces_backend.DirectMachine, "start", start)
    monkeypatch.setattr(namespaces_backend, "_remove_cgroup", lambda _: None)
    monkeypatch.setattr(namespaces_backend, "find_program", lambda _: None)
    monkeypatch.setattr(namespaces_backend, "_PROBE_LIMIT", 3600.0)
    image: Any = SimpleNamespace(root=Path("image"), others=[])
    assert namespaces_backend.refusal(image) == answer


def test_a_process_without_arguments_for_a_moment_is_still_there(monkeypatch: Any) -> None:
    clock, found = [0.0], [1, None, None, 1, None, None, None]
    monkeypatch.setattr(process.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(process, "find", lambda *_: found.pop(0))
    present, seen = process.Presence("", "marker", silence=5.0), []
    while found:
        seen.append(present.lasts())
        clock[0] += 2.0
    assert seen == [True, True, True, True, True, True, False]
