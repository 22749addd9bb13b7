"""More nodes than forks: no node waits inside a request, no timer fires under a live run, and each request is cheap."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from netplan.problems import ExitCode
from netplan.rollout.record.events import Paced, PhaseStarted, Progress
from tests.support.many_nodes import ManyNodes, Rollout, ring

HELD_S = 300  # less than 60 nodes need for `enforce` and `probe`, one after the other
SIZES = [
    (60, 1),
    (60, 5),
    (60, 50),
    pytest.param(200, 1, marks=pytest.mark.slow),
    (200, 50),
    pytest.param(1000, 1, marks=pytest.mark.drill),
    pytest.param(1000, 5, marks=pytest.mark.drill),
    pytest.param(1000, 50, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("number", "forks"), SIZES)
def test_any_number_of_nodes_ends_with_any_forks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, forks: int
) -> None:
    run = Rollout(monkeypatch, tmp_path, ring(number, 5), forks=forks)
    assert run.outcome.outcome == "confirmed", [p.message for p in run.outcome.problems[:3]]
    assert run.nodes.fired == [], "a live controller leaves nobody to its timer"
    assert run.nodes.forks == {forks}
    assert run.nodes.waited > 0, "peers that had not been asked yet"
    assert not run.nodes.deadline, "no timer is left"
    asked_again = [who for names, who in run.nodes.steps if names[0] == "ike-check"]
    assert asked_again
    assert max(asked_again) < number, "who lacks nothing is not asked again"
    longest = max(event.timer_s for event in run.events if isinstance(event, Paced))
    assert longest <= max(900, 10 * number / forks), "one that is dead leaves nobody for longer than that"


def test_a_full_mesh_of_sixty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """56 nodes failed on 23 of them when each waited inside its request for peers that no fork had reached."""
    run = Rollout(monkeypatch, tmp_path, ring(60, 30), forks=50)
    assert run.outcome.outcome == "confirmed", [p.message for p in run.outcome.problems[:3]]
    assert run.nodes.fired == []


def test_a_wave_asks_its_own_nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With more nodes than forks a round of all nodes costs more than to hold those whose timers run down."""
    few = Rollout(monkeypatch, tmp_path / "few", ring(60, 2), forks=60)
    many = Rollout(monkeypatch, tmp_path / "many", ring(60, 2), forks=5)
    waves = {run: [who for names, who in run.nodes.steps if names == ("encrypt",)] for run in (few, many)}
    assert waves[few].count(60) > 4, "in one round each timer counts anew"
    assert sum(waves[many]) < 0.6 * sum(waves[few])
    assert many.nodes.fired == []
    assert many.outcome.outcome == few.outcome.outcome == "confirmed"
    assert set(many.nodes.asked) == set(few.nodes.asked), "every pair had its turn"


def test_nodes_are_held_while_others_have_their_turn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = Rollout(monkeypatch, tmp_path, ring(60, 8), forks=1, timer_s=HELD_S)
    assert run.outcome.outcome == "confirmed", [p.message for p in run.outcome.problems[:3]]
    assert run.nodes.fired == []
    held = [event for event in run.events if isinstance(event, PhaseStarted) and event.phase == "hold"]
    assert held
    assert {event.timer_s for event in held} == {HELD_S}


def test_without_holding_timers_would_fire(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("netplan.rollout.timers.Timers.due", lambda *_: [])
    run = Rollout(monkeypatch, tmp_path, ring(60, 8), forks=1, timer_s=HELD_S)
    assert run.nodes.fired != []


def test_a_peer_that_never_comes_is_named_in_bounded_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    targets = ring(60, 2)
    run = Rollout(monkeypatch, tmp_path, targets, forks=20, silent=frozenset({targets[7].id}))
    assert run.outcome.exit_code == ExitCode.REVERTED
    assert {p.code for p in run.outcome.problems} == {"IPP614"}
    assert all(targets[7].id in p.message for p in run.outcome.problems)
    assert len(run.outcome.problems) == 4, "its peers, and nobody else"
    assert run.nodes.fired == []
    assert 20 < run.clock.slept < 200
    last = [(names, who) for names, who in run.nodes.steps if names[0] == "ike-check"][-1]
    assert last == (("ike-check", "permissive"), 4)


def test_a_node_that_only_ever_waits_is_no_green_light(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = ManyNodes._lacks

    def lacks(self: ManyNodes, node_id: str, phase: str, request: dict[str, object]) -> list[str]:
        if phase == "encrypt":
            request["more"] = True
            return self.peers[node_id]
        return real(self, node_id, phase, request)

    monkeypatch.setattr(ManyNodes, "_lacks", lacks)
    run = Rollout(monkeypatch, tmp_path, ring(10, 2), forks=5)
    assert run.outcome.exit_code == ExitCode.REVERTED
    assert [p.code for p in run.outcome.problems] == ["IPP662"]
    assert "enforce" not in [name for names, _ in run.nodes.steps for name in names]


def test_progress_says_how_long_it_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = Rollout(monkeypatch, tmp_path, ring(60, 2), forks=5)
    told = [event for event in run.events if isinstance(event, Progress) and event.left_s is not None]
    assert len(told) > 20
    assert told[0].left_s is not None
    assert told[-1].left_s is not None
    assert told[0].left_s > 5 * told[-1].left_s
    assert told[0].left_s == pytest.approx(run.took, rel=1.0)
    assert all(0 <= event.done <= event.nodes for event in told)
    journal = next((tmp_path / "clusters" / "lab" / "journal").iterdir()).read_text()
    assert '"Progress"' not in journal


def _cpu(monkeypatch: pytest.MonkeyPatch, folder: Path, number: int, reach: int) -> float:
    targets = ring(number, reach)
    with monkeypatch.context() as patch:
        served = [0.0]
        real = ManyNodes._serve

        def serve(self: ManyNodes, node_id: str, request: dict[str, object], at: float) -> object:
            begin = time.process_time()
            answer = real(self, node_id, request, at)
            served[0] += time.process_time() - begin
            return answer

        patch.setattr(ManyNodes, "_serve", serve)
        begin = time.process_time()
        run = Rollout(patch, folder, targets, forks=50)
        spent = time.process_time() - begin - served[0]
    assert run.outcome.outcome == "confirmed", [p.message for p in run.outcome.problems[:3]]
    return spent / run.nodes.requests


def test_a_request_costs_the_engine_as_much_with_more_nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    few, many = (_cpu(monkeypatch, tmp_path / str(n), n, 5) for n in (50, 200))
    print(f"engine CPU a node-request: {few * 1000:.2f} ms at 50, {many * 1000:.2f} ms at 200")
    assert many < 2 * few + 5e-4


@pytest.mark.slow
def test_a_request_costs_at_most_two_milliseconds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    few, many = (_cpu(monkeypatch, tmp_path / str(n), n, 5) for n in (50, 1000))
    print(f"engine CPU a node-request: {few * 1000:.2f} ms at 50, {many * 1000:.2f} ms at 1000")
    assert many < 2 * few + 5e-4


def test_what_a_request_carries_does_not_grow_with_the_peers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """But for what is sent once, and for whose turn it is."""
    sizes: dict[int, list[int]] = {}
    real = ManyNodes._serve

    def serve(self: ManyNodes, node_id: str, request: dict[str, object], at: float) -> object:
        rest = {key: value for key, value in request.items() if key not in ("node", "files", "pairs", "certificate")}
        sizes.setdefault(len(self.peers), []).append(len(json.dumps(rest)))
        return real(self, node_id, request, at)

    monkeypatch.setattr(ManyNodes, "_serve", serve)
    for number in (20, 60):
        Rollout(monkeypatch, tmp_path / str(number), ring(number, number // 2), forks=50)
    assert max(sizes[60]) <= max(sizes[20]) + 20
    assert max(sizes[60]) < 4096
