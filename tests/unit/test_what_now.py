"""Below what went wrong on nodes stands the command that says what to do; not below what a file has wrong."""

from __future__ import annotations

import pytest

from netplan.cli.output import HABITS, report
from netplan.problems import Problem

GONE = Problem("IPP661", "n1 can't be reached", hint="waited 30 s")


def test_what_nodes_say_ends_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    report([Problem("IPP505", "old", severity="warning"), GONE, Problem("IPP671", "held")])
    assert capsys.readouterr().err.splitlines()[-1] == "what to do now: ipsecplan explain IPP661"
    report([Problem("IPP201", "no such file")])
    assert "what to do" not in capsys.readouterr().err


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HABITS, "quiet", True)
    report([GONE])
    assert "what to do" not in capsys.readouterr().err
