"""History and show: journals as people read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from netplan.cli.group import cli
from tests.support.fake_nodes import IDS, FakeNodes, Run, failure


@pytest.fixture
def past(tmp_path: Path) -> Path:
    Run(tmp_path, FakeNodes(lambda phase, node: failure() if (phase, node) == ("trap", IDS[1]) else None))
    Run(tmp_path, FakeNodes(), keep=lambda *_: None)
    return tmp_path


def run(past: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, [*words, "--state-dir", str(past)])
    return done.exit_code, done.output


def test_the_table(past: Path) -> None:
    code, text = run(past, "history")
    head, first, second = text.splitlines()
    assert (code, head.split()[0]) == (0, "TRANSACTION")
    rows = sorted([first.split()[4:6], second.split()[4:6]])
    assert rows == [["apply", "rolled-back"], ["try", "awaiting-confirm"]]
    assert run(past, "history", "--cluster", "other")[1] == "no transaction yet\n"
    rows = json.loads(run(past, "history", "--json")[1])["result"]
    assert {(row["outcome"], row["cluster"], tuple(row["nodes"])) for row in rows} == {
        ("rolled-back", "lab", ("a", "b", "c")),
        ("awaiting-confirm", "lab", ("a", "b", "c")),
    }


def test_one_of_them(past: Path) -> None:
    rows = json.loads(run(past, "history", "--json")[1])["result"]
    failed = next(row["transaction"] for row in rows if row["outcome"] == "rolled-back")
    code, text = run(past, "show", failed.removeprefix("tx-"))
    assert code == 0
    assert "apply at 20" in text
    trap = next(line for line in text.splitlines() if line.startswith("  trap"))
    assert trap.split()[2:] == ["0.1", "FAILED", "0.1"]
    canary = next(line for line in text.splitlines() if line.startswith("  encrypt"))
    assert canary.split()[-1] == "-", "the third node took no part in the first pair"
    assert "error IPP614: b: no" in text
    assert "rolled back: b: no" in text
    whole = json.loads(run(past, "show", "--json", failed)[1])["result"]
    assert whole["runs"][0]["phases"][-1]["phase"] == "read-back"


@pytest.mark.parametrize(("prefix", "said"), [("tx-2", "several transactions begin"), ("zz", "no transaction begins")])
def test_which_one(past: Path, prefix: str, said: str) -> None:
    code, text = run(past, "show", "--json", prefix)
    assert code == 3
    assert said in json.loads(text)["errors"][0]["message"]


def test_a_controller_that_died_left_no_end(past: Path) -> None:
    for path in past.glob("clusters/lab/journal/*"):
        path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:9]))
    assert run(past, "history")[1].count("unfinished") == 2


def test_try_without_terminal_is_refused(tmp_path: Path) -> None:
    code, text = run(tmp_path, "try", "bundle", "--yes")
    assert code == 2
    assert "give --detach, then run `ipsecplan confirm`" in text


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "RunStarted", "nodes": []}',
        '{"event": "RunStarted", "nodes": null}',
        '{"event": "NodeResult", "phase": "arm", "seconds": "x"}',
        '{"event": "NodeResult", "phase": "arm", "seconds": null, "problems": 5}',
        '{"event": "NodeResult", "problems": [3]}',
        '{"event": "PhaseFinished", "phase": "arm", "seconds": NaN}',
        '{"event": "RunFinished", "exit_code": "x"}',
        '{"event": "RunFinished", "exit_code": Infinity}',
        '{"event": "RunFinished", "exit_code": 1' + "0" * 400 + "}",
        '{"event": "RunFinished", "exit_code": 1' + "0" * 5000 + "}",
        "[" * 100_000,
        "null",
        '{"at": 5, "event": 3}',
        "\\udc00\\x00",
    ],
)
def test_a_damaged_line_hides_no_transaction(past: Path, line: str) -> None:
    for path in past.glob("clusters/lab/journal/*"):
        with open(path, "a") as journal:
            journal.write(line + "\n" + "half a line")
        assert run(past, "show", path.stem)[0] == 0
    assert len(run(past, "history")[1].splitlines()) == 3


def test_a_worker_that_was_lost_is_shown(past: Path) -> None:
    [path] = [p for p in past.glob("clusters/*/journal/tx-*.jsonl") if '"rolled-back"' in p.read_text()]
    lost = {"event": "WorkerLost", "worker": "w1", "reason": "gone", "nodes": ["a", "b"], "by": ["w2", "w3"], "left": 2}
    with path.open("a") as journal:
        journal.write(json.dumps({"at": "2026-01-01T00:00:00Z", **lost}) + "\n")
    text = run(past, "show", path.stem)[1]
    assert "warning IPP677: worker w1 is lost: gone; w2 and w3 ask 2 nodes again" in text
