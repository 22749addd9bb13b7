"""The help pages that are printed without click are those of click."""

from __future__ import annotations

from pathlib import Path

import pytest

from netplan.cli import quick
from netplan.cli.group import cli
from tests.support import golden, help_pages


@pytest.fixture
def full_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(quick.FULL_WIDTH))


@pytest.mark.usefixtures("full_width")
def test_help_pages_kept_equal_those_of_click() -> None:
    golden.check(Path(quick.PAGES), quick.BETWEEN_PAGES.join(help_pages.fresh()))


@pytest.mark.usefixtures("full_width")
@pytest.mark.parametrize("words", [["plan", "--help"], ["ca", "show", "-h"], ["-h"], ["lab", "up", "--help"]])
def test_help_of_a_verb_prints_its_page(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert quick.quick(words) == 0
    shown = capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        cli.main(args=words, prog_name="ipsecplan")
    assert (stop.value.code, shown) == (0, capsys.readouterr().out)


@pytest.mark.parametrize("words", [["plan", "x", "--help"], ["nothing", "--help"], ["\f", "-h"], ["lab\nup", "-h"]])
def test_help_of_anything_else_is_left_to_click(words: list[str]) -> None:
    assert quick.quick(words) is None


def test_help_on_a_narrow_terminal_is_left_to_click(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert quick.quick(["plan", "--help"]) is None
