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
from netplan.bundle.write import write
from netplan.cli.main import main
from tests.support.plans import make_planned

SIZES = {"full-mesh": (6, 12, 24), "hub": (12, 24, 48)}
SQUARE = 0.2  # of what grows with the size alone, at ten times the largest one
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
    squares = {part: round(square_at(10 * points[-1][0], points), 3) for part, points in calls.items()}
    assert max(squares.values()) <= SQUARE, squares


def square_at(size: float, points: list[tuple[float, float]]) -> float:
    """Return what the square of ``size`` takes of a curve through three points, in terms of its straight part.

    A search through all for each of many is nothing at small sizes, where an exponent doesn't see it. Calls are counted
    exactly, so three of them show it: 0 where nothing is searched, below 0 where something is shared.
    """
    (x1, y1), (x2, y2), (x3, y3) = points
    first, second = (y2 - y1) / (x2 - x1), (y3 - y2) / (x3 - x2)
    bend = (second - first) / (x3 - x1)
    return bend * size / (first - bend * (x1 + x2))


def test_a_search_through_all_for_each_is_seen_at_small_sizes() -> None:
    def points(square: float) -> list[tuple[float, float]]:
        return [(n, 5000 + 1700 * n + square * n * n) for n in (90, 210, 450)]

    assert square_at(4500, points(0)) == pytest.approx(0, abs=1e-6)
    assert square_at(4500, points(-0.1)) < 0
    assert square_at(4500, points(0.36)) > SQUARE


@pytest.mark.slow
def test_an_assessment_looks_at_each_node_s_files_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path / "state"))
    points: list[tuple[float, float]] = []
    for hosts in (12, 24, 48):
        keys = {"ipsec": {"topology": {"hub": "n1"}}, "firewall": {"kind": "nftables"}}
        made = make_planned(hosts, **keys)
        bundle = tmp_path / f"of-{hosts}"
        write(bundle, made.plan, made.inventory)
        words = ["assess", str(bundle), "--json"]
        main(words)
        profile = cProfile.Profile()
        profile.runcall(main, words)
        points.append((hosts, pstats.Stats(profile).total_calls))  # type: ignore[attr-defined]
        capsys.readouterr()
    assert square_at(10 * points[-1][0], points) <= SQUARE, points
