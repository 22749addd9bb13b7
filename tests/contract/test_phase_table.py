"""The table of phases holds for both sides: modules, functions, titles, steps, and what undoes what."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from netplan.agent.phase_table import PHASES, READ_ONLY, ROLL_BACK, Phase, title
from netplan.rollout import pace, phases
from netplan.rollout.phases import Step
from netplan.rollout.verbs.apply import AGAIN

STEPS = [
    *(step for value in vars(phases).values() for step in (value if isinstance(value, tuple) else (value,))),
    AGAIN,
]
SENT = {phase for step in STEPS if isinstance(step, Step) for phase in step.phases}
APPLIED = {phase for step in phases.APPLY for phase in step.phases}


@pytest.mark.parametrize("phase", PHASES.values(), ids=lambda phase: phase.name)
def test_a_phase_has_a_function_that_takes_a_request(phase: Phase) -> None:
    module = importlib.import_module(f"netplan.agent.{phase.module}")
    function = getattr(module, phase.function)
    assert function.__module__ == module.__name__
    assert len(inspect.signature(function).parameters) == 1 + phase.archive
    assert (function.__doc__ or "").strip()


@pytest.mark.parametrize("phase", PHASES.values(), ids=lambda phase: phase.name)
def test_a_phase_has_a_name_that_a_node_can_remember_and_a_title(phase: Phase) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", phase.name)
    assert title(phase.name) == phase.title != ""
    assert not phase.title.endswith(".")
    assert title("nonsense") == ""


def test_titles_are_told_apart() -> None:
    assert len({phase.title for phase in PHASES.values()}) == len(PHASES)


def test_every_phase_is_sent_and_every_one_that_is_sent_is_known() -> None:
    assert set(PHASES) == SENT


def test_what_changes_a_node_in_an_apply_is_undone_once() -> None:
    undone = [name for phase in PHASES.values() for name in phase.undoes]
    assert len(undone) == len(set(undone)), "two phases undo the same"
    assert set(undone) <= set(PHASES)
    like = {"soak", "rekey"}  # a soak only waits, and a rekey puts an SA in the place of its like
    assert set(undone) - {"raise-senders", "raise-devices"} == APPLIED - READ_ONLY - like


def test_undoing_goes_backwards() -> None:
    order = [phase for step in phases.APPLY for phase in step.phases]
    firsts = [order.index(PHASES[name].undoes[-1]) for name in ROLL_BACK]
    assert firsts == sorted(firsts, reverse=True)
    off = [order.index(PHASES[phase].undoes[0]) for step in phases.RESTORE for phase in step.phases]
    assert off == sorted(off, reverse=True), "devices before senders: the reverse of lowering"
    assert [PHASES[step.phases[0]].undoes[0] for step in phases.LOWER_AGAIN] == ["raise-senders", "raise-devices"]


def test_what_may_run_without_an_open_transaction() -> None:
    for phase in PHASES.values():
        free = phase.read_only or phase.rolls_back or phase.raises
        assert not (free and phase.needs_open), phase.name
        assert not (phase.read_only and phase.undoes), phase.name
    needing = {name for name, phase in PHASES.items() if phase.needs_open}
    assert needing == (APPLIED - {"arm", "probe"}) | {"await-confirm", "prepare", "hold"}


def test_a_step_that_carries_files_has_the_phases_that_take_them() -> None:
    for step in STEPS:
        if isinstance(step, Step):
            assert step.payload == any(PHASES[phase].archive for phase in step.phases), step.key


def test_the_pace_knows_phases_of_the_table_only() -> None:
    assert set(pace.SHARES) | set(pace.UNLIKE) <= set(PHASES)
