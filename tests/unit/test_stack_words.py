"""What is said of each kind of stack that is refused, word for word, and what of it is marked.

``tests/cases/stack/refused`` has one stack a line, in quotes as Python writes them. ``expected`` has each with its
mark, the message and the hint; ``make golden`` writes it anew, then read the difference.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from netplan.problems import ProblemError, present
from netplan.stack import parse, solve
from tests.support.golden import check

ROOT = Path(__file__).parents[1] / "cases" / "stack"
REFUSED = [ast.literal_eval(line) for line in (ROOT / "refused").read_text(encoding="utf-8").splitlines()]


def said(stack: str) -> str:
    with pytest.raises(ProblemError) as error:
        solve(parse(stack), 1500)
    (problem,) = error.value.problems
    where = present(problem.location, "each has a place")
    assert where.source == stack
    mark = " " * (present(where.column, "a column") - 1) + "^" * where.width
    hint = "(no hint)" if problem.hint is None else problem.hint
    return f"{ascii(stack)[1:-1]}\n{mark}\n{problem.code} {problem.message}\n{hint}\n"


def test_every_kind_of_refusal_is_worded_as_before() -> None:
    assert len(set(REFUSED)) == len(REFUSED) >= 90
    check(ROOT / "expected", "\n".join(map(said, REFUSED)))
