"""How the planner ends, in a terminal: exit code, the terminal afterwards, what it says, and what becomes of edits."""

from __future__ import annotations

import os
import signal
import stat
import sys
from pathlib import Path

import pytest

from tests.tui.conftest import PLAN
from tests.tui.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]
TYPED = "name: prod-eu1-x\n"
JUMP = "\x0f"  # ctrl+o, which works in a field, too; the faults of a key are planted there


@pytest.fixture
def terminal(folder):
    """Open a terminal with the planner in it; ``opened("key", "plan.yaml")`` plants a fault."""
    open_ones = []

    def opened(place: str, *words: str, size=(80, 24), **more: str) -> Terminal:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "XDG_CONFIG_HOME": str(folder / "config"),
            "IPSECPLAN_STATE": str(folder / "state"),
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        }
        program = ["netplan"] if place == "command" else ["tests.tui.planted", place]
        environment = {key: value for key, value in environment.items() if value}
        made = Terminal([sys.executable, "-m", *program, "ui", *words], environment, str(folder), size)
        open_ones.append(made)
        return made

    yield opened
    for one in open_ones:
        one.close()


def edited(terminal: Terminal) -> None:
    """Type into the first field of the form."""
    terminal.until("prod-eu1", "nodes", "Undo")
    terminal.press("\r")
    terminal.until("name: name of the cluster")
    terminal.press("\x1b[F-x")  # End, then two letters
    terminal.until("plan.yaml*")


def reports(folder: Path) -> list[Path]:
    return sorted((folder / "state" / "crashes").glob("*"))


def test_the_command_opens_and_leaves(terminal):
    at = terminal("command")
    at.until("prod-eu1: plan", "next: there is no bundle", "$ ipsecplan render plan.yaml --to bundle")
    assert at.settings() != at.before
    at.press("q")
    assert at.end() == 0
    assert at.settings() == at.before
    assert at.said.count(b"\x1b[?1049h") == at.said.count(b"\x1b[?1049l") == 1
    assert at.last_words() == ""


def test_the_command_opens_a_plan_and_asks_before_it_loses_a_change(terminal, folder):
    at = terminal("nothing", "--screen", "plan", "plan.yaml")
    edited(at)
    at.press("\x11")  # ctrl+q, which is Textual's own
    at.until("Quit and lose the unsaved changes?")
    at.press("y")
    assert at.end() == 0
    assert at.settings() == at.before
    assert at.last_words() == ""
    assert Path("plan.yaml").read_text() == PLAN
    assert not list(folder.glob("*.draft*"))


@pytest.mark.parametrize(
    ("place", "words", "keys"),
    [
        ("compose", [], None),
        ("worker", ["plan.yaml"], None),
        ("key", [], JUMP),
        pytest.param("import", [], None, marks=pytest.mark.slow),
        pytest.param("init", ["plan.yaml"], None, marks=pytest.mark.slow),
        pytest.param("css", [], None, marks=pytest.mark.slow),
        pytest.param("mount", [], None, marks=pytest.mark.slow),
        pytest.param("later", [], JUMP, marks=pytest.mark.slow),
        pytest.param("timer", [], JUMP, marks=pytest.mark.slow),
        pytest.param("input", [], JUMP, marks=pytest.mark.slow),
        pytest.param("unmount", [], "q", marks=pytest.mark.slow),
        pytest.param("hang", [], JUMP, marks=pytest.mark.slow),
    ],
)
def test_an_error_is_one_line_and_a_report(place, words, keys, terminal, folder):
    at = terminal(place, *words)
    if keys is not None:
        at.until("next: there is no bundle", "Quit") if place != "input" else None
        at.press(keys)
    assert at.end() == 1
    assert at.settings() == at.before
    [line] = at.last_words().split("\n")  # nothing else, neither a traceback nor what is left of a screen
    [report] = reports(folder)
    assert line.startswith("ipsecplan ui: error in the planner: ")
    assert str(report) in line
    text = report.read_text()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert "Traceback (most recent call last)" in text
    assert f"Python {sys.version.split()[0]}" in text
    assert "hunter2" not in text.replace('password = "hunter2"', ""), "no local variables"
    if place not in ("import", "css"):
        assert "PlantedError: planted, with 7 letters" in text
    if place not in ("import", "css", "input"):
        assert "PlantedError: planted, with 7 letters (tui/planted.py:" in line
    assert not list(folder.glob("*.draft*"))


def test_an_error_keeps_what_is_unsaved_and_the_next_start_offers_it(terminal, folder):
    at = terminal("key", "--screen", "plan", "plan.yaml")
    edited(at)
    at.press(JUMP)
    assert at.end() == 1
    assert at.settings() == at.before
    draft = folder / "plan.yaml.draft"
    [line] = at.last_words().split("\n")
    assert line.endswith(f"; unsaved changes: {draft}")
    assert stat.S_IMODE(draft.stat().st_mode) == 0o600
    assert draft.read_text().partition("\n")[2] == PLAN.replace("name: prod-eu1\n", TYPED)
    assert Path("plan.yaml").read_text() == PLAN
    again = terminal("nothing", "plan.yaml")
    again.until("Unsaved changes to plan.yaml", "Take it")
    again.press("t")
    again.until("plan.yaml*")
    again.press("\x13")  # ctrl+s
    again.until("Save plan.yaml?")
    again.press("\r")
    again.until("plan.yaml saved")
    again.press("q")
    assert again.end() == 0
    assert Path("plan.yaml").read_text() == PLAN.replace("name: prod-eu1\n", TYPED)
    assert not draft.exists()


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_a_signal_keeps_what_is_unsaved(number, terminal, folder):
    at = terminal("nothing", "--screen", "plan", "plan.yaml")
    edited(at)
    at.process.send_signal(number)
    assert at.end() == 128 + number
    assert at.settings() == at.before
    assert at.last_words() == f"ipsecplan ui: ended by {number.name}; unsaved changes: {folder / 'plan.yaml.draft'}"
    assert TYPED in (folder / "plan.yaml.draft").read_text()


def test_a_terminal_that_goes_away_keeps_what_is_unsaved(terminal, folder):
    at = terminal("nothing", "--screen", "plan", "plan.yaml")
    edited(at)
    at.hang_up()
    assert at.process.wait(60) in (1, 120, 128 + signal.SIGHUP)
    assert TYPED in (folder / "plan.yaml.draft").read_text()


@pytest.mark.slow
def test_a_planner_that_is_stuck_ends_at_the_second_signal(terminal, folder):
    at = terminal("stuck", "--screen", "plan", "plan.yaml")
    edited(at)
    at.press(JUMP)
    at.process.send_signal(signal.SIGTERM)
    while not (folder / "plan.yaml.draft").exists():
        at._read(0.1)
    at.process.send_signal(signal.SIGTERM)
    assert at.end() == 128 + signal.SIGTERM
    assert at.settings() == at.before


@pytest.mark.slow
def test_readonly_writes_no_draft(terminal, folder):
    at = terminal("key", "--readonly", "plan.yaml")
    at.until("next: there is no bundle", "Quit")
    at.press(JUMP)
    assert at.end() == 1
    assert not list(folder.glob("*.draft*"))
    assert len(at.last_words().split("\n")) == 1


@pytest.mark.parametrize(
    ("more", "size", "said"),
    [
        ({"TERM": ""}, (80, 24), "set TERM"),
        ({"TERM": "dumb"}, (80, 24), "TERM is dumb"),
        ({}, (39, 24), "at least 40x12, and this one has 39x24"),
        ({}, (80, 11), "at least 40x12, and this one has 80x11"),
    ],
)
def test_a_terminal_that_won_t_do_is_told(more, size, said, terminal):
    at = terminal("command", size=size, **more)
    assert at.end() == 2
    assert said in " ".join(at.text.split())
    assert "`ipsecplan plan`" in " ".join(at.text.split())
    assert b"\x1b[?1049h" not in at.said
