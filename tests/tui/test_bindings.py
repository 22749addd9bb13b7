# ruff: noqa: ARG005, E501, A004 - a table of cases, one a line
"""Every binding of every screen does what its help says. A binding without a case here fails the last test.

`make test` tries a third of them, spread over the screens, and `make drills` all.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.widgets import Input

from netplan.bundle.write import write
from tests.sizes import some
from tests.tui.conftest import PLAN
from tui.app import Planner
from tui.dialogs.ask import AskScreen
from tui.dialogs.command_line import CommandScreen
from tui.dialogs.help import HelpScreen
from tui.dialogs.jump import JumpScreen
from tui.dialogs.prompt import PromptScreen
from tui.dialogs.save import SaveScreen
from tui.draw import packet
from tui.plan import drafts
from tui.plan.check import Checker
from tui.screens import kinds
from tui.screens.hosts import HostsScreen
from tui.screens.node import NodeScreen
from tui.screens.pair import PairScreen
from tui.screens.traffic import TrafficScreen
from tui.widgets.choice import Choice
from tui.widgets.heat_map import HeatMap
from tui.widgets.ledger_table import LedgerTable
from tui.widgets.log_view import LogView
from tui.widgets.plan_form import PlanForm
from tui.widgets.preview import MODES as PREVIEWS
from tui.widgets.sortable import Sortable

MODES = kinds()
BELOW = [HostsScreen, NodeScreen, PairScreen, TrafficScreen]  # screens that no digit opens

pytestmark = pytest.mark.slow  # an app for each of some 140 keys
STACK = "ip4/udp/esp:aes256gcm16/udp/vxlan/eth/ip4"  # what limits the plan of the fixture, on a link of 1450


def is_screen(kind):
    return lambda app: isinstance(app.screen, kind)


def calc(**wanted):
    return lambda app: {key: getattr(app.screen, key) for key in wanted} == wanted


def text_of(selector):
    return lambda app: app.screen.query_one(selector).pane_text()


LOOKED = {
    "state": {"state": "confirmed", "release": "x"},
    "guard": {"mode": "drop"},
    "certificates": {},
    "pairs": [],
    "differs": [],
    "xfrm_errors": {},
}
NEAR = {
    "peer": "n-1",
    "network": "",
    "ike": "ESTABLISHED",
    "established_s": 1,
    "rekey_s": 2,
    "children": [],
    "route": "",
    "xfrm_errors": {},
    "words": [],
}
COUNTED = {
    "at": "2026-01-01T00:00:00Z",
    "pairs": [
        {
            "from": "n1",
            "to": "n2",
            "network": "",
            "bytes": 5,
            "packets": 1,
            "bytes_per_second": 2500.0,
            "packets_per_second": 20.0,
            "lost": 0,
            "installed": 2,
            "wanted": 2,
            "suites": ["AES_GCM_16-256"],
            "path_mtu": None,
        }
    ],
    "nodes": [
        {
            "node": "n1",
            "xfrm_errors": 0,
            "drops": 0,
            "fragments": 6,
            "reassembled": 0,
            "refused": 0,
            "clear_packets": 0,
            "rose": {"IpFragCreates": 6},
        }
    ],
    "silent": ["n3"],
}
OPENED = ["o", *"dumps", "enter"]
DUMPS = Path(__file__).parents[1] / "cases" / "audit" / "calico-operator-auto-under-ipsec" / "in"

# binding id: screen, keys before, keys of the binding, what must hold afterwards
CASES: dict[str, tuple[str, list[str], list[str], object]] = {
    "app.overview": ("calc", [], ["0"], lambda a: a.current_mode == "overview"),
    "app.trace": ("calc", [], ["9"], lambda a: a.current_mode == "trace"),
    "app.calc": ("plan", ["escape"], ["1"], lambda a: a.current_mode == "calc"),
    "app.plan": ("calc", [], ["2"], lambda a: a.current_mode == "plan"),
    "app.pairs": ("calc", [], ["3"], lambda a: a.current_mode == "pairs"),
    "app.files": ("calc", [], ["4"], lambda a: a.current_mode == "files"),
    "app.rollout": ("calc", [], ["5"], lambda a: a.current_mode == "rollout"),
    "app.verify": ("calc", [], ["6"], lambda a: a.current_mode == "verify"),
    "app.history": ("calc", [], ["7"], lambda a: a.current_mode == "history"),
    "app.audit": ("calc", [], ["8"], lambda a: a.current_mode == "audit"),
    "app.help": ("calc", [], ["question_mark"], is_screen(HelpScreen)),
    "app.copy_command": ("calc", [], ["Y"], lambda a: a.clipboard == f"ipsecplan calc {STACK} --mtu 1450"),
    "app.copy_pane": ("calc", [], ["y"], lambda a: "outermost IP packet" in a.clipboard),
    "app.export_svg": ("calc", [], ["x"], lambda a: "<svg" in Path("ipsecplan-calc-1.svg").read_text()),
    "app.screenshot": ("calc", [], ["f8"], lambda a: "<svg" in Path("ipsecplan-calc-1.svg").read_text()),
    "app.export_text": ("calc", [], ["X"], lambda a: "inner MTU      1356" in Path("ipsecplan-calc-1.txt").read_text()),
    "app.jump": ("calc", [], ["ctrl+o"], is_screen(JumpScreen)),
    "app.palette": ("calc", [], ["ctrl+p"], lambda a: a.screen.__class__.__name__ == "CommandPalette"),
    "app.command": ("calc", [], ["colon"], is_screen(CommandScreen)),
    "app.up": ("overview", ["enter"], ["escape"], lambda a: a.current_mode == "overview"),
    "app.theme": ("calc", [], ["T"], lambda a: a.theme == "textual-light"),
    "app.save": ("calc", [], ["ctrl+s"], is_screen(MODES["calc"])),
    "app.undo": ("calc", [], ["ctrl+z"], lambda a: not a.desk.dirty),
    "app.redo": ("calc", [], ["ctrl+y"], lambda a: not a.desk.dirty),
    "app.reload": ("calc", [], ["ctrl+r"], lambda a: a.desk.checked.plan is not None),
    "app.quit": ("calc", [], ["q"], lambda a: a.return_value == 0),
    "calc.cipher": ("calc", [], ["c"], lambda a: packet.suite(a.screen.stack_text) == "aes128gcm16"),
    "calc.cipher_back": ("calc", [], ["C"], lambda a: packet.suite(a.screen.stack_text) == "aes128-sha1"),
    "calc.mode": ("calc", [], ["m"], calc(stack_text="ip4/udp/esp:aes256gcm16/ip4/udp/vxlan/eth/ip4")),
    "calc.nat": ("calc", [], ["n"], calc(stack_text="ip4/esp:aes256gcm16/udp/vxlan/eth/ip4")),
    "calc.outer": ("calc", [], ["v"], calc(stack_text="ip6/udp/esp:aes256gcm16/udp/vxlan/eth/ip4")),
    "calc.inner": ("calc", [], ["V"], calc(stack_text="ip4/udp/esp:aes256gcm16/udp/vxlan/eth/ip6")),
    "calc.overlay": ("calc", [], ["o"], calc(stack_text="ip4/udp/esp:aes256gcm16/udp/geneve/eth/ip4")),
    "calc.mtu_up": ("calc", [], ["plus"], calc(link_mtu=1451)),
    "calc.mtu_down": ("calc", [], ["minus"], calc(link_mtu=1449)),
    "calc.link_up": ("calc", [], ["greater_than_sign"], calc(link_mtu=1460)),
    "calc.link_down": ("calc", [], ["less_than_sign"], calc(link_mtu=1400)),
    "calc.step": ("calc", [], ["s"], calc(link_mtu=1452)),
    "calc.compare": ("calc", [], ["k"], lambda a: a.screen.query_one("#compare").display),
    "calc.explain": ("calc", [], ["E"], lambda a: "rounded down to a multiple of 4" in text_of("#steps")(a)),
    "calc.plan": ("calc", ["c", "plus"], ["g"], calc(stack_text=STACK, link_mtu=1450)),
    "calc.edit": ("calc", [], ["slash"], lambda a: a.focused.id == "stack"),
    "calc.leave": ("calc", ["slash"], ["escape"], lambda a: isinstance(a.focused, LedgerTable)),
    "plan.save": ("plan", ["enter", "x"], ["ctrl+s"], is_screen(SaveScreen)),
    "plan.undo": (
        "plan",
        ["enter", "x"],
        ["ctrl+z"],
        lambda a: not a.desk.dirty and a.screen.query_one("#f-name").value == "prod-eu1",
    ),
    "plan.redo": (
        "plan",
        ["enter", "x", "ctrl+z"],
        ["ctrl+y"],
        lambda a: a.desk.checked.loaded.plan.name == "prod-eu1x",
    ),
    "plan.edit": ("plan", [], ["f4"], lambda a: a.desk.draft.text == PLAN + "# seen\n"),
    "plan.drop": ("plan", [*["down"] * 3], ["f6"], lambda a: "mtu: 1500" not in a.desk.draft.text),
    "plan.leave": ("plan", ["enter"], ["escape"], lambda a: a.focused.id == "form"),
    "plan.hosts": ("plan", [], ["h"], is_screen(HostsScreen)),
    "hosts.edit": ("plan", ["h"], ["e"], is_screen(PromptScreen)),
    "form.next": ("plan", [], ["down"], lambda a: a.focused.cursor == "f-inventory"),
    "form.previous": ("plan", ["down"], ["up"], lambda a: a.focused.cursor == "f-name"),
    "form.open": ("plan", ["down"], ["enter"], lambda a: a.focused.id == "f-inventory"),
    "form.page_down": ("plan", [], ["pagedown"], lambda a: list(a.focused.all).index(a.focused.cursor) == 10),
    "form.page_up": ("plan", ["pagedown"], ["pageup"], lambda a: a.focused.cursor == "f-name"),
    "choice.next": ("plan", [*["down"] * 4, "enter"], ["right"], lambda a: "family: ipv6" in a.desk.draft.text),
    "choice.previous": ("plan", [*["down"] * 4, "enter"], ["left"], lambda a: "family: dual" in a.desk.draft.text),
    "pairs.zones": ("pairs", [], ["z"], lambda a: len(a.screen.query_one(HeatMap).ends) == 4),
    "pairs.outliers": ("pairs", [], ["o"], lambda a: a.screen.query_one("#outliers").row_count == 9),
    "pairs.measured": ("pairs", [], ["m"], lambda a: a.screen.show_measured is False),
    "pairs.filter": (
        "pairs",
        [],
        ["slash", "5"],
        lambda a: [z.name for z in a.screen.query_one(HeatMap).ends] == ["n5"],
    ),
    "pairs.calculate": ("pairs", ["right", "right", "right"], ["c"], lambda a: a.screen.link_mtu == 1450),
    "pairs.leave": ("pairs", ["slash"], ["escape"], lambda a: isinstance(a.focused, HeatMap)),
    "map.left": ("pairs", ["l"], ["h"], lambda a: a.focused.cursor_coordinate == (0, 1)),
    "map.down": ("pairs", [], ["j"], lambda a: a.focused.cursor_coordinate == (1, 1)),
    "map.up": ("pairs", ["j"], ["k"], lambda a: a.focused.cursor_coordinate == (0, 1)),
    "map.right": ("pairs", [], ["l"], lambda a: a.focused.cursor_coordinate == (0, 2)),
    "files.diff": ("files", ["@dirty"], ["d"], lambda a: a.screen.mode == PREVIEWS[1]),
    "files.changed": ("files", ["@dirty"], ["a"], lambda a: set(a.screen.query_one("#tree").marks.values()) == {"~"}),
    "files.against": ("files", [], ["b"], is_screen(PromptScreen)),
    "files.live": ("files", ["@nodes"], ["L"], lambda a: set(a.screen.query_one("#tree").marks.values()) == {"~", "+"}),
    "files.wide": ("files", [], ["w"], lambda a: not a.screen.query_one("#tree").display),
    "files.raw": ("files", [], ["m"], lambda a: a.screen.query_one("#preview").raw),
    "files.render": ("files", [], ["R", "y"], lambda a: Path("bundle/manifest.json").is_file()),
    "rollout.apply": ("rollout", ["@bundle"], ["A"], is_screen(AskScreen)),
    "rollout.revert": ("rollout", ["@bundle"], ["U"], is_screen(AskScreen)),
    "rollout.try": ("rollout", ["@bundle"], ["t"], is_screen(PromptScreen)),
    "rollout.confirm": ("rollout", ["@waiting"], ["C"], is_screen(AskScreen)),
    "rollout.resume": ("rollout", ["@bundle"], ["r"], is_screen(AskScreen)),
    "rollout.status": ("rollout", ["@status"], ["s"], lambda a: a.screen.asked[0] == "3 to change"),
    "rollout.phases": ("rollout", ["@journals"], ["p"], lambda a: a.focused.id == "phases" and a.focused.lines),
    "rollout.search": ("rollout", [], ["slash"], lambda a: a.focused.id == "search"),
    "rollout.older": (
        "rollout",
        ["@journals"],
        ["left_square_bracket"],
        lambda a: a.screen.state.transaction == "tx-1",
    ),
    "rollout.newer": (
        "rollout",
        ["@journals", "left_square_bracket"],
        ["right_square_bracket"],
        lambda a: a.screen.state.transaction == "tx-2",
    ),
    "rollout.log": ("rollout", [], ["l"], lambda a: not a.screen.query_one("#nodes").display),
    "rollout.leave": ("rollout", ["slash"], ["escape"], lambda a: isinstance(a.focused, LogView)),
    "log.follow": ("rollout", ["@journals", "tab"], ["f"], lambda a: a.focused.follow is False),
    "log.next": ("rollout", ["@journals", "slash", "n", "1", "enter"], ["n"], lambda a: a.focused.found == 2),
    "log.previous": ("rollout", ["@journals", "slash", "n", "1", "enter"], ["N"], lambda a: a.focused.found == 2),
    "verify.measure": (
        "verify",
        ["@measure"],
        ["v"],
        lambda a: a.screen.end == "verified" and len(a.screen.pairs) == 1,
    ),
    "verify.stop": ("verify", ["@endless"], ["v", "S"], lambda a: (a.screen.end or "").startswith("stopped")),
    "verify.wrong": ("verify", [], ["w"], lambda a: a.screen.wrong_only),
    "verify.junit": (
        "verify",
        ["@measure", "v"],
        ["J"],
        lambda a: Path("ipsecplan-verify-1.xml").read_text() == "<x/>\n",
    ),
    "verify.filter": ("verify", [], ["slash"], lambda a: a.focused.id == "filter"),
    "verify.leave": ("verify", ["slash"], ["escape"], lambda a: a.focused.id == "verdicts"),
    "history.open": ("history", ["@journals", "down"], ["g"], lambda a: a.current_mode == "rollout"),
    "history.all": ("history", [], ["a"], lambda a: "every cluster" in a.screen.query_one("#history-head").text),
    "history.filter": (
        "history",
        ["@journals"],
        ["slash", "-", "1"],
        lambda a: a.screen.query_one("#past").row_count == 1,
    ),
    "history.read": ("history", ["@late"], ["r"], lambda a: a.screen.query_one("#past").row_count == 1),
    "history.leave": ("history", ["slash"], ["escape"], lambda a: a.focused.id == "past"),
    "audit.open": ("audit", [], ["o"], is_screen(PromptScreen)),
    "audit.again": (
        "audit",
        ["@dumps", *OPENED],
        ["r"],
        lambda a: [f["too_large_by"] for f in a.screen.findings] == [34],
    ),
    "audit.stop": ("audit", ["@endless", *OPENED], ["S"], lambda a: (a.screen.end or "").startswith("stopped")),
    "audit.plan": (
        "audit",
        ["@dumps", *OPENED],
        ["p"],
        lambda a: a.screen.by_plan and "--plan" in a.screen.command_line(),
    ),
    "audit.wrong": ("audit", [], ["w"], lambda a: a.screen.wrong_only),
    "audit.filter": ("audit", [], ["slash"], lambda a: a.focused.id == "filter"),
    "audit.leave": ("audit", ["slash"], ["escape"], lambda a: a.focused.id == "findings"),
    "trace.open": ("trace", [], ["o"], is_screen(PromptScreen)),
    "trace.size": ("trace", [], ["z", "9", "enter"], lambda a: a.screen.bytes == "9"),
    "trace.df": ("trace", [], ["d"], lambda a: not a.screen.df),
    "trace.again": ("trace", [], ["r"], is_screen(PromptScreen)),
    "trace.stop": ("trace", ["@endless", "o", *"a b c", "enter"], ["S"], lambda a: a.screen.said),
    "overview.next": ("overview", [], ["n"], is_screen(AskScreen)),
    "overview.status": ("overview", ["@bundle", "@looked"], ["s"], lambda a: a.screen._look is not None),
    "overview.pairs": ("overview", ["@bundle"], ["p"], is_screen(NodeScreen)),
    "overview.leave": ("overview", ["@bundle", "tab"], ["escape"], lambda a: a.focused.id == "facts"),
    "node.pair": ("overview", ["@bundle", "p"], ["g"], is_screen(PairScreen)),
    "pair.ask": (
        "overview",
        ["@bundle", "@near", "p", "g"],
        ["s"],
        lambda a: a.screen.said[0].startswith("n1: IKE_SA"),
    ),
    "pairs.traffic": ("pairs", [], ["t"], is_screen(TrafficScreen)),
    "traffic.look": (
        "pairs",
        ["@counted", "t"],
        ["s"],
        lambda a: a.screen.seen["silent"] == ["n3"] and "20k" in a.screen.query_one("#flows").pane_text(),
    ),
    "traffic.stop": ("pairs", ["@endless", "t", "s"], ["S"], lambda a: a.screen.said.startswith("stopped")),
    "pair.calculate": ("overview", ["@bundle", "p", "g"], ["c"], lambda a: a.current_mode == "calc"),
    "table.sort": ("history", ["@journals"], ["full_stop"], lambda a: a.focused.by == 0),
    "table.reverse": (
        "history",
        ["@journals", "full_stop"],
        ["comma"],
        lambda a: [one.transaction for one in a.focused.shown] == ["tx-2", "tx-1"],
    ),
    "command.cancel": ("calc", ["colon"], ["escape"], is_screen(MODES["calc"])),
    "ask.no": ("plan", ["enter", "x", "escape", "q"], ["n"], is_screen(MODES["plan"])),
    "ask.yes": ("plan", ["enter", "x", "escape", "q"], ["y"], lambda a: a.return_value == 0),
    "draft.take": ("calc", ["@draft"], ["t"], lambda a: "mtu: 1400" in a.desk.draft.text and a.desk.dirty),
    "draft.diff": ("calc", ["@draft"], ["d"], lambda a: a.screen.query_one("#draft-scroll").display),
    "draft.drop": ("calc", ["@draft"], ["x"], is_screen(AskScreen)),
    "draft.later": ("calc", ["@draft"], ["escape"], lambda a: Path("plan.yaml.draft").exists() and not a.desk.dirty),
    "help.close": ("calc", ["question_mark"], ["escape"], is_screen(MODES["calc"])),
    "jump.cancel": ("calc", ["ctrl+o"], ["escape"], is_screen(MODES["calc"])),
    "prompt.cancel": ("files", ["b"], ["escape"], is_screen(MODES["files"])),
    "save.yes": (
        "plan",
        ["enter", "x", "ctrl+s"],
        ["enter"],
        lambda a: "name: prod-eu1x" in Path("plan.yaml").read_text(),
    ),
    "save.no": ("plan", ["enter", "x", "ctrl+s"], ["escape"], lambda a: Path("plan.yaml").read_text() == PLAN),
}


def _journal(folder: Path, transaction: str, nodes: int = 2, outcome: str = "confirmed") -> None:
    import json

    place = folder / "state" / "clusters" / "prod-eu1" / "journal"
    place.mkdir(parents=True, exist_ok=True)
    names = {f"n-{i}": f"n{i}" for i in range(1, nodes + 1)}
    records = [
        {
            "event": "RunStarted",
            "verb": "apply",
            "transaction": transaction,
            "cluster": "prod-eu1",
            "digest": "0" * 64,
            "nodes": names,
        }
    ]
    records += [{"event": "PhaseStarted", "phase": "arm", "nodes": list(names.values())}]
    records += [
        {
            "event": "NodeResult",
            "phase": "arm",
            "node": n,
            "ok": True,
            "changed": True,
            "detail": "armed",
            "seconds": 0.1,
        }
        for n in names.values()
    ]
    records += (
        [{"event": "AwaitingConfirm", "seconds": 600, "until": "2126-01-01T00:00:00Z"}]
        if outcome == "awaiting-confirm"
        else []
    )
    records += [{"event": "RunFinished", "outcome": outcome, "exit_code": 0}]
    text = "".join(json.dumps({"at": "2026-01-01T00:00:00Z", **r}) + "\n" for r in records)
    (place / f"{transaction}.jsonl").write_text(text)


def prepare(words: list[str], folder: Path, monkeypatch) -> list[str]:
    """Set the stage; words with an @ are no keys."""
    if "@journals" in words:
        _journal(folder, "tx-1")
        _journal(folder, "tx-2")
    if "@waiting" in words:
        _journal(folder, "tx-1", outcome="awaiting-confirm")
    if "@dumps" in words:
        shutil.copytree(DUMPS, "dumps")
    if "@draft" in words:
        drafts.keep(Path("plan.yaml"), PLAN.replace("mtu: 1500", "mtu: 1400"), PLAN.encode())
    if "@bundle" in words:
        checker = Checker(Path("plan.yaml"))
        checker.read_inventory(PLAN)
        found = checker.check(PLAN)
        write(Path("bundle"), found.plan, found.inventory)
    programs = {
        "@status": 'import json; print(json.dumps({"errors": [], "result": {"to_change": 3, "nodes": {}}}))',
        "@measure": 'import json; print(json.dumps({"nodes": ["n1"]})); print(json.dumps({"node": "n1", "pairs": [{"from": "n1",'
        '"to": "n2", "ok": True, "inner_mtu": 1, "passes": True, "one_more_refused": True, "esp_packets": 1,'
        '"outer_packet": 1, "outer_packet_planned": 1, "plaintext_packets": 0, "wrong": [], "line": "n1 -> n2"}]}));'
        'print(json.dumps({"end": "verified", "exit_code": 0, "problems": [], "junit": "<x/>"}))',
        "@nodes": "import json, netplan.model.ids; i = netplan.model.ids.node_id('prod-eu1', 'n1');"
        'print(json.dumps({"problems": [], "nodes": {i: {"/etc/swanctl/conf.d/ipsecplan.conf": "changed", "/x": None}}}))',
        "@looked": "import json; print(json.dumps({'errors': [], 'result':"
        "{'nodes': {f'n{i}': LOOKED for i in range(1, 7)}}}))".replace("LOOKED", repr(LOOKED)),
        "@near": "import json; print(json.dumps({'errors': [], 'result': {'ends': {'n1': [NEAR]}}}))".replace(
            "NEAR", repr(NEAR)
        ),
        "@counted": f"import json; print(json.dumps({COUNTED!r}))",
        "@endless": "import time; time.sleep(600)",
    }
    for word, program in programs.items():
        if word in words:
            import sys

            from tui.run import processes

            monkeypatch.setattr(
                processes, "module", lambda *_a, program=program: processes.Child([sys.executable, "-c", program])
            )
    return [word for word in words if not word.startswith("@")]


@pytest.mark.parametrize("name", some(list(CASES), 3))
async def test_binding(name, make, folder, settle, monkeypatch):
    screen, before, keys, holds = CASES[name]
    editor = folder / "editor"
    editor.write_text('#!/bin/sh\necho "# seen" >> "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    monkeypatch.setattr(Planner, "suspend", lambda self: __import__("contextlib").nullcontext())
    pressed = prepare(before, folder, monkeypatch)
    app = make(mode=screen, state_dir=str(folder / "state"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        if "@dirty" in before:
            app.desk.set(("underlay", "mtu"), 1400)
            app.tell_plan()
            await settle(pilot)
        if "@late" in before:
            _journal(folder, "tx-1")
        for word in before:
            if word.startswith("@f-"):
                app.screen.query_one(f"#{word[1:]}").focus()
        for key in pressed:
            await pilot.press(key)
        await (pilot.pause() if "@endless" in before else settle(pilot))
        assert app.is_running
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        await settle(pilot)
        assert holds(app)


async def test_a_stop_right_behind_the_start_of_a_measurement_stops_it(make, folder, settle, monkeypatch):
    prepare(["@endless"], folder, monkeypatch)
    app = make(mode="verify")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.screen.action_measure()
        app.screen.action_stop()
        await settle(pilot)
        assert app.screen.end.startswith("stopped")


def _declared() -> set[str]:
    from tui.dialogs import ask, draft, help, jump, prompt, save

    owners = [Planner, *MODES.values(), *BELOW, Choice, HeatMap, LogView, PlanForm, Sortable, CommandScreen]
    owners += [ask.AskScreen, draft.DraftScreen, help.HelpScreen, jump.JumpScreen, prompt.PromptScreen, save.SaveScreen]
    found = {b.id for owner in owners for b in Binding.make_bindings(owner.__dict__.get("BINDINGS", ()))}
    assert None not in found, "every binding has an id, so that a key map can name it"
    return {name for name in found if name}


def test_every_binding_has_a_case_and_a_tooltip():
    assert _declared() == set(CASES)
    for owner in [Planner, *MODES.values()]:
        for binding in Binding.make_bindings(owner.BINDINGS):
            assert binding.tooltip, binding


def test_ids_are_unique():
    seen: dict[str, str] = {}
    for owner in [Planner, *MODES.values(), *BELOW, Choice, HeatMap, LogView, PlanForm, Sortable]:
        for binding in Binding.make_bindings(owner.__dict__.get("BINDINGS", ())):
            assert seen.setdefault(binding.id, binding.action) == binding.action


@pytest.mark.parametrize("screen", MODES)
async def test_the_help_of_a_screen_names_every_binding_of_it(screen, make, settle):
    app = make(mode=screen)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.action_help()
        await pilot.pause()
        named = {name for _, _, name in app.screen.lines()}
        assert {b.id for b in Binding.make_bindings(MODES[screen].BINDINGS)} <= named


async def test_digits_belong_to_a_field_while_it_is_typed_in(make, settle):
    app = make(mode="plan")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter", "3")
        assert app.current_mode == "plan"
        assert isinstance(app.focused, Input)
        await pilot.press("escape", "3")
        assert app.current_mode == "pairs"
