"""A controller that dies behind a line of its journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Options
from netplan.rollout.record.events import silent
from netplan.rollout.record.journal import ClusterState, Journal
from netplan.rollout.verbs.apply import apply
from tests.support.simulated import Nodes

MESH = {"n-a": ["n-b", "n-c"], "n-b": ["n-a", "n-c"], "n-c": ["n-a", "n-b"]}


class Killed(BaseException):
    """The end of the control process."""


def engine(nodes: Nodes, state: ClusterState, **options: Any) -> Engine:
    """Return an engine over simulated nodes."""
    return Engine("lab", "d" * 64, nodes.targets, nodes, state, silent, Options(**options))


def dies(nodes: Nodes, point: str, monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    """Apply until the journal has got this record."""
    event, phase, number = point.split(":")
    left = [int(number)]
    write = Journal.write

    def count(journal: Journal, record: dict[str, Any]) -> None:
        write(journal, record)
        if event == "line" or (record["event"], record.get("phase", "")) == (event, phase):
            left[0] -= 1
            if not left[0]:
                raise Killed

    with monkeypatch.context() as patch, ClusterState(state, "lab") as cluster:
        patch.setattr(Journal, "write", count)
        with pytest.raises(Killed):
            apply(engine(nodes, cluster, timer_s=60), lambda _: True)
