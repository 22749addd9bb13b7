"""A journal that is wrong in one place, every place in turn: history, show and the planner read the rest of it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from netplan.cli import history, show
from netplan.problems import Problem
from netplan.rollout.record import events
from netplan.rollout.record.history import past
from netplan.rollout.record.lines import record_of
from tests.support.mutations import JUNK, places
from tui.run.rollout_state import RolloutState

SHORT = [bad for bad in JUNK if len(repr(bad)) < 1000]
PROBLEM = Problem("IPP614", "no", hint="look")
EVENTS: list[events.Event] = [
    events.RunStarted(verb="try", transaction="tx-1", cluster="lab", digest="d" * 64, nodes={"n-a": "a"}, timer_s=180),
    events.Paced(trip_s=1.0, work_s=0.5, timer_s=180, smallest_s=30),
    events.PhaseStarted(phase="arm", nodes=("a",), timer_s=180),
    events.NodeResult(phase="arm", node="a", ok=True, changed=True, detail="", seconds=0.1, problems=(PROBLEM,)),
    events.PhaseFinished(phase="arm", ok=True, seconds=1.0),
    events.WorkerLost(worker="w1", reason="gone", nodes=("a",), by=("w2",), left=1),
    events.AwaitingConfirm(seconds=600, until="2026-01-01T00:10:00Z"),
    events.Reverting(reason="no"),
    events.RunFinished(outcome="rolled-back", exit_code=6),
]
RECORDS = [{"at": "2026-01-01T00:00:00Z", **event.as_json()} for event in EVENTS]


def test_every_event_is_tried_and_read() -> None:
    kept = {kind.__name__ for kind in events.Event.__subclasses__()} - {"Progress"}  # which is in no journal
    assert {type(event).__name__ for event in EVENTS} == kept
    for record in RECORDS:
        assert record_of(json.dumps(record).encode()) == json.loads(json.dumps(record))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(RECORDS)), ids=[record["event"] for record in RECORDS])
def test_a_line_that_is_wrong_in_one_place_stops_no_reader(number: int, tmp_path: Path) -> None:
    path = tmp_path / "tx-1.jsonl"
    tried = 0
    for *way, key in places(RECORDS[number]):
        for bad in SHORT:
            records: Any = copy.deepcopy(RECORDS)
            inside = records[number]
            for step in way:
                inside = inside[step]
            if isinstance(inside, tuple):
                continue
            inside[key] = bad
            path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
            one = past(path)
            history.lines([one])
            show.lines(one)
            json.dumps([one.as_json(), *(run.as_json() for run in one.runs)])
            state = RolloutState()
            for line in path.read_bytes().splitlines():
                record = record_of(line)
                if record is not None:
                    state.take(record)
            assert one.runs or number == 0, "the other lines are read"
            tried += 1
    assert tried > 100
