"""Journals as a controller writes them, for what reads them."""

from __future__ import annotations

import json
from pathlib import Path

from netplan.rollout import phases
from netplan.rollout.record import events

PHASES = phases.in_order("try")[:-2]  # up to the wait for a confirmation


def records(nodes: int, rounds: int = 1, verb: str = "apply", transaction: str = "tx-1") -> list[dict]:
    names = {f"n-{i:012x}": f"n{i}" for i in range(1, nodes + 1)}
    made: list[events.Event] = [
        events.RunStarted(
            verb=verb, transaction=transaction, cluster="prod-eu1", digest="d" * 64, nodes=names, timer_s=180
        )
    ]
    for number in range(rounds):
        phase = PHASES[number % len(PHASES)]
        timer = {"arm": 180, "lower-devices": 180, "await-confirm": 600}.get(phase)
        made.append(events.PhaseStarted(phase=phase, nodes=tuple(names.values()), timer_s=timer))
        made += [
            events.NodeResult(phase=phase, node=n, ok=True, changed=True, detail="done", seconds=0.1)
            for n in names.values()
        ]
        made.append(events.PhaseFinished(phase=phase, ok=True, seconds=1.0))
    return [{"at": "2026-01-01T00:00:00Z", **event.as_json()} for event in made]


def write(folder: Path, made: list[dict], name: str = "tx-1") -> Path:
    place = folder / "state" / "clusters" / "prod-eu1" / "journal"
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{name}.jsonl"
    with open(path, "a") as out:
        out.write("".join(json.dumps(r, default=str) + "\n" for r in made))
    return path
