"""Each request twice, and once more when it is too late: as when a worker dies with its requests under way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netplan.agent import main
from tests.simulation import run as simulation
from tests.simulation.faults import Fault
from tests.simulation.machine import Node
from tests.simulation.run import run
from tests.simulation.world import World


class Again:
    """Stands for the way to the nodes. ``late``: (phase, codes of what a node answered to what came too late)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, turns: bool = True) -> None:
        self._ask, self._turns = World._ask, turns
        self._before: dict[str, tuple[dict[str, Any], bytes]] = {}
        self.late: list[tuple[str, set[str]]] = []
        monkeypatch.setattr(World, "_ask", lambda world, *of: self.ask(world, *of))
        monkeypatch.setattr(simulation, "drawn", lambda *_: [])

    def ask(self, world: World, node: Node, request: dict[str, Any], archive: bytes) -> str | None:
        """Let what was asked before arrive late, then ask, and ask again; return the answer to that."""
        if node.id in self._before:
            old, files = self._before[node.id]
            said = self._ask(world, node, old, files)
            if said is not None and not main._harmless(json.loads(json.dumps(old))):
                results = json.loads(said)["results"]
                codes = {finding["code"] for result in results for finding in result["findings"]}
                self.late.append((old["phases"][0], codes))
        first, again = self._turned(request), self._turned(request)
        self._before[node.id] = (first, archive)
        if self._ask(world, node, first, archive) is None:
            return None
        return self._ask(world, node, again, archive)

    def _turned(self, request: dict[str, Any]) -> dict[str, Any]:
        if not self._turns or "lease" not in request:
            return request
        self._number = getattr(self, "_number", 0) + 1
        return {**request, "lease": {**request["lease"], "turn": self._number}}


@pytest.mark.parametrize("seed", range(2))  # with and without a release of before
def test_twice_is_as_good_as_once_and_too_late_is_refused(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    again = Again(monkeypatch)
    report = run(seed, 3)
    assert (report.outcome, report.wrong) == ("confirmed", [])
    assert {"lower-devices", "encrypt", "enforce", "prepare"} <= {phase for phase, _ in again.late}
    assert [late for late in again.late if "IPP671" not in late[1]] == []


@pytest.mark.parametrize("phase", ["encrypt", "probe", "prepare"])
def test_a_rollback_that_is_asked_for_twice_is_whole(monkeypatch: pytest.MonkeyPatch, phase: str) -> None:
    again = Again(monkeypatch)
    monkeypatch.setattr(simulation, "drawn", lambda *_: [Fault("gone", "n-000000000001", phase, -1, 5)])
    report = run(3, 3)
    assert report.wrong == []
    assert report.outcome in ("rolled-back", "rollback-incomplete")
    # the node that was away has rolled back by itself: it knows no such transaction any more
    assert [late for late in again.late if late[1].isdisjoint({"IPP671", "IPP603"})] == []


def test_without_turns_a_late_request_would_be_served(monkeypatch: pytest.MonkeyPatch) -> None:
    again = Again(monkeypatch, turns=False)
    run(0, 3)
    assert [late for late in again.late if "IPP671" not in late[1]]
