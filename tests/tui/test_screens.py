"""One look at every screen, with a plan, without one, with a broken one, and with hostile names in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from netplan.bundle import build
from netplan.problems import ProblemError
from tests.tui.conftest import INVENTORY, PLAN
from tui import settings
from tui.app import Planner
from tui.draw import byte_ruler, packet
from tui.draw.file_tree import changes, of_directory
from tui.screens import kinds
from tui.themes import ROUND

MODES = kinds()

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", ["broken", "hostile"])  # a good plan, and none: test_start.py, test_command_lines.py
async def test_every_screen_opens(kind, make, folder, settle):
    if kind == "broken":
        Path("plan.yaml").write_text(PLAN.replace("mtu: 1500", "mtu: [oops"))
    if kind == "hostile":
        Path("inventory.yml").write_text(INVENTORY.replace("n1:", '"[red]x":').replace("n2:", '"a\\e[31mb":'))
    app = make()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for mode in MODES:
            app.action_go(mode)
            await settle(pilot)
            assert app.screen.command_line().startswith("ipsecplan ")
            text = app.screen.as_text()
            assert "$ ipsecplan" in text
            svg = app.export_screenshot()
            assert "\x1b" not in svg
    assert app.return_code is None, "nobody has ended it"
    assert app.error is None


MORE_SIZES = [(100, 30), (120, 40)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "size", [(80, 24), (200, 60), (40, 12), *(pytest.param(size, marks=pytest.mark.drill) for size in MORE_SIZES)]
)
async def test_no_size_breaks_a_screen(size, make, settle):
    app = make()
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        for mode in MODES:
            app.action_go(mode)
            await settle(pilot)
            assert app.current_mode == mode
            assert (app.screen.size.width, app.screen.size.height) == size
        await pilot.resize_terminal(80, 24)
        await settle(pilot)
        assert (app.screen.size.width, app.screen.size.height) == (80, 24)
        assert "$ ipsecplan" in app.screen.as_text()
    assert app.return_code is None, "nobody has ended it"
    assert app.error is None


async def test_changing_the_cipher_moves_the_mtu_everywhere(make, settle):
    app = make(mode="pairs")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        before = app.screen.as_text()
        app.desk.set(("ipsec", "esp"), ["aes128-sha256-x25519"])
        app.tell_plan()
        await settle(pilot)
        assert app.desk.checked.plan.pod_mtu < app.desk.saved.plan.pod_mtu
        assert app.screen.as_text() != before
        assert f"(was {app.desk.saved.plan.pod_mtu})" in app.desk.subject()[1]


def test_the_ruler_loses_no_byte_and_fits():
    from netplan.stack import parse, solve

    for text in (
        packet.DEFAULT,
        "ip4/udp/esp:aes256-sha256/ip4/udp/geneve:8/eth/ip6/tcp",
        "eth/vlan/ip4/esp:null-sha256/ip4",
        "ip4/ah:sha256/esp:aes128-sha1/ip4/gre:key/ip6/udp/vxlan/eth/ip4/esp:aes128gcm16/ip4",
    ):
        solution = solve(parse(text), 1500)
        for width in (40, 78, 118, 200):
            drawn = byte_ruler.ruler(solution, width)
            assert sum(cell.bytes for cell in drawn.cells) == solution.outer_packet
            rows = byte_ruler.lines(drawn, solution.outer_packet)
            assert len({len(row) for row in rows[1:3]}) == 1
            if width >= 78:
                assert drawn.width == width


@pytest.mark.parametrize("turn", [packet.toggle_mode, packet.toggle_nat_t, packet.toggle_family])
def test_a_turn_back_is_the_packet_before(turn):
    assert turn(turn(packet.DEFAULT)) == packet.DEFAULT
    assert turn("nonsense//") == "nonsense//", "left as it is"


def test_settings_say_what_they_don_t_understand(tmp_path):
    file = tmp_path / "ui.toml"
    assert settings.read(file, {"calc.cipher"}, {"nord"}).keys == {}
    file.write_text('theme = "nord"\n[keys]\n"calc.cipher" = "f5"\n')
    found = settings.read(file, {"calc.cipher"}, {"nord"})
    assert (found.theme, found.keys) == ("nord", {"calc.cipher": "f5"})
    for text, said in (
        ("theme = 'nordd'", "did you mean nord"),
        ("[keys]\n'calc.cifer' = 'x'", "did you mean calc.cipher"),
        ("colour = 1", "known keys"),
        ("theme = ", "can't be read: Invalid value"),
        ("[keys]\n'calc.cipher' = 5", "such as"),
    ):
        file.write_text(text)
        with pytest.raises(ProblemError) as caught:
            settings.read(file, {"calc.cipher"}, {"nord"})
        problem = caught.value.problems[0]
        assert said in f"{problem.message}; {problem.hint}"


async def test_a_key_map_changes_the_key_and_the_help(make, folder, settle):
    config = folder / "ui.toml"
    config.write_text('theme = "clear-light"\n[keys]\n"calc.cipher" = "f5"\n')
    app = make(config=config)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.theme == "clear-light"
        await pilot.press("f5")
        assert "aes128gcm16" in app.screen.stack_text
        await pilot.press("question_mark")
        await pilot.pause()
        assert any(key == "f5" and name == "calc.cipher" for key, _, name in app.screen.lines())


async def test_jump_goes_to_a_field(make, settle):
    app = make(mode="plan")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+o", "d")
        await pilot.pause()
        assert app.focused.id == "f-nodes"


async def test_the_mouse_picks_a_byte_a_tab_and_a_setting(make, settle):
    app = make()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.click("#ruler", offset=(30, 1))
        await settle(pilot)
        assert app.screen.query_one("#ledger").cursor_row > 0
        await pilot.click("#settings", offset=(6, 1))
        await settle(pilot)
        assert packet.mode(app.screen.stack_text) == "tunnel"
        await pilot.click("TitleBar", offset=(77, 0))
        await settle(pilot)
        assert app.current_mode == list(MODES)[-1]


async def test_every_theme_of_the_round_exists(make, settle):
    app = make()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for theme in ROUND:
            app.theme = theme
            await pilot.pause()
            assert app.export_screenshot()


def test_directories_are_compared_by_content(tmp_path):
    for name, text in (("a", "1"), ("b", "1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same").write_text(text)
    (tmp_path / "a" / "old").write_text("x")
    (tmp_path / "b" / "new").write_bytes(b"\xff")
    (tmp_path / "b" / "link").symlink_to("/etc/passwd")
    marks = changes(of_directory(tmp_path / "a"), of_directory(tmp_path / "b"))
    assert marks == {"same": " ", "old": "-", "new": "+"}


def test_the_core_never_imports_textual():
    program = (
        "import pkgutil, importlib, sys, netplan\n"
        "for m in pkgutil.walk_packages(netplan.__path__, 'netplan.'):\n"
        "    if '.lab' not in m.name and not m.name.endswith('__main__'): importlib.import_module(m.name)\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('textual', 'tui')]\n"
        "sys.exit(', '.join(bad[:5]) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_files_are_small():
    lines = {p: len(p.read_text().splitlines()) for p in (ROOT / "tui").rglob("*.py")}
    assert lines
    assert {str(p): n for p, n in lines.items() if n > 400} == {}
    assert lines[ROOT / "tui" / "app.py"] < 320


def test_no_rule_hides_in_the_planner():
    """No size of a header and no arithmetic on MTUs: numbers come from the core."""
    import re

    for path in (ROOT / "tui").rglob("*.py"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not re.search(r"(mtu|overhead|payload)\w*\s*[-+*]\s*\d\d", line), f"{path}:{number}"


async def test_the_app_leaves_with_a_code(make):
    app: Planner = make()
    async with app.run_test() as pilot:
        await pilot.press("q")
    assert app.return_value == 0


async def test_rows_of_a_list_are_edited_in_the_form(make, settle):
    """An entry is changed, one is added, one is cleared; comments stay, and undo takes each back."""
    app = make(mode="plan")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        rows = app.screen.query_one("#f-underlay-paths")
        assert rows.value == "between: [zone_a, zone_b], mtu: 1450"
        assert len(rows.lines) == 2
        app.screen.query_one("#form").edit("f-underlay-paths")
        await pilot.press("end", "backspace", "1")
        await settle(pilot)
        assert "- {between: [zone_a, zone_b], mtu: 1451}   # the leased line" in app.desk.draft.text
        await pilot.press("down", *"between: [n1, n2], mtu: 14")
        await settle(pilot)
        assert len(rows.lines) == 3
        assert app.screen.query_one("#line-f-underlay-paths").has_class("-error"), "14 is no MTU"
        assert "must be at least 576" in app.screen.query_one("#problems").pane_text()
        await pilot.press("0", "0")
        await settle(pilot)
        assert not app.screen.query_one("#line-f-underlay-paths").has_class("-error")
        assert "    - {between: [n1, n2], mtu: 1400}\n" in app.desk.draft.text
        assert {c.inner_mtu for c in app.desk.checked.plan.classes} >= {1316}
        rows.lines[1].clear()
        await settle(pilot)
        assert "n1, n2" not in app.desk.draft.text
        while app.desk.dirty:
            await pilot.press("ctrl+z")
        await settle(pilot)
        assert app.desk.draft.text == PLAN
        assert rows.value == "between: [zone_a, zone_b], mtu: 1450"


async def test_a_topology_is_edited_in_the_form(make, settle):
    app = make(mode="plan")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        box = app.screen.query_one("#f-ipsec-topology")
        app.screen.query_one("#form").edit("f-ipsec-topology")
        box.clear()
        for letter in "between: [[zone_a, zone_b]]":
            box.insert_text_at_cursor(letter)
        await settle(pilot)
        assert "  topology: {between: [[zone_a, zone_b]]}\n" in app.desk.draft.text
        assert app.desk.checked.plan.file.ipsec.topology.between == [["zone_a", "zone_b"]]


async def test_rows_can_t_be_changed_when_nothing_can(make, settle):
    app = make(mode="plan", readonly=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert all(line.disabled for line in app.screen.query_one("#f-underlay-paths").lines)


@pytest.mark.slow
async def test_of_a_large_plan_only_hosts_that_are_opened_are_rendered(make, folder, settle, monkeypatch):
    names = [f"h{i:03}" for i in range(1, 121)]
    hosts = {n: {"underlay_address": f"10.0.0.{i}", "pod_cidr": f"10.{i}.0.0/24"} for i, n in enumerate(names, 1)}
    Path("inventory.yml").write_text(json.dumps({"all": {"children": {"k8s_nodes": {"hosts": hosts}}}}))
    paths = "  paths:\n    - {between: [zone_a, zone_b], mtu: 1450}   # the leased line\n"
    Path("plan.yaml").write_text(PLAN.replace(paths, ""))
    made = []
    real = build.node_files
    monkeypatch.setattr(build, "node_files", lambda plan, node: made.append(node.name) or real(plan, node))
    app = make(mode="files")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        tree = app.screen.query_one("#tree")
        assert made == []
        assert "0 of 120 hosts opened" in app.screen.query_one("#files-head").text
        hosts_folder = next(node for node in tree.root.children if node.data == "/nodes")
        hosts_folder.expand()
        await settle(pilot)
        assert len(hosts_folder.children) == 120
        hosts_folder.children[6].expand()
        await settle(pilot)
        assert made == ["h007"]
        mine = [path for path in app.screen.now.texts if path.startswith("nodes/")]
        assert any(path.endswith("ipsecplan.conf") for path in mine)
        app.desk.set(("underlay", "mtu"), 1400)
        app.tell_plan()
        await settle(pilot)
        assert made == ["h007", "h007"], "the draft's; the saved plan's is remembered"
        assert "1 of 120 hosts opened" in app.screen.query_one("#files-head").text
        await pilot.press("a")
        await settle(pilot)
        assert "hosts opened" in app.screen.query_one("#files-head").text
