"""The command line under every screen, run through the command line itself, prints the numbers of that screen."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from netplan import bundle
from netplan.cli.main import main
from tui.screens import kinds
from tui.widgets.heat_map import HeatMap
from tui.widgets.ledger_table import LedgerTable

MODES = kinds()

STACKS = ["", "c", "n", "m", "v", "o", "V", "o o", "c c c c", "plus plus", "less_than_sign", "E"]


def run(capsys, line: str) -> str:
    """Run a command line in this process; returns its stdout."""
    program, *arguments = shlex.split(line)
    assert program == "ipsecplan"
    capsys.readouterr()
    assert main(arguments) == 0
    return capsys.readouterr().out


@pytest.fixture
def shown(make, settle):
    """Open a screen, press keys, and return the app as it then is."""

    async def opened(mode, keys, look):
        app = make(mode=mode)
        async with app.run_test(size=(120, 40)) as pilot:
            await settle(pilot)
            for key in keys.split():
                await pilot.press(key)
            await settle(pilot)
            return look(app)

    return opened


@pytest.mark.parametrize("keys", STACKS)
async def test_calculator(keys, shown, capsys):
    def look(app):
        rows = app.screen.query_one(LedgerTable).rows_shown()
        solution = app.screen.solution
        return app.screen.command_line(), [(r.offset, r.bytes, r.name) for r in rows], solution.inner_mtu, solution.mss4

    line, rows, inner, mss = await shown("calc", keys, look)
    document = json.loads(run(capsys, line.replace(" --explain", "") + " --json"))["result"]
    assert (document["inner_mtu"], document["mss4"]) == (inner, mss)
    assert [(r["offset"], r["bytes"], r["name"]) for r in document["ledger"]] == rows
    assert str(inner) in run(capsys, line)


async def test_calculator_prints_what_is_copied(shown, capsys):
    line, text = await shown(
        "calc", "E", lambda app: (app.screen.command_line(), app.screen.query_one("#steps").pane_text())
    )
    printed = run(capsys, line)
    assert text.splitlines()[0] in printed
    assert all(row in printed for row in text.splitlines() if row.strip() and "Prove it" not in row)


async def test_compare(shown, capsys):
    def look(app):
        found = app.screen.query_one("#compare").found
        return app.screen.command_line(), {name: (s.inner_mtu, s.mss4) for name, s in found}

    line, suites = await shown("calc", "k", look)
    answer = json.loads(run(capsys, line + " --json"))["result"]
    assert {r["label"]: (r["inner_mtu"], r["mss4"]) for r in answer if r["label"] != "as given"} == suites


async def test_plan(shown, capsys):
    line, subject = await shown("plan", "", lambda app: (app.screen.command_line(), app.desk.subject()))
    printed = run(capsys, line)
    assert "pod MTU 1356" in subject
    assert "pod MTU 1356" in printed
    assert "6 nodes" in subject
    assert "6 nodes" in printed


async def test_pairs(shown, capsys):
    def look(app):
        classes = app.desk.checked.plan.classes
        cells = set(re.findall(r"\b1\d\d\d\b", app.screen.query_one(HeatMap).pane_text()))
        return app.screen.command_line(), [(c.name, c.pairs, c.link_mtu, c.inner_mtu) for c in classes], cells

    line, classes, cells = await shown("pairs", "", look)
    printed = run(capsys, line)
    for name, pairs, link, inner in classes:
        assert re.search(rf"^{name} +{pairs} +{link} +\w+ +{inner}\b", printed, re.MULTILINE)
    assert cells == {str(inner) for _, _, _, inner in classes}
    document = json.loads(run(capsys, line + " --json"))["result"]
    assert [(c["name"], c["pairs"], c["link_mtu"], c["inner_mtu"]) for c in document["classes"]] == classes


async def test_files(shown, capsys):
    line, texts = await shown("files", "", lambda app: (app.screen.command_line(), app.screen.now.texts))
    run(capsys, line)
    written = bundle.read(Path("bundle"))
    assert {f["path"] for f in written.manifest["files"]} == set(texts)
    assert all((Path("bundle") / path).read_text() == text for path, text in texts.items())


@pytest.mark.parametrize("mode", ["rollout", "verify"])
async def test_what_asks_nodes_is_a_verb_with_these_options(mode, shown, capsys):
    line = await shown(mode, "", lambda app: app.screen.command_line())
    verb = shlex.split(line)[1]
    assert verb == {"rollout": "status", "verify": "verify"}[mode]
    assert "BUNDLE" in run(capsys, f"ipsecplan {verb} --help")
    assert main(shlex.split(line)[1:]) == 3, "the bundle is missing here, and that is all that is wrong"


@pytest.mark.parametrize("mode", MODES)
async def test_every_screen_has_its_line_and_shows_it(mode, shown):
    line, drawn = await shown(
        mode, "", lambda app: (app.screen.command_line(), app.screen.query_one("CommandBar").line)
    )
    assert line == drawn
    assert line.startswith("ipsecplan ")
