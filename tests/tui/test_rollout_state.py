"""A rollout from its journal: floods, half lines, hostile words, and a planner that comes later."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from netplan.bundle import reader
from netplan.rollout.record import events
from netplan.rollout.record.journal import ClusterState, read
from tests.sizes import size
from tests.support.fake_nodes import IDS, FakeNodes, Run, failure
from tests.support.journals import records, write
from tests.tui.conftest import PLAN
from tui.run import journal_tail
from tui.run.journal_tail import JournalTail, controller
from tui.run.rollout_state import RolloutState, line
from tui.widgets.log_view import LogView
from tui.widgets.node_table import NodeTable


def test_events_of_the_engine_fold_into_one_state_a_node():
    state = RolloutState()
    for record in records(3, rounds=3):
        state.take(record)
    assert state.running
    assert (state.verb, state.transaction, state.phase) == ("apply", "tx-1", "arm")
    node = state.nodes["n2"]
    assert (node.phase, node.word, node.done) == ("arm", "ok", {"status", "preflight", "arm"})
    assert node.at is not None
    assert state.clock(node, node.at + 20) == 160
    state.take(
        {
            "event": "NodeResult",
            "phase": "lower-devices",
            "node": "n2",
            "ok": False,
            "detail": "no",
            "problems": [{"code": "IPP1", "message": "n2: broken"}],
        }
    )
    assert (node.word, node.detail) == ("FAILED", "n2: broken")
    state.take({"event": "Reverting", "reason": "n2: broken"})
    state.take({"event": "RunFinished", "outcome": "rolled-back", "exit_code": 6})
    assert (state.reverting, state.outcome, state.exit_code, state.running) == ("n2: broken", "rolled-back", 6, False)
    assert state.clock(node, 0) is None


def test_a_try_waits_for_its_yes_and_counts_down(tmp_path):
    Run(tmp_path, FakeNodes(), keep=lambda *_: None, keep_s=600)
    state = RolloutState()
    for record in read(next(tmp_path.glob("clusters/lab/journal/*"))):
        state.take(record)
    assert (state.kind, state.outcome, state.awaiting) == ("try", "awaiting-confirm", True)
    assert state.plan()[-3:] == ("await-confirm", "prepare", "confirm")
    node = state.nodes["a"]
    left = state.clock(node, state.until - 100)
    assert left is not None, "the node's own timer runs while it waits"
    assert 98 <= left <= 102
    assert state.left(state.until - 100) == min(state.clock(n, state.until - 100) for n in state.nodes.values()) <= 100
    assert state.left(state.until + 1) == 0
    assert len(node.done & set(state.plan())) == len(state.plan()) - 2
    state.take({"event": "RunStarted", "verb": "confirm", "transaction": state.transaction, "nodes": {"1": "a"}})
    assert (state.kind, state.verb, state.running, state.awaiting) == ("try", "confirm", True, False)
    assert state.clock(node, state.nodes["a"].deadline - 5) == 5, "until it is confirmed"
    state.take({"event": "NodeResult", "phase": "confirm", "node": "a", "ok": True})
    assert (node.word, state.clock(node, 0)) == ("kept", None)
    state.take({"event": "RunFinished", "outcome": "confirmed", "exit_code": 0})
    assert not state.awaiting


def test_what_is_taken_back_says_so(tmp_path):
    Run(tmp_path, FakeNodes(lambda phase, node: failure() if (phase, node) == ("trap", IDS[1]) else None))
    state = RolloutState()
    for record in read(next(tmp_path.glob("clusters/lab/journal/*"))):
        state.take(record)
    assert (state.kind, state.outcome, state.reverting) == ("apply", "rolled-back", "b: no")
    assert {n.word for n in state.nodes.values()} == {"rolled back"}
    assert all(state.clock(n, 0) is None for n in state.nodes.values())


def test_unknown_and_broken_records_are_no_end():
    state = RolloutState()
    for record in ({}, {"event": "Later", "x": 1}, {"event": "NodeResult"}, {"event": "PhaseStarted"}, {"at": "never"}):
        state.take(record)
    assert state.taken == 5


def test_words_of_nodes_are_made_printable():
    state = RolloutState()
    state.take({"event": "NodeResult", "phase": "arm", "node": "n1", "ok": True, "detail": "\x1b[2J[bold]x[/]\x07"})
    assert all(ord(c) >= 32 for line in state.log for c in line)


def test_the_tail_reads_pieces_and_never_half_a_line(folder, monkeypatch):
    path = write(folder, records(2, rounds=2))
    with open(path, "a") as out:
        out.write('{"event": "RunFin')
    monkeypatch.setattr(journal_tail, "CHUNK", 100)
    tail = JournalTail(path)
    got = []
    for _ in range(100):
        got += tail.read()
    assert len(got) == 9
    with open(path, "a") as out:
        out.write('ished", "outcome": "confirmed", "exit_code": 0}\n')
    assert [r["event"] for r in (tail.read() or tail.read())] == ["RunFinished"]


def test_who_holds_the_lock_is_seen_without_touching_it(folder):
    import os

    root = folder / "state"
    assert controller(root, "prod-eu1") is None
    with ClusterState(root, "prod-eu1"):
        assert controller(root, "prod-eu1") == os.getpid()
    assert controller(root, "prod-eu1") is None


async def test_a_later_planner_finds_the_same_transaction(make, folder, settle):
    write(folder, records(3, rounds=3))
    for _ in range(2):  # the first planner is gone without a word; the second knows as much
        app = make(mode="rollout", state_dir=str(folder / "state"))
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            app.screen.tick()
            assert app.screen.state.transaction == "tx-1"
            assert app.screen.query_one(NodeTable).row_count == 3
            assert "controller is gone" in app.screen.query_one("#rollout-head").text
    with ClusterState(folder / "state", "prod-eu1"):
        app = make(mode="rollout", state_dir=str(folder / "state"))
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            assert "controller is process" in app.screen.query_one("#rollout-head").text
            write(folder, [{"event": "RunFinished", "outcome": "confirmed", "exit_code": 0}])
            app.screen.tick()
            app.screen._head()
            assert "confirmed (exit 0)" in app.screen.query_one("#rollout-head").text


async def test_a_flood_of_events_leaves_the_keys_alive(make, folder, settle):
    """More lines than the log keeps; in drills fifty thousand events."""
    made = records(50, rounds=size(400, 962))
    assert len(made) > size(20_500, 50_000)
    app = make(mode="rollout", state_dir=str(folder / "state"))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        write(folder, made)
        longest = 0.0
        for _ in range(200):
            begin = time.process_time()
            app.screen.tick()
            longest = max(longest, time.process_time() - begin)
            await pilot.press("down")
            if app.screen.state.taken == len(made):
                break
        assert app.screen.state.taken == len(made)
        assert len(app.screen.query_one("#log", LogView).lines) == 20_000
        assert longest < 1.0, "one turn of the loop, and so the longest wait of a key"
        await pilot.press("question_mark")
        assert app.screen.__class__.__name__ == "HelpScreen"


@pytest.mark.parametrize("readonly", [True, False])
async def test_readonly_asks_no_question_that_changes_nodes(readonly, make, folder, settle):
    write(folder, records(2, rounds=1))
    app = make(mode="rollout", readonly=readonly, state_dir=str(folder / "state"))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("U")
        assert (app.screen.__class__.__name__ == "AskScreen") is not readonly


async def test_accept_and_revert_of_a_try(make, folder, settle, monkeypatch):
    """The keys start the verbs, as processes, with the bundle of the screen; only after confirmation."""
    started = []
    monkeypatch.setattr("tui.run.processes.start_detached", lambda verb, _log: started.append(verb) or 1)
    Path("plan.yaml").write_text(PLAN.replace("prod-eu1", "lab"))
    Run(folder / "state", FakeNodes(), keep=lambda *_: None)
    app = make(mode="rollout")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        app.screen.tick()
        app.screen._head()
        assert "C keeps it, U or no answer rolls back" in app.screen.query_one("#rollout-head").text
        await pilot.press("C", "n", "U", "n")
        assert started == []
        await pilot.press("C", "y")
        await pilot.press("U", "y")
        assert started == [["confirm", "bundle"], ["revert", "bundle", "--yes"]]
        app.screen.state.until = 0.0
        app.screen._head()
        assert "not confirmed in time" in app.screen.query_one("#rollout-head").text


async def test_what_is_typed_for_a_try_is_never_an_option(make, folder, settle, monkeypatch):
    started = []
    monkeypatch.setattr("tui.run.processes.start_detached", lambda verb, _log: started.append(verb) or 1)
    found = {"nodes": {}, "cluster": "prod-eu1", "directory": Path("bundle"), "manifest": {"plan_digest": "d" * 64}}
    monkeypatch.setattr(reader, "read", lambda _: SimpleNamespace(digest="d" * 64, **found))
    app = make(mode="rollout")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("t", "ctrl+u", *"-x", "enter")
        assert started == [["try", "bundle", "--yes", "--detach", "--confirm-timeout=-x"]]


async def test_history_opens_what_it_lists(make, folder, settle):
    Path("plan.yaml").write_text(PLAN.replace("prod-eu1", "lab"))
    for _ in range(2):
        Run(folder / "state", FakeNodes())
    app = make(mode="history")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        one, other = app.screen.query_one("#past").shown
        assert one.transaction != other.transaction
        await pilot.press("down")
        await settle(pilot)
        assert other.transaction in app.screen.query_one("#show").pane_text()
        await pilot.press("enter")
        await settle(pilot)
        assert (app.current_mode, app.screen.state.transaction) == ("rollout", other.transaction)


def test_the_log_says_why_timers_are_longer():
    record = {
        "at": "2026-01-02T03:04:05Z",
        **events.Paced(trip_s=23.0, work_s=91.0, timer_s=446, smallest_s=277).as_json(),
    }
    assert line(record) == "03:04:05 a round trip takes 23.0 s: timers of 446 s from here on"
