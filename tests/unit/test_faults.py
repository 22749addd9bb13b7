"""The fault list is whole: every row has a fault with a test that exists, or a reason; and it is long enough."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.lab.faults import FAULTS, ROWS
from tests.lab.injections import INJECTIONS
from tests.lab.test_fault_looks import LOOKS

ROOT = Path(__file__).parents[2]


def test_every_row_has_a_fault_and_every_fault_a_row() -> None:
    assert {fault.row for fault in FAULTS} == set(ROWS) - set(REASONS)
    assert not set(REASONS) - set(ROWS)
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


# rows that nothing here can show
REASONS = {
    "boot-without": "shown by the tests of the guard, not by the list's own",
}


@pytest.mark.parametrize("reference", sorted({test for fault in FAULTS for test in fault.tests}))
def test_every_test_that_is_named_exists(reference: str) -> None:
    path, _, name = reference.partition("::")
    functions = {n.name for n in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(n, ast.FunctionDef)}
    assert name in functions if name else any(f.startswith("test_") for f in functions)


def test_it_is_long_enough() -> None:
    assert len([fault for fault in FAULTS if fault.tests]) >= 30
    assert len([fault for fault in FAULTS if len(fault.phases) >= 3]) >= 10
    assert all(fault.tests or fault.reason for fault in FAULTS)
    assert all(fault.must and fault.how for fault in FAULTS)


def test_what_is_injected_is_in_the_list() -> None:
    names = {fault.name for fault in FAULTS}
    assert set(INJECTIONS) | set(LOOKS) <= names
