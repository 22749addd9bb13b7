"""The law of growth at small sizes: calls and peak memory grow no faster than hosts, or directions of pairs.

Counted in calls and bytes, so that a busy machine changes nothing; the same in seconds: ``python -m benchmarks law``.
Render forks, and has a test of its own, ``test_render_growth.py``.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import tracemalloc
from pathlib import Path

import pytest

from benchmarks.law import BY_HOST, GOAL, Bench, fitted

SIZES = {"full-mesh": (6, 12, 24), "hub": (12, 24, 48)}
SMALL = 0.15  # what a run takes anyway bends the line at these sizes, downwards; noise of caches, upwards


@pytest.mark.slow
@pytest.mark.parametrize("shape", SIZES)
def test_no_part_grows_faster_than_what_it_is_about(
    shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    calls: dict[str, list[tuple[float, float]]] = {}
    peaks: dict[str, list[tuple[float, float]]] = {}
    for hosts in SIZES[shape]:
        folder = tmp_path / f"{shape}-{hosts}"
        folder.mkdir()
        for part, size, act in Bench(folder, shape, hosts).parts():
            if part == "render":
                continue
            act()  # what is imported and cached at the first time
            profile = cProfile.Profile()
            profile.runcall(act)
            calls.setdefault(part, []).append((size, pstats.Stats(profile).total_calls))  # type: ignore[attr-defined]
            if part not in ("plan", "apply", "verify"):
                continue
            tracemalloc.start()
            act()
            peaks.setdefault(part, []).append((size, tracemalloc.get_traced_memory()[1]))
            tracemalloc.stop()
    assert set(BY_HOST) < set(calls)
    grown = {
        f"{part}, {what}": round(fitted(p), 2)
        for what, of in (("calls", calls), ("memory", peaks))
        for part, p in of.items()
    }
    assert max(grown.values()) <= GOAL + SMALL, grown
