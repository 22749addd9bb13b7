"""What holds for all tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from netplan.stack import headers, transforms

TABLE_TESTS = ("test_reference_pages", "test_stack_words", "test_stack", "test_stack_kernel", "test_explain_docs")

# a slow or busy machine fails no property: how long an example takes is not what is tested
settings.register_profile("unhurried", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("unhurried")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Under `make mutants`, make the tables again: their mutants are chosen after the modules were loaded.

    Only for the tests that read the tables whole, so that no mutant of them goes through all others.
    """
    if "MUTANT_UNDER_TEST" in os.environ and item.path.stem in TABLE_TESTS:
        rows, ciphers = {row.name: row for row in headers._rows()}, transforms._ciphers()
        headers.HEADERS.clear()
        headers.HEADERS.update(rows)
        transforms.CIPHERS.clear()
        transforms.CIPHERS.update(ciphers)
