"""What holds for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

from netplan.stack import headers, transforms

# a slow or busy machine fails no property: how long an example takes is not what is tested
settings.register_profile("unhurried", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("unhurried")


def pytest_runtest_setup() -> None:
    """Under `make mutants`, make the tables again: their mutants are chosen after the modules were loaded."""
    if "MUTANT_UNDER_TEST" in os.environ:
        rows, ciphers = {row.name: row for row in headers._rows()}, transforms._ciphers()
        headers.HEADERS.clear()
        headers.HEADERS.update(rows)
        transforms.CIPHERS.clear()
        transforms.CIPHERS.update(ciphers)
