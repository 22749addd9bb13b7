"""Pictures of every screen in both sizes and three themes, of the overview and the way down in four.

Nothing in them moves: no time, path, version or cursor.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from textual.widgets import Input

from netplan.bundle import build
from netplan.bundle.manifest import File
from tests.support.journals import PHASES, records, write
from tests.tui import cluster_seen, quiet
from tests.tui.pictures import difference
from tests.tui.test_bindings import COUNTED
from tui.screens import kinds

MODES = kinds()
DUMPS = Path(__file__).parents[1] / "cases" / "audit" / "pods-keep-old-value" / "in"
PICTURES_KEPT = Path(__file__).parent / "__snapshots__" / "test_snapshots"

pytestmark = [pytest.mark.slow, pytest.mark.picture]
NOW = 1767225700.0  # 40 s after the events of the journal
SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
THEMES = {"dark": "textual-dark", "light": "textual-light", "ansi": "ansi-dark", "clear": "clear-dark"}
NETWORK = "[Match]\nName=ov0\n\n[Link]\nMTUBytes={mtu}\n"
PAIR = {
    "from": "n1",
    "to": "n2",
    "ok": True,
    "inner_mtu": 1356,
    "passes": True,
    "one_more_refused": True,
    "esp_packets": 4,
    "outer_packet": 1448,
    "outer_packet_planned": 1448,
    "plaintext_packets": 0,
    "wrong": [],
    "line": "n1 -> n2  DF 1356 passes, 1357 refused, ESP seen (outer 1448), 0 plaintext (1 planted, seen)",
}
WRONG = {
    **PAIR,
    "to": "n4",
    "ok": False,
    "passes": False,
    "wrong": ["a DF packet of 1356 bytes does not arrive"],
    "line": "n1 -> n4  DF 1356 FAILS, 1357 refused, NO ESP SEEN, 0 plaintext (1 planted, seen)",
}


def of_cluster(plan, made=None):
    """The part of a bundle about the whole cluster, which does not change when the real one does."""
    return [File("REVIEW.md", f"# Review\n\nPods get {plan.pod_mtu}.\n")]


def of_host(plan, node):
    """The part of a bundle about one host, which does not change when the real one does."""
    swanctl = "connections {\n  # all\n  a { version = 2 }\n}\n"
    return [
        File(f"nodes/{node.id}/etc/systemd/network/10-ov0.network", NETWORK.format(mtu=plan.pod_mtu)),
        File(f"nodes/{node.id}/etc/swanctl/conf.d/x.conf", swanctl),
    ]


async def verified(app, pilot, settle):
    app.screen.take({"nodes": ["n1"]})
    app.screen.take({"node": "n1", "pairs": [PAIR, WRONG]})
    app.screen.take({"end": "failed", "problems": [{"code": "IPP703", "message": "n1 -> n4: does not arrive"}]})


async def journal(app, pilot, settle):
    app.screen.tick()
    app.screen._head()


async def helped(app, pilot, settle):
    await pilot.press("question_mark")


async def asked(app, pilot, settle):
    await pilot.press("U")


async def measured(app, pilot, settle):
    for one, other, seen in (("n1", "n2", PAIR), ("n1", "n4", WRONG)):
        app.measured[one, other] = seen
    app.tell_plan()
    await pilot.press("right", "right", "right")


async def counted(app, pilot, settle):
    await pilot.press("t")
    await settle(pilot)
    quiet_one = {
        **COUNTED["pairs"][0],
        "from": "n4",
        "bytes_per_second": None,
        "lost": None,
        "installed": 1,
        "suites": [],
    }
    app.screen.take({**COUNTED, "pairs": [*COUNTED["pairs"], quiet_one]})


async def asked_all(app, pilot, settle):
    found = cluster_seen.picture(NOW, (PAIR, WRONG))
    for row in (PAIR, WRONG):
        app.measured[row["from"], row["to"]] = row
    app.screen.gather = lambda: None  # this machine's files would take its place
    app.screen._gathered(found)


async def one_node(app, pilot, settle):
    await asked_all(app, pilot, settle)
    app.show_node("n1")
    await settle(pilot)


async def one_pair(app, pilot, settle):
    await one_node(app, pilot, settle)
    app.show_pair("n1", "n4")
    await settle(pilot)
    app.screen._answered(cluster_seen.both_ends(), 0, "")


async def audited(app, pilot, settle):
    shutil.copytree(DUMPS, "dumps")
    await pilot.press("o", *"dumps", "enter")


async def kept(app, pilot, settle):
    head = f"# unsaved draft of ipsecplan ui, kept at 2026-01-01T00:00:00Z, made from sha256:{'0' * 64}\n"
    Path("plan.yaml.draft").write_text(head + app.desk.draft.text.replace("mtu: 1500", "mtu: 1400"))
    app.offer_draft()
    await settle(pilot)
    await pilot.press("d")


def change(mtu, *keys):
    async def done(app, pilot, settle):
        app.desk.set(("underlay", "mtu"), mtu)
        app.tell_plan()
        await settle(pilot)
        await pilot.press(*keys)

    return done


# name -> screen, and what is done there; a screen that is not named here has its picture as it opens
SCENES = {
    **{mode: (mode, None) for mode in MODES},
    "seen": ("overview", asked_all),
    "node": ("overview", one_node),
    "pair": ("overview", one_pair),
    "rollout": ("rollout", journal),
    "verify": ("verify", verified),
    "audit": ("audit", audited),
    "pairs": ("pairs", measured),
    "traffic": ("pairs", counted),
    "help": ("calc", helped),
    "ask": ("rollout", asked),
    "draft": ("calc", kept),
    "wrong": ("plan", change(150)),
    "save": ("plan", change(1400, "ctrl+s")),
    "diff": ("files", change(1400, "a", "d", "d", "down", "down")),
}
BELOW = ("seen", "node", "pair")  # the overview of a cluster that was asked, and the way down from it
PICTURES = [
    (scene, size, theme) for scene in SCENES for size in SIZES for theme in THEMES if theme != "clear" or scene in BELOW
]


# Their cells get a colour of the theme when they are made, and keep it when the theme changes: an app for each theme.
OWN_APP = {*BELOW, "pairs", "traffic", "rollout", "verify", "history", "ask", "diff"}
# (scene, size, theme) -> picture; those of one app are kept for the tests of its other themes, which come next
_taken: dict[tuple[str, str, str], str] = {}


async def take(app, scene, size, themes, settle):
    """Keep the pictures of one app in these themes, each as the snapshot plugin would take it."""
    app.theme = THEMES[themes[0]]
    async with app.run_test(size=SIZES[size]) as pilot:
        await settle(pilot)
        for box in app.screen.query(Input):
            box.cursor_blink = False
        _, prepare = SCENES[scene]
        if prepare is not None:
            await prepare(app, pilot, settle)
        for theme in themes:
            app.theme = THEMES[theme]
            await settle(pilot)
            await pilot.wait_for_scheduled_animations()
            _taken[scene, size, theme] = app.export_screenshot(title=app.title, simplify=True)


def _asked(picture: tuple[str, str, str]):
    """An app more for each: colours of a theme are seen in one size, `make drills` takes both."""
    scene, size, theme = picture
    alone = scene in OWN_APP and size != "80x24" and theme != "dark"
    return pytest.param(*picture, id="-".join(picture), marks=[pytest.mark.drill] if alone else [])


@pytest.mark.parametrize(("scene", "size", "theme"), map(_asked, PICTURES))
def test_picture(scene, size, theme, make, folder, settle, snap_compare, monkeypatch, request):
    if (scene, size, theme) not in _taken:
        _stage(folder, monkeypatch)
        staged = make(mode=SCENES[scene][0])
        staged.animation_level = "none"
        with asyncio.Runner(loop_factory=quiet.Loop) as runner:
            runner.run(take(staged, scene, size, [theme] if scene in OWN_APP else list(THEMES)[:3], settle))
    seen = _taken[scene, size, theme]
    app = make()
    monkeypatch.setattr(app, "run", lambda **_: seen)  # the plugin compares and reports; the picture is there already
    if not snap_compare(app, terminal_size=SIZES[size]):
        kept = PICTURES_KEPT / f"{request.node.name}.svg"
        pytest.fail(difference(kept.read_text() if kept.exists() else "", seen), pytrace=False)


def _stage(folder, monkeypatch):
    """Make a world in which nothing moves: clock, files of hosts, two rollouts."""
    clocked = ("tui.screens.rollout", "tui.screens.rollout_actions", "tui.screens.node")
    for place in (f"{module}.time" for module in clocked):
        monkeypatch.setattr(place, SimpleNamespace(time=lambda: NOW, sleep=lambda _: None))
    monkeypatch.setattr(build, "cluster_files", of_cluster)
    monkeypatch.setattr(build, "node_files", of_host)
    monkeypatch.setattr("tui.screens.node.last_look", lambda _: cluster_seen.look(NOW))
    monkeypatch.setattr("tui.screens.rollout.TICK_S", 3600)
    end = {"at": "2026-01-01T00:00:20Z", "event": "RunFinished", "outcome": "confirmed", "exit_code": 0}
    write(folder, [*records(3, rounds=5), end])
    waiting = [
        {"at": "2026-01-01T00:00:00Z", "event": "AwaitingConfirm", "until": "2026-01-01T00:10:00Z", "seconds": 600},
        {"at": "2026-01-01T00:00:01Z", "event": "RunFinished", "outcome": "awaiting-confirm", "exit_code": 0},
    ]
    write(folder, [*records(6, len(PHASES), "try", "tx-2"), *waiting], "tx-2")
    monkeypatch.setenv("IPSECPLAN_STATE", "state")


def test_no_picture_is_left_over():
    kept = {p.name.removesuffix(".svg") for p in PICTURES_KEPT.glob("*")}
    assert kept == {f"test_picture[{'-'.join(picture)}]" for picture in PICTURES}
