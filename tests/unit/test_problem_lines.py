"""What is printed of a Problem: harmless on a terminal, and never longer than people read."""

from __future__ import annotations

import pytest

from netplan.cli.output import emit, note, report
from netplan.problems import Location, Problem

EVIL = "\x1b]0;owned\x07\x1b[2J\u202e\r\x00\ud800"


def test_nothing_that_somebody_else_wrote_reaches_a_terminal_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    at = Location(f"/{EVIL}/plan.yaml", 1, 3, source=f"a: {EVIL}")
    problem = Problem(code=f"IPP201{EVIL}", message=f"m {EVIL}\nforged: line", hint=EVIL, location=at)
    assert all(text.isprintable() for text in (problem.code, problem.message, str(problem.hint)))
    report([problem])
    emit(EVIL + "\n\tnext")
    note(EVIL)
    said = capsys.readouterr()
    assert all(c.isprintable() or c in "\n\t" for c in said.out + said.err)
    assert "\n\tnext" in said.out


@pytest.mark.parametrize("column", [1, 79, 80, 81, 4000, 7919, 8000, None])
def test_of_a_long_line_the_part_around_the_column_is_shown(column: int | None) -> None:
    line = "".join(chr(ord("a") + n % 26) for n in range(8000))
    problem = Problem("IPP208", "x", location=Location("p", 7, column, width=3, source=line))
    _, shown, *caret = problem.lines()
    assert len(shown) <= len("  7 | ") + 160
    if column is not None:
        assert shown[caret[0].index("^")] == line[column - 1]
    assert shown.startswith("  7 | …") == (column is not None and column > 81)
    assert shown.endswith("…") == (column is None or column < 7921)


def test_of_one_kind_fifty_are_printed_and_the_rest_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    report([*(Problem("IPP208", f"n {n}") for n in range(8000)), Problem("IPP209", "another")])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 52
    assert lines[-2:] == ["error IPP209: another", "IPP208: and 7950 more of this kind"]
