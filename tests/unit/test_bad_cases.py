"""Every message for a wrong input, word for word.

A case is a directory under tests/cases/bad: ``cmd`` (arguments of ipsecplan, one a line), ``expected`` (what it
prints, stdout then stderr) and ``exit`` (its exit code), beside whatever input files the command reads. The command
runs with the directory as its working directory. ``UPDATE_GOLDEN=1`` writes ``expected`` and ``exit`` anew; read the
difference before you commit it.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from netplan.cli.main import main
from tests.support.golden import check

ROOT = Path(__file__).parents[1] / "cases" / "bad"
CASES = sorted(path.parent for path in ROOT.glob("*/cmd"))
STACK_CASES = 12


def test_there_are_cases() -> None:
    assert sum(case.name.startswith("stack-") for case in CASES) >= STACK_CASES
    assert {path.name for path in ROOT.iterdir() if path.is_dir()} == {case.name for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_message(case: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(case)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    stdin = case / "stdin"
    monkeypatch.setattr("sys.stdin", io.StringIO(stdin.read_text() if stdin.exists() else ""))
    code = main((case / "cmd").read_text().splitlines())
    out, err = capsys.readouterr()
    printed = (out + err).replace(str(case), ".")
    check(case / "expected", printed)
    check(case / "exit", f"{code}\n")
    assert code != 0
    assert "Traceback" not in printed
