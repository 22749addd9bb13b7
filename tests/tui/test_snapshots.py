"""Pictures: few, fixed in size, nothing in them that moves (no time, path, version or cursor that blinks)."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from textual.widgets import Input

from netplan import bundle
from netplan.bundle import File
from tests.tui.test_rollout_state import records, write
from tui.screens import kinds

MODES = kinds()

pytestmark = pytest.mark.slow
NOW = 1767225700.0  # 40 s after the events of the journal
SMALL, LARGE = (80, 24), (120, 40)
DARK, LIGHT, ANSI = "textual-dark", "textual-light", "ansi-dark"
PICTURES = [
    *(("calc", size, theme) for size in (SMALL, LARGE) for theme in (DARK, LIGHT, ANSI)),
    *(
        (mode, size, theme)
        for mode in ("plan", "pairs", "files", "rollout", "verify")
        for size, theme in ((SMALL, DARK), (LARGE, LIGHT), (SMALL, ANSI))
    ),
    ("help", SMALL, DARK),
    ("wrong", SMALL, DARK),
    ("save", LARGE, DARK),
    ("diff", LARGE, "clear-dark"),
]
NETWORK = "[Match]\nName=ov0\n\n[Link]\nMTUBytes={mtu}\n"
PAIR = {"from": "n1", "to": "n2", "ok": True, "inner_mtu": 1356, "passes": True, "one_more_refused": True,
        "line": "", "esp_packets": 4, "outer_packet": 1448, "outer_packet_planned": 1448, "plaintext_packets": 0,
        "wrong": []}  # fmt: skip


def files(plan):
    """A bundle that does not change when the real one does."""
    made = [File("REVIEW.md", f"# Review\n\nPods get {plan.pod_mtu}.\n")]
    for node in plan.nodes:
        made.append(File(f"nodes/{node.id}/etc/systemd/network/10-ov0.network", NETWORK.format(mtu=plan.pod_mtu)))
        made.append(
            File(f"nodes/{node.id}/etc/swanctl/conf.d/x.conf", "connections {\n  # all\n  a { version = 2 }\n}\n")
        )
    return made


async def set_up(pilot, name, settle, folder):
    app = pilot.app
    await settle(pilot)
    for box in app.screen.query(Input):
        box.cursor_blink = False
    if name == "verify":
        wrong = {
            **PAIR,
            "to": "n3",
            "ok": False,
            "passes": False,
            "wrong": ["a DF packet of 1356 bytes does not arrive"],
        }
        app.screen.take({"nodes": ["n1"]})
        app.screen.take({"node": "n1", "pairs": [PAIR, wrong]})
        app.screen.take({"end": "failed", "problems": [{"code": "IPP703", "message": "n1 -> n3: does not arrive"}]})
    if name == "rollout":
        app.screen.tick()
        app.screen._head()
    if name == "help":
        await pilot.press("question_mark")
    if name in ("wrong", "save", "diff"):
        app.desk.set(("underlay", "mtu"), 150 if name == "wrong" else 1400)
        app.tell_plan()
        await settle(pilot)
    if name == "save":
        await pilot.press("ctrl+s")
    if name == "diff":
        await pilot.press("a", "d", "d", "down", "down")
    await settle(pilot)


@pytest.mark.parametrize(("name", "size", "theme"), PICTURES, ids=[f"{n}-{s[0]}x{s[1]}-{t}" for n, s, t in PICTURES])
def test_picture(name, size, theme, make, folder, settle, snap_compare, monkeypatch):
    monkeypatch.setattr("tui.screens.rollout.time", SimpleNamespace(time=lambda: NOW, sleep=lambda _: None))
    monkeypatch.setattr(bundle, "build", files)
    monkeypatch.setattr("tui.screens.rollout.TICK_S", 3600)
    write(
        folder,
        [
            *records(3, rounds=5),
            {"at": "2026-01-01T00:00:20Z", "event": "RunFinished", "outcome": "confirmed", "exit_code": 0},
        ],
    )
    mode = {"help": "calc", "wrong": "plan", "save": "plan", "diff": "files"}.get(name, name)
    assert mode in MODES
    monkeypatch.setenv("IPSECPLAN_STATE", "state")
    app = make(mode=mode)
    app.theme = theme
    app.animation_level = "none"

    async def before(pilot):
        await set_up(pilot, name, settle, folder)

    assert snap_compare(app, terminal_size=size, run_before=before)


def test_no_picture_is_left_over():
    kept = {p.stem for p in (Path(__file__).parent / "__snapshots__" / "test_snapshots").glob("*")}
    assert len(kept) == len(PICTURES)
    assert shutil  # the pictures are compared as text: nothing to install
