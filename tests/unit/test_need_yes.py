"""Verbs that change nodes, where nobody can answer: what is wrong with the bundle is said before that."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from netplan.cli.group import cli

VERBS = (("apply",), ("try",), ("revert",), ("resume",), ("rotate", "certificates"))


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_what_is_asked_and_what_is_wrong(
    verb: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = CliRunner()
    lacking = runner.invoke(cli, [*verb, str(tmp_path / "not-there")])
    assert (getattr(lacking.exception, "problems", None) or [None])[0].code == "IPP502", lacking.output
    monkeypatch.setattr("netplan.bundle.reader.read", lambda _: None)
    asked = runner.invoke(cli, [*verb, str(tmp_path)])
    assert (asked.exit_code, "give --yes where there is no terminal" in asked.output) == (2, True), asked.output
