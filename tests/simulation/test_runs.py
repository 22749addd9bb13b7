"""Seeds of the simulation: whatever fails, in whatever phase, no run ends mixed or with a pair that we have cut."""

from __future__ import annotations

import itertools

import pytest

from netplan.agent.phases import confirm as confirm_phase
from netplan.rollout import step_loop
from netplan.rollout.verbs import apply as apply_module
from netplan.rollout.verbs import confirm as confirm_module
from tests.simulation import run as simulation
from tests.simulation.faults import KINDS, PHASES, Fault
from tests.simulation.run import LEFT_ALONE_S, run
from tests.sizes import size


def of_seeds(seeds: range, nodes: int, mesh: str = "pairs") -> None:
    """Run seeds; the message of a failure says how to run one again."""
    for seed in seeds:
        report = run(seed, nodes, mesh)
        assert not report.wrong, f"--nodes {nodes} --mesh {mesh} --seed {seed}: {report.wrong}"


def test_three_nodes_end_on_one_side() -> None:
    of_seeds(range(4), 3)


def test_a_seed_says_everything() -> None:
    one, other = run(7, 4), run(7, 4)
    assert (one.outcome, one.sides, one.requests, one.simulated_s) == (
        other.outcome,
        other.sides,
        other.requests,
        other.simulated_s,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("nodes", "mesh", "part", "whole"),
    [(3, "pairs", 12, 400), (8, "ring", 6, 200), (12, "hub", 4, 200), (50, "pairs", 1, 20)],
)
def test_seeds_end_on_one_side(nodes: int, mesh: str, part: int, whole: int) -> None:
    of_seeds(range(1000, 1000 + size(part, whole)), nodes, mesh)


GRID = [
    (kind, phase, when)
    for kind, phase, when in itertools.product(KINDS, PHASES, (-1, -2, 2))
    if kind != "killed" and (kind != "no proof" or phase == "probe")
]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "killed"])
def test_every_fault_in_every_phase_ends_on_one_side(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    cases = [case for case in GRID if case[0] == kind]
    for number, (_, phase, when) in list(enumerate(cases))[:: size(13, 1)]:
        for node in range(size(1, 3)):
            fault = Fault(kind, f"n-{node:012x}", phase, when, (5, 40, 80)[number % 3])
            monkeypatch.setattr(simulation, "drawn", lambda *_, fault=fault: [fault])
            report = run(number, 3)
            assert not report.wrong, (report.words, report.wrong)


@pytest.mark.slow
@pytest.mark.parametrize("pause", [1, 100, LEFT_ALONE_S])
def test_controller_that_dies_anywhere_is_resumed(monkeypatch: pytest.MonkeyPatch, pause: int) -> None:
    for moment in range(1, 100, size(27, 1)):
        monkeypatch.setattr(simulation, "drawn", lambda *_, at=moment: [Fault("killed", "", "", at, pause)])
        report = run(moment, 3)
        assert not report.wrong, (report.words, report.wrong)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["nobody rolls back", "no answer is one"])
def test_simulation_sees_a_controller_that_is_wrong(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Without the rule that it is about, some seed of few ends wrong."""
    if what == "nobody rolls back":
        monkeypatch.setattr(
            apply_module, "undo_after", lambda _, failure, outcome: outcome.problems.extend(failure.problems)
        )
    else:
        monkeypatch.setattr(step_loop, "judge", lambda *_: ([], []))
    assert any(run(seed, 4).wrong for seed in range(40))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["all decide at once", "nobody answers a witness"])
def test_simulation_sees_what_makes_nodes_disagree(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The controller dies around the moment of the decision, and comes back when every timer has fired."""
    if what == "nobody answers a witness":
        monkeypatch.setattr(confirm_phase, "announce", lambda _: None)
    else:
        monkeypatch.setattr(apply_module, "confirm_all", lambda e: confirm_module.confirm_these(e, list(e.targets)))
    seen: list[str] = []
    for moment in range(35, 90):
        fault = Fault("killed", "", "", moment, LEFT_ALONE_S)
        monkeypatch.setattr(simulation, "drawn", lambda *_, fault=fault: [fault])
        seen += run(moment, 3).wrong
        if seen:
            break
    assert seen[:1] == ["left alone, healthy nodes did not agree by themselves"]
