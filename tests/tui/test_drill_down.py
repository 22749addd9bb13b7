"""Down with Enter and up with Esc; keys that go somewhere and edit nothing; contrast; what a restart still knows."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from netplan.rollout.record import seen
from tests.support.journals import records, write
from tests.tui.conftest import PLAN
from tui import contrast
from tui.screens.node import NodeScreen
from tui.screens.pair import PairScreen
from tui.themes import ROUND

pytestmark = pytest.mark.slow


@pytest.fixture
def proven(folder) -> Path:
    """A bundle, one confirmed transaction of it, and a proof with one failure."""
    from netplan.bundle.write import write as write_bundle
    from tui.plan.check import Checker

    checker = Checker(Path("plan.yaml"))
    checker.read_inventory(PLAN)
    found = checker.check(PLAN)
    digest = write_bundle(Path("bundle"), found.plan, found.inventory).digest
    write(folder, records(6, rounds=3))
    rows = [
        seen.Direction(
            source="n1",
            to=to,
            ok=ok,
            inner_mtu=1356,
            passes=ok,
            one_more_refused=True,
            esp_packets=4,
            outer_packet=1448,
            outer_packet_planned=1448,
            plaintext_packets=0,
            wrong=[] if ok else ["a DF packet of 1356 bytes does not arrive"],
            line=f"n1 -> {to}  DF 1356",
        )
        for to, ok in (("n2", True), ("n4", False))
    ]
    proof = seen.Proof(
        at=time.time() - 7300, digest=digest, transaction="tx-1", ok=False, measured=2, failed=1, directions=rows
    )
    (folder / "state" / "clusters" / "prod-eu1" / seen.PROOF).write_text(proof.model_dump_json())
    return folder


async def test_down_to_a_pair_and_up_again(make, proven, settle):
    app = make(mode="overview")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        facts = {fact.name: fact for fact in app.screen.query_one("#facts").facts}
        assert facts["proof"].words == "2 directions, 1 PASS, 1 FAIL, 2 h ago"
        assert facts["in progress"].mark == "!", "its controller is gone"
        assert app.screen.command_line() == "ipsecplan resume bundle"
        await pilot.press("tab", "enter")
        await settle(pilot)
        assert (type(app.screen), app.screen.host) == (NodeScreen, "n1")
        await pilot.press("full_stop", "comma")
        await settle(pilot)
        table = app.screen.query_one("#peers")
        assert [peer.name for peer in table.peers] == ["n6", "n5", "n4", "n3", "n2"], "by name, the last first"
        assert table.chosen().name == "n2", "the cursor stays on its row"
        await pilot.press("enter")
        await settle(pilot)
        assert (type(app.screen), app.screen.ends) == (PairScreen, ("n1", "n2"))
        assert app.screen.query_one("#pair-head").text == "Overview › n1 › n1 - n2"
        await pilot.press("escape", "escape")
        assert app.current_mode == "overview"
        assert len(app.screen_stack) == 1
        for row in range(5):
            app.screen.query_one("#facts").focus()
            app.screen.query_one("#facts").move_cursor(row=row)
        await pilot.press("enter")
        await settle(pilot)
        assert app.current_mode == "verify", "the proof leads to Verify, which knows it after a restart"
        assert "measured 2 h ago" in app.screen.query_one("#verify-head").text
        assert "Esc ‹ Overview" in str(app.screen.query_one("CommandBar").render())
        await pilot.press("enter")
        await settle(pilot)
        assert app.screen.ends == ("n1", "n4"), "what failed comes first"
        assert "proof x n1 -> n4" in app.screen.query_one("#pair-path").text
        await pilot.press("escape", "escape")
        assert app.current_mode == "overview"
        await pilot.press(*":pairs n5", "enter")
        await settle(pilot)
        assert app.current_mode == "pairs"
        assert [zone.name for zone in app.screen.query_one("#map").ends] == ["n5"]
        await pilot.press("escape", *":pair n1 n9", "enter")
        await settle(pilot)
        assert app.current_mode == "overview", "a host that the plan has not is said, and nothing is shown"


async def test_no_key_that_goes_somewhere_edits_the_plan(make, settle):
    app = make(mode="plan")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for key in (
            "2",
            "3",
            "2",
            "9",
            "2",
            "down",
            "right",
            "space",
            "left",
            "pagedown",
            "tab",
            "7",
            "2",
            "up",
            "end",
        ):
            await pilot.press(key)
            await pilot.pause()
        await pilot.press("down", "enter", "escape", "0")
        await settle(pilot)
        assert (app.current_mode, app.desk.dirty, app.desk.draft.text) == ("overview", False, PLAN)


async def test_a_host_is_edited_where_the_inventory_has_it(make, proven, settle):
    app = make(mode="plan")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("h", "down", "right", "enter", *"1400", "enter", "y")
        await settle(pilot)
        assert (
            "n2: {underlay_address: 10.77.0.12, pod_cidr: 10.244.2.0/24, underlay_mtu: 1400}"
            in (proven / "inventory.yml").read_text()
        )
        assert app.desk.checked.plan.pod_mtu == 1308
        assert not app.desk.dirty
        await pilot.press("escape", "0")
        await settle(pilot)
        facts = {fact.name: fact for fact in app.screen.query_one("#facts").facts}
        assert facts["bundle"].mark == "!", "a bundle that the inventory has overtaken gets no green light"
        assert facts["bundle"].words.startswith("OLDER than inventory.yml, where n2 changed")


async def test_text_can_be_read_in_every_theme(make, proven, settle):
    app = make(mode="overview")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        for mode in ("overview", "plan", "verify"):
            app.action_go(mode)
            await settle(pilot)
            for theme in sorted({*app.available_themes} if mode == "overview" else {*ROUND}):
                app.theme = theme
                await pilot.pause()
                pale = [(text, ratio) for text, ratio in _texts(app.screen) if ratio < contrast.LEAST]
                assert pale == [], (mode, theme)


def _texts(screen):
    """Generate every text on a screen whose colours are known, with its contrast."""
    for strip in screen._compositor.render_strips():
        for text, style, _ in strip:
            colours = (style.color, style.bgcolor) if style else (None, None)
            front, back = (colour.triplet if colour is not None else None for colour in colours)
            if front is not None and back is not None and contrast.is_text(text):
                yield text, contrast.ratio(front, back)
