"""The command line under every screen, run through the command line itself, prints the numbers of that screen."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
import time
from pathlib import Path

import pytest

from netplan.bundle import build, reader
from netplan.bundle.manifest import File
from netplan.cli.group import cli
from netplan.cli.main import main
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Options
from netplan.rollout.record.journal import ClusterState
from tests.support.fake_nodes import IDS, FakeNodes, Run, failure, target
from tests.tui.conftest import PLAN
from tui.run import live, measure
from tui.screens import kinds
from tui.widgets.heat_map import HeatMap
from tui.widgets.ledger_table import LedgerTable

MODES = kinds()
DUMPS = Path(__file__).parents[1] / "cases" / "audit" / "calico-operator-auto-under-ipsec" / "in"

STACKS = ["", "c n", "m v o", "V o o", "c c c c plus plus", "less_than_sign E"]


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
    written = reader.read(Path("bundle"))
    assert {f["path"] for f in written.manifest["files"]} == set(texts)
    assert all((Path("bundle") / path).read_text() == text for path, text in texts.items())


async def test_files_against_another_bundle(make, settle, capsys):
    """The line is the comparison on screen, once its side of it is rendered."""
    Path("other.yaml").write_text(PLAN.replace("aes256gcm16", "aes128gcm16"))
    run(capsys, "ipsecplan render other.yaml --to other")
    app = make(mode="files", against=Path("other"))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        screen = app.screen
        assert (screen.command_line(), screen.command_remark()) == ("ipsecplan diff other bundle", "after R")
        assert "against other: " in screen.query_one("#files-head").text
    run(capsys, "ipsecplan render plan.yaml --to bundle")
    assert main(["diff", "--json", "other", "bundle"]) == 4
    assert json.loads(capsys.readouterr().out)["result"]["files"]


def transactions(folder):
    """Three transactions as the real engine journals them: rolled back, waiting for confirmation, confirmed."""
    Path("plan.yaml").write_text(PLAN.replace("prod-eu1", "lab"))
    Run(folder / "state", FakeNodes(lambda phase, node: failure() if (phase, node) == ("trap", IDS[1]) else None))
    Run(folder / "state", FakeNodes(), keep=lambda *_: None)
    Run(folder / "state", FakeNodes())


async def test_history(folder, shown, capsys):
    transactions(folder)

    def look(app):
        screen = app.screen
        tables = [screen.query_one(name).pane_text() for name in ("#past", "#show")]
        return screen.command_line(), screen.query_one("#show-head").text.removeprefix("$ "), *tables

    line, line_of_one, table, one = await shown("history", "", look)
    assert run(capsys, line) == table + "\n"
    assert len(table.splitlines()) == 4
    assert run(capsys, line_of_one) == one + "\n"
    document = json.loads(run(capsys, line + " --json"))["result"]
    assert [row["outcome"] for row in document] == [row.split()[5] for row in table.splitlines()[1:]]


@pytest.mark.parametrize("back", [0, 1, 2])
async def test_rollout(back, folder, shown, capsys):
    transactions(folder)

    def look(app):
        app.screen.tick()
        log = app.screen.query_one("#log").pane_text()
        return app.screen.command_line(), app.screen.state, log

    line, state, log = await shown("rollout", " ".join(["left_square_bracket"] * back), look)
    assert shlex.split(line)[1:3] == ["show", state.transaction]
    document = json.loads(run(capsys, line + " --json"))["result"]
    (told,) = document["runs"]
    assert (told["outcome"], document["nodes"], told["verb"]) == (state.outcome, list(state.nodes), state.verb)
    for name, node in state.nodes.items():
        good = {p["phase"] for p in told["phases"] if p["nodes"].get(name, {}).get("ok")}
        assert node.done == good
    seconds = re.findall(r"(\S+) (?:passed|FAILED) in (\S+) s", log)
    assert [(p["phase"], p["seconds"]) for p in told["phases"]] == [(phase, float(s)) for phase, s in seconds]


async def test_verify(folder, shown, capsys, monkeypatch):
    """The screen and the verb, both with the real engine and the nodes played, tell the same of every pair."""

    @contextlib.contextmanager
    def opened(*_, **__):
        with ClusterState(folder / "state", "lab") as state:
            nodes = FakeNodes(lambda phase, node: {"rows": []} if (phase, node) == ("probe", IDS[0]) else None)
            yield Engine("lab", "d", [target(i) for i in IDS], nodes, state, lambda _: None, Options())

    for place in ("netplan.cli.verify.opened", "tui.run.measure.opened"):
        monkeypatch.setattr(place, opened)
    measure.main(["bundle"])
    records = [json.loads(text) for text in capsys.readouterr().out.splitlines()]

    def look(app):
        for record in records:
            app.screen.take(record)
        rows = [json.loads(json.dumps(pair)) for pair in app.screen.pairs]
        return app.screen.command_line(), rows, app.screen.query_one("#verdicts").pane_text(), app.screen.end

    line, pairs, text, end = await shown("verify", "", look)
    arguments = shlex.split(line)[1:]
    assert arguments[0] == "verify"
    assert main([*arguments, "--json"]) == (0 if end == "verified" else 5)
    document = json.loads(capsys.readouterr().out)["result"]
    assert sorted(map(str, document["pairs"])) == sorted(
        str({k: v for k, v in p.items() if k != "line"}) for p in pairs
    )
    main(arguments)
    assert sorted(text.splitlines()) == sorted(t for t in capsys.readouterr().out.splitlines() if "->" in t)


@pytest.mark.parametrize("answer", ["the same", "another", "gone"])
async def test_files_against_the_nodes(answer, folder, settle, make, monkeypatch, capsys):
    """What the screen shows is what the nodes have, asked as ``diff --live`` asks, with the nodes played."""
    texts = {
        "swanctl": "",
        "wildcard": "",
        "guard": "",
        "files": {"/etc/x.conf": {"the same": "a\n", "another": "b\n"}.get(answer)},
    }

    @contextlib.contextmanager
    def opened(*_, **__):
        with ClusterState(folder / "state", "lab") as state:
            nodes = FakeNodes(lambda phase, _: {"texts": texts, "drift": []} if phase == "status" else None)
            yield Engine("lab", "d", [target(i) for i in IDS], nodes, state, lambda _: None, Options())

    monkeypatch.setattr("tui.run.live.opened", opened)
    assert live.main(["bundle"]) == 0
    found = json.loads(capsys.readouterr().out)
    monkeypatch.setattr(build, "node_files", lambda *_: [File(f"nodes/{IDS[0]}/etc/x.conf", "a\n")])
    app = make(mode="files")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        app.screen._answered(found)
        await settle(pilot)
        mark = app.screen.before.texts.get(f"nodes/{IDS[0]}/etc/x.conf")
        assert mark == {"the same": "a\n", "another": "b\n", "gone": None}[answer]
        shown = app.screen.query_one("#tree").pane_text().splitlines()
        assert (f"  nodes/{IDS[0]}/etc/x.conf" in shown) is False, "only what differs is listed"
        sign = {"the same": None, "another": "~", "gone": "+"}[answer]
        assert (f"{sign} nodes/{IDS[0]}/etc/x.conf" in shown) is (sign is not None)
        line = app.screen.command_line()
        assert shlex.split(line)[1:3] == ["diff", "--live"]
        assert main([*shlex.split(line)[1:3], "--help"]) == 0


async def test_rollout_without_a_transaction_asks_the_nodes(shown, capsys):
    line = await shown("rollout", "", lambda app: app.screen.command_line())
    assert shlex.split(line)[1] == "status"
    assert main(shlex.split(line)[1:]) == 3, "the bundle is missing here, and that is all that is wrong"


def test_every_screen_has_a_test_here():
    """A new screen needs one: its command line has to print its numbers."""
    here = {name.removeprefix("test_") for name in globals()}
    assert {{"calc": "calculator"}.get(mode, mode) for mode in MODES} <= here


@pytest.mark.parametrize("mode", MODES)
async def test_every_screen_has_its_line_and_shows_it(mode, shown):
    line, drawn = await shown(
        mode, "", lambda app: (app.screen.command_line(), app.screen.query_one("CommandBar").line)
    )
    assert line == drawn
    assert line.startswith("ipsecplan ")


async def test_audit(make, settle, folder, capsys):
    shutil.copytree(DUMPS, folder / "dumps")
    app = make(mode="audit")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("o", *"dumps", "enter")
        await settle(pilot)
        line, found, why = app.screen.command_line(), app.screen.findings, app.screen.query_one("#why").pane_text()
    assert line == "ipsecplan audit dumps"
    assert main([*shlex.split(line)[1:], "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["result"]["findings"] == found
    assert main([*shlex.split(line)[1:], "--explain"]) == 4
    printed = capsys.readouterr().out
    assert all(row.strip() in printed for row in why.splitlines()[2:])


async def test_audit_of_what_is_not_there_says_so(make, settle):
    app = make(mode="audit")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("o", *"nowhere", "enter")
        await settle(pilot)
        assert app.screen.findings == []
        assert "IPP919" in "".join(app.screen.said)
        await pilot.press("o", "home", *"'", "enter")
        await settle(pilot)
        assert app.screen.paths == ["nowhere"], "an open quote is no list of files"


async def test_what_the_planner_starts_is_what_the_verbs_take(settle, make, monkeypatch, folder):
    """Every line that the rollout screen starts is understood by the command line as it is."""
    started = []
    monkeypatch.setattr(
        "tui.screens.rollout_actions.processes.start_detached", lambda argv, _: started.append(argv) or 1
    )
    app = make(mode="rollout")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        screen = app.screen
        monkeypatch.setattr(screen, "_about", lambda: "it")
        monkeypatch.setattr(screen, "_ask", lambda _, __, verb: screen._start(verb))
        monkeypatch.setattr(screen, "_watch", lambda _: None)
        screen.action_apply()
        screen._try("900")
        screen.state.until = time.time() + 60
        screen.action_confirm()
        screen.action_resume()
        screen.action_revert()
    assert [argv[0] for argv in started][:2] == ["apply", "try"]
    assert {argv[0] for argv in started} >= {"apply", "try", "resume", "revert"}
    for argv in started:
        verb = cli.get_command(None, argv[0])
        verb.make_context(argv[0], list(argv[1:]))


async def test_overview(make, settle, folder, capsys):
    """Its line is the next step: at first a render, and what that writes is what it shows then."""
    app = make(mode="overview")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        line = app.screen.command_line()
        assert line == "ipsecplan render plan.yaml --to bundle"
        assert "there is no bundle" in app.screen.query_one("#next").pane_text()
        run(capsys, line)
        app.screen.tick()
        await settle(pilot)
        facts = {fact.name: fact for fact in app.screen.query_one("#facts").facts}
        found = reader.read(folder / "bundle")
        assert found.digest[:16] in facts["bundle"].words
        assert (facts["bundle"].mark, facts["cluster"].mark, facts["encrypted"].mark) == ("ok", "!", "?")
        assert app.screen.command_line() == "ipsecplan try bundle"
        app.desk.set(("underlay", "mtu"), 1400)
        app.tell_plan()
        await settle(pilot)
        assert "unsaved" in app.screen.query_one("#next").pane_text()
        app.desk.save()
        app.tell_plan()
        await settle(pilot)
        facts = {fact.name: fact for fact in app.screen.query_one("#facts").facts}
        assert facts["bundle"].mark == "!"
        assert facts["bundle"].words.startswith("OLDER than the open plan")
        assert app.screen.command_line() == line


async def test_trace(make, settle, folder, capsys):
    from tests.unit.test_path import DEFAULT, ESP, ETH0, POD, TO_POD, VXLAN, route

    hosts = folder / "hosts"
    hosts.mkdir()
    (hosts / "addr.json").write_text(json.dumps([ETH0, POD, VXLAN]))
    (hosts / "route.json").write_text(json.dumps([DEFAULT, TO_POD, route("10.2.0.0/24", "vx0", "10.9.0.2")]))
    (hosts / "xfrm.txt").write_text(ESP)
    app = make(mode="trace")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        app.screen.bytes = "1450"
        app.screen.aim(("10.1.0.10", "10.2.0.7", "hosts"))
        await settle(pilot)
        line, rows, fate = (
            app.screen.command_line(),
            app.screen.query_one("#hops").pane_text().splitlines(),
            app.screen.query_one("#fate").pane_text().splitlines(),
        )
        first = app.screen.query_one("#hops").hops[0]
        await pilot.press("enter")
        await settle(pilot)
        assert (app.current_mode, app.screen.stack_text, app.screen.link_mtu) == ("calc", first["stack"], first["mtu"])
        await pilot.press("escape")
        assert app.current_mode == "trace"
    assert line == "ipsecplan trace --size=1450 10.1.0.10 10.2.0.7 hosts"
    assert main(shlex.split(line)[1:]) == 4
    printed = capsys.readouterr().out.splitlines()
    assert set(fate[:2]) <= set(printed)
    assert len(rows) == sum(row.startswith("  ") for row in printed) - 1
    assert [int(row.split()[-4]) for row in rows] == [int(r.split()[-4]) for r in printed[2 : 2 + len(rows)]]
