"""The verb ``assess``: what it takes, what it writes, its exit codes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netplan.bundle import reader, write
from netplan.cli import assess as verb
from netplan.rollout.engine import Engine
from netplan.rollout.nodes.targets import Target
from netplan.rollout.outcome import Options
from netplan.rollout.record.journal import ClusterState
from tests.support.fake_nodes import FakeNodes
from tests.support.in_process import run
from tests.support.plans import make_planned
from tests.unit.test_assess import facts, status

BARE = ["assess", "bundle", "--state-dir", "state"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    planned = make_planned(2)
    write.write(tmp_path / "bundle", planned.plan, planned.inventory)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def answering(here: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Nodes that answer as planned; what a test puts in is changed in each status before it is sent."""
    spoil: dict[str, Any] = {}
    found = verb.gather(reader.read(here / "bundle"), here, 0.0)

    def answer(phase: str, node_id: str) -> dict[str, Any]:
        if phase == "status":
            return {**status(found, node_id), **spoil}
        kernel = {"iptfs": "untried", "per_cpu_sas": "untried"}
        around = {"system": "", "unit": "", "confined": ""}
        return facts(algorithms=[], key_exchanges=[], kernel=kernel, surroundings=around)

    @contextlib.contextmanager
    def opened(bundle: Path, *_: object, **__: object) -> Iterator[Engine]:
        read = reader.read(bundle)
        targets = [Target(i, at["name"], at["digest"], read.node(i), (), {}, {}) for i, at in read.nodes.items()]
        state = ClusterState(here / "state", read.cluster, reading=True)
        nodes: Any = FakeNodes(answer)
        yield Engine(read.cluster, read.digest, targets, nodes, state, lambda _: None, Options())

    monkeypatch.setattr(verb, "opened", opened)
    return spoil


@pytest.mark.usefixtures("here")
def test_a_bundle_alone_leaves_much_unjudged_and_says_it(here: Path) -> None:
    code, said = run(BARE)
    assert code == 9
    assert "NOT JUDGED IPP716" in said
    assert "0 BAD" in said
    assert not (here / "state").exists(), "who only reads makes nothing"


@pytest.mark.usefixtures("here")
def test_a_policy_that_the_bundle_breaks_is_exit_5_and_names_the_section() -> None:
    code, said = run([*BARE, "--policy", "cnsa1"])
    assert code == 5
    assert "x25519 is not allowed  [RFC 9206 section 5; the bundle]" in said


def test_every_form_is_written_and_two_runs_compare(here: Path) -> None:
    forms = ["--html", "r.html", "--sarif", "r.sarif", "--junit", "r.xml", "--keep", "kept"]
    assert run([*BARE, *forms])[0] == 9
    assert json.loads((here / "r.sarif").read_text())["version"] == "2.1.0"
    assert (here / "r.xml").read_text().startswith("<?xml")
    assert "<h2>In short</h2>" in (here / "r.html").read_text()
    (kept,) = (here / "kept").glob("*.json")
    code, said = run([*BARE, "--against", str(kept), "--json"])
    document = json.loads(said)
    assert (code, document["exit_code"], document["result"]["changes"]) == (9, 9, [])
    code, said = run([*BARE, "--against", str(kept), "--policy", "bsi"])
    assert (code, "IPP717" in said) == (3, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--measure"], "--measure needs --live"),
        (["--keep", "a", "--against", "b"], "give it or --against"),
        (["--units", "u"], "--units needs --live and --keep"),
        (["--policy", "nist"], "is not one of"),
    ],
)
@pytest.mark.usefixtures("here")
def test_options_that_don_t_fit(words: list[str], said: str) -> None:
    code, text = run([*BARE, *words])
    assert (code, said in text) == (2, True), text


def test_the_timer_runs_what_was_asked_for(here: Path) -> None:
    code, said = run([*BARE, "--live", "--keep", "kept", "--policy", "bsi", "--units", "units"])
    assert (code, "systemctl enable --now ipsecplan-assess.timer" in said) == (0, True)
    line = (here / "units" / "ipsecplan-assess.service").read_text()
    assert f'"assess" "{here}/bundle" "--live" "--state-dir" "{here}/state" "--policy" "bsi"' in line
    assert f'"--proof-days" "30" "--keep" "{here}/kept"\n' in line
    run([*BARE, "--live", "--keep", "kept", "--measure", "--objects", "dump.json", "--units", "units"])
    again = (here / "units" / "ipsecplan-assess.service").read_text()
    assert f'"--measure" "--objects" "{here}/dump.json" "--proof-days"' in again


def test_nodes_are_asked_once_and_a_fault_is_exit_5(here: Path, answering: dict[str, Any]) -> None:
    code, said = run([*BARE, "--live", "--json"])
    result = json.loads(said)["result"]
    assert (code, result["live"], result["counts"]["bad"]) == (9, True, 0)
    assert result["verdicts"]["drift"] == "good"
    (here / "old.json").write_text(said)
    answering["guard"] = {"mode": "count", "clear": {}}
    code, said = run([*BARE, "--live", "--against", "old.json"])
    assert code == 5
    assert "BAD IPP714  n1, n2: the guard only counts clear packets" in said
    assert "worse: guard, n1: the guard only counts clear packets" in said


def test_a_node_that_does_not_answer_is_a_warning_and_not_judged(
    answering: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    del answering
    asked = verb.measure.look

    def look(engine: Engine) -> list[Any]:
        problems = asked(engine)
        gone = next(iter(engine.run.results["status"]))
        for phase in ("status", "facts"):
            del engine.run.results[phase][gone]
        return [*problems, verb.Problem("IPP661", "n1 can't be reached")]

    monkeypatch.setattr(verb.measure, "look", look)
    code, said = run([*BARE, "--live", "--json"])
    document = json.loads(said)
    assert (code, document["errors"]) == (9, [])
    assert [p["message"] for p in document["warnings"]] == ["n1 can't be reached"]
    assert said.count("the node did not answer") > 4


@pytest.mark.usefixtures("here")
def test_a_path_that_is_no_bundle() -> None:
    code, said = run(["assess", "nowhere", "--state-dir", "state"])
    assert (code, "IPP502" in said) == (3, True)
