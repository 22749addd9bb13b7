"""``status`` shows each node when it answers, and keeps of it what does not grow with its peers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from netplan.cli import status as verb
from netplan.rollout.verbs import measure
from netplan.rollout.verbs.measure import status
from tests.support.fake_nodes import Cluster, engine, mesh
from tests.support.mutations import FINDING

TARGETS = mesh(4)
DRIFT = [
    {**FINDING, "code": "IPP681", "severity": "error", "message": f"lack {n}", "found": "1", "planned": "2"}
    for n in range(70)
]


class Saying(Cluster):
    """Nodes that say something of each peer."""

    def __init__(self) -> None:
        super().__init__(pairs=[{"peer": t.id, "name": t.name, "children": {"out": ["A"]}} for t in TARGETS])
        self.printed: list[int] = []  # lines on stdout when each node was asked
        self.lines: list[str] = []

    def _answer(self, node_id: str, request: dict[str, Any]) -> Any:
        self.printed.append(len(self.lines))
        return super()._answer(node_id, request)


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Saying:
    made = Saying()

    @contextlib.contextmanager
    def opened(*_: Any, **__: Any) -> Iterator[Any]:
        yield engine(tmp_path, TARGETS, made)

    monkeypatch.setattr(verb, "opened", opened)
    return made


def test_each_node_is_shown_before_the_next_one_answers(nodes: Saying, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "emit", nodes.lines.append)
    assert CliRunner().invoke(verb.command, ["bundle"]).exit_code == 0
    assert [line for line in nodes.lines if line.startswith("h")] == [f"{t.name}: none" for t in TARGETS]
    assert nodes.printed == sorted(set(nodes.printed)), "a node that answers later finds more lines"


def test_nothing_of_peers_is_kept_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "KEPT_NODES", 3)
    told: list[int] = []
    run = engine(tmp_path, TARGETS, Saying())
    outcome = status(run, told=lambda _, node: told.append(len(node["pairs"])))
    assert told == [4, 4, 4, 4]
    assert {len(node["pairs"]) for node in outcome.nodes.values()} == {0}
    assert {len(node["pairs"]) for node in run.run.results.status.values()} == {0}
    assert outcome.changes == 4


def test_json_has_all_of_every_node(nodes: Saying) -> None:
    said = CliRunner().invoke(verb.command, ["--json", "bundle"])
    document = json.loads(said.stdout)
    found = document["result"]["nodes"]
    assert list(found) == [target.name for target in TARGETS]
    assert {len(node["pairs"]) for node in found.values()} == {4}
    assert (document["result"]["to_change"], document["errors"]) == (4, [])
    assert said.stdout == json.dumps(document, indent=2) + "\n"


def test_of_very_many_differences_a_node_tells_the_first(nodes: Saying) -> None:
    state = {"schema": 1, "state": "confirmed", "tx": "tx-1", "release": "f" * 64, "at": "", "last": {}}
    nodes.status |= {"drift": DRIFT, "state": state}
    said = CliRunner().invoke(verb.command, ["--json", "bundle"])
    document = json.loads(said.stdout)
    assert (said.exit_code, document["exit_code"]) == (4, 4)
    assert len(document["errors"]) == 4 * (verb.MOST_OF_A_NODE + 1)
    assert document["errors"][verb.MOST_OF_A_NODE]["message"] == "h0: and 20 more differences"
