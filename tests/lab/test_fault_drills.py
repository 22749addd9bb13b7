"""Faults in the middle of an apply, each at three phases: every node ends wholly new or wholly old, without a hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netplan.lab.cluster import Lab

from .conftest import ClusterFactory
from .faults import FAULTS, PHASES
from .injections import INJECTIONS, Injection, ends_wholly
from .pace import Pace
from .rollout_steps import Rollout, rest

pytestmark = [pytest.mark.lab, pytest.mark.drill]
ROWS: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    yield
    print("\n" + "\n".join([f"{'fault':<20} {'after':<11} exit  ended  seconds", *ROWS]))


@pytest.fixture(scope="module")
def shared(module_clusters: ClusterFactory) -> Callable[[], Lab]:
    """One lab for the module, clean for each fault."""
    made: list[Lab] = []

    def get() -> Lab:
        if made:
            made[0].restore()
        else:
            made.append(module_clusters(nodes=2))
        return made[0]

    return get


def run(rollout: Rollout, injection: Injection, phase: str) -> tuple[int, str]:
    """Inject a fault behind the first result of ``phase``; return the exit code and how all nodes ended."""
    with rollout.brought_to(phase, 2 * Pace.of(rollout.lab).timer) as process:  # a fault takes some of it
        injection.inject(rollout.lab)
        rest(process)
    injection.heal(rollout.lab)
    rollout.lab.wait()
    rollout.settled()
    ended = ""
    for _ in range(20):  # a charon that was killed takes a moment to be as planned again
        ended = ends_wholly(rollout, process.returncode)
        if ended in ("new", "old"):
            break
    return process.returncode, ended


@pytest.mark.parametrize("name", [fault.name for fault in FAULTS if fault.name in INJECTIONS])
def test_all_nodes_end_new_or_old(shared: Callable[[], Lab], tmp_path: Path, name: str) -> None:
    rollout = Rollout(shared(), tmp_path)
    for phase in PHASES:
        began = time.monotonic()
        code, ended = run(rollout, INJECTIONS[name], phase)
        ROWS.append(f"{name:<20} {phase:<11} {code:4}  {ended[:60]:<5}  {time.monotonic() - began:7.0f}")
        print(ROWS[-1])
        assert ended in ("new", "old"), ended
        assert ended == "new" or not INJECTIONS[name].finishes, "nothing was wrong that had to end it"
        assert (code == 0) == (ended == "new")
        if ended == "new":
            assert rollout.run("revert", "--yes").returncode == 0
