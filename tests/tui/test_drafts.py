"""Drafts on disk and the offer of them; what becomes of them when nothing can be written."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from netplan.problems import ProblemError
from tests.tui.conftest import PLAN
from tui import crash
from tui import start as starting
from tui.dialogs.ask import AskScreen
from tui.dialogs.draft import DraftScreen
from tui.plan import drafts

CHANGED = PLAN.replace("mtu: 1500", "mtu: 1400")
PATH = Path("plan.yaml")


@pytest.fixture
def kept(folder):
    """A draft that was kept beside the plan."""
    return drafts.keep(PATH, CHANGED, PLAN.encode())


def test_a_draft_comes_back_as_it_was(kept, folder):
    [found] = drafts.found(PATH)
    assert (found.path, found.text) == (folder / "plan.yaml.draft", CHANGED)
    assert not found.outdated(PLAN.encode())
    assert found.outdated(b"other")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert {p.name for p in folder.iterdir()} == {"plan.yaml", "inventory.yml", "plan.yaml.draft"}


def test_drafts_of_two_planners_are_both_kept_and_one_planner_keeps_one(kept, folder):
    second = drafts.keep(PATH, "name: b\n", PLAN.encode())
    assert second == folder / "plan.yaml.draft.2"
    assert drafts.keep(PATH, "name: c\n", PLAN.encode(), before=second) == second
    assert {k.text for k in drafts.found(PATH)} == {CHANGED, "name: c\n"}


def test_what_is_not_ours_is_left_alone(folder):
    mine = folder / "plan.yaml.draft"
    mine.write_text("my own notes\n")
    (folder / "plan.yaml.draft.2").symlink_to(mine)
    os.mkfifo(folder / "plan.yaml.draft.3")
    assert drafts.found(PATH) == []
    assert drafts.keep(PATH, CHANGED, PLAN.encode()) == folder / "plan.yaml.draft.4"
    assert mine.read_text() == "my own notes\n"


def test_a_draft_of_another_user_is_not_offered(kept, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: kept.stat().st_uid + 1)
    assert drafts.found(PATH) == []


def test_a_draft_that_is_in_the_file_already_goes(kept):
    PATH.write_text(CHANGED)
    assert drafts.found(PATH) == []
    assert not kept.exists()


def test_the_same_draft_by_every_link(kept, folder):
    link = folder / "sub" / "link.yaml"
    link.parent.mkdir()
    link.symlink_to(folder / "plan.yaml")
    assert [k.path for k in drafts.found(link)] == [kept]


def refusing(monkeypatch, *folders: Path) -> None:
    """Let nothing be written in some directories, also not by root."""
    real = tempfile.mkstemp

    def mkstemp(suffix=None, prefix=None, dir=None, text=False):  # noqa: A002
        if any(Path(dir or tempfile.gettempdir()).is_relative_to(one) for one in folders):
            raise OSError(30, "Read-only file system")
        return real(suffix, prefix, dir, text)

    monkeypatch.setattr(tempfile, "mkstemp", mkstemp)


def test_a_draft_that_can_t_lie_beside_its_plan_lies_in_the_state_directory(folder, monkeypatch):
    (folder / "plans").mkdir()
    plan = folder / "plans" / "plan.yaml"
    plan.write_text(PLAN)
    refusing(monkeypatch, folder / "plans")
    path = drafts.keep(plan, CHANGED, PLAN.encode())
    assert path.parent == folder / "state" / "drafts"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [k.path for k in drafts.found(plan)] == [path]
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "plans"))
    refusing(monkeypatch, folder)
    with pytest.raises(OSError, match="Read-only"):
        drafts.keep(plan, CHANGED, PLAN.encode())


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_file_system_without_hard_links_will_do(hard_links, folder, monkeypatch):
    if not hard_links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(1, "Operation not permitted")))
    first = drafts.keep(PATH, CHANGED, PLAN.encode())
    second = drafts.keep(PATH, CHANGED, PLAN.encode())
    assert (first.name, second.name) == ("plan.yaml.draft", "plan.yaml.draft.2")


async def test_taking_a_draft_is_one_change_that_can_be_undone(kept, make, settle):
    app = make()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot)
        assert isinstance(app.screen, DraftScreen)
        assert not app.screen.query("#draft-warning")
        await pilot.press("t")
        await settle(pilot)
        assert app.desk.draft.text == CHANGED
        assert PATH.read_text() == PLAN
        assert kept.exists(), "until it is saved"
        await pilot.press("ctrl+z")
        assert not app.desk.dirty
        await pilot.press("ctrl+y")
        app.keep_draft()
        assert app.kept == kept, "the same one again"
        await pilot.press("ctrl+s", "enter")
        await settle(pilot)
    assert PATH.read_text() == CHANGED
    assert not kept.exists()


async def test_a_draft_that_was_taken_and_undone_is_not_removed_by_a_reload(kept, make, settle):
    app = make()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("t", "ctrl+z", "ctrl+r")
        await settle(pilot)
        assert not app.desk.dirty
        app.desk.set(("name",), "other")
        await pilot.press("ctrl+s", "enter")
        await settle(pilot)
    assert [k.text for k in drafts.found(PATH)] == [CHANGED]


def test_a_signal_before_the_first_frame_ends_it(make):
    app = make(None)
    app.end_by(15)
    app.run(headless=True, size=(80, 24))
    assert app.error is None
    assert app.return_code == 143


async def test_later_leaves_everything_as_it_is(kept, make, settle):
    app = make()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert not isinstance(app.screen, DraftScreen)
        assert not app.desk.dirty
    assert [k.path for k in drafts.found(PATH)] == [kept]


async def test_the_difference_is_shown_and_throwing_away_asks_once_more(kept, make, settle):
    older = drafts.keep(PATH, "name: older\n", PLAN.encode())
    older.write_text(older.read_text().replace("kept at 2", "kept at 1"))
    app = make(mode="plan")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("d")
        await settle(pilot)
        assert app.screen.query_one("#draft-scroll").display
        assert "+  mtu: 1400" in str(app.screen.query_one("#draft-diff").content)
        await pilot.press("d")
        await settle(pilot)
        assert not app.screen.query_one("#draft-scroll").display
        await pilot.press("x")
        await settle(pilot)
        assert isinstance(app.screen, AskScreen)
        await pilot.press("escape")
        await settle(pilot)
        assert kept.exists()
        await pilot.click("#drop")
        await settle(pilot)
        await pilot.press("y")
        await settle(pilot)
        assert not kept.exists()
        assert app.screen.kept.path == older, "the next one is offered"
        await pilot.click("#later")
        await settle(pilot)
    assert older.exists()
    assert PATH.read_text() == PLAN


async def test_a_plan_that_has_changed_since_is_said(kept, make, settle):
    PATH.write_text(PLAN.replace("prod-eu1", "prod-eu2"))
    app = make()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "has changed since" in str(app.screen.query_one("#draft-warning").content)


async def test_readonly_takes_and_keeps_nothing(kept, make, settle, monkeypatch):
    app, said = make(readonly=True), []
    monkeypatch.setattr(app, "notify", lambda text, **_: said.append(text))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert not isinstance(app.screen, DraftScreen)
        assert [text for text in said if "plan.yaml.draft: unsaved changes of" in text] == said
        assert len(said) == 1
        app.desk.draft.change("name: x\n")
        app.keep_draft()
        assert app.kept is None
    assert [k.path for k in drafts.found(PATH)] == [kept]


async def test_leaving_with_a_yes_removes_the_draft(kept, make, settle):
    app = make()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("t")
        await settle(pilot)
        await pilot.press("q")
        await pilot.pause()
        await pilot.press("y")
    assert not kept.exists()


def fail(*_, **__):
    raise RuntimeError("planted\nover two lines \x1b[31m")


def test_an_error_is_told_in_one_line_also_without_a_place_for_its_report(make, monkeypatch, folder, capfd):
    """The last resort: traceback and difference on the terminal."""
    refusing(monkeypatch, folder, Path(tempfile.gettempdir()))
    (folder / "state").write_text("no directory")
    monkeypatch.setattr("tui.app.Planner.run", lambda app: (app.desk.replace(CHANGED), fail()))
    assert starting.start(PATH) == 1
    *before, line = capfd.readouterr().err.splitlines()
    assert line.startswith(
        "ipsecplan ui: error in the planner: RuntimeError: planted over two lines �[31m (tui/test_drafts"
    )
    assert "can't be written anywhere, is above; unsaved: the difference above" in line
    assert "Traceback (most recent call last):" in before
    assert "+  mtu: 1400              # IP MTU of the links between the hosts" in before


def test_a_report_goes_to_a_temporary_file_when_the_state_directory_can_t_be_written(folder, monkeypatch):
    (folder / "state").write_text("no directory")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    path = crash.report(ValueError("x"), {"screen": "calc"}, None)
    assert path.parent == folder
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_user_without_a_home_loses_neither_report_nor_draft(folder, monkeypatch):
    """As in a container that runs with any user id: HOME unset, no entry in passwd."""

    def nobody():
        raise RuntimeError("Could not determine home directory.")

    for name in ("HOME", "IPSECPLAN_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert crash.report(ValueError("x"), {"screen": "calc"}, None).parent == folder
    assert drafts.keep(PATH, CHANGED, PLAN.encode()) == folder / "plan.yaml.draft"
    assert [found.text for found in drafts.found(PATH)] == [CHANGED]


def test_a_report_has_what_led_to_the_error():
    try:
        try:
            fail()
        except RuntimeError as error:
            raise ValueError("b") from error
    except ValueError as error:
        text = crash.trace(error)
    assert "RuntimeError: planted" in text
    assert "ValueError: b" in text


def test_what_is_wrong_with_the_plan_is_no_crash(folder):
    with pytest.raises(ProblemError, match="no such file"):
        starting.start(Path("missing.yaml"))
    assert not (folder / "state" / "crashes").exists()
