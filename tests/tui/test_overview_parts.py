"""The planner's new parts without an app: words of a jump, marks of a difference, ages, contrast, time left."""

from __future__ import annotations

import random

from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from tui import contrast, jumps
from tui.draw import diff, phase_line
from tui.draw.ages import ago
from tui.run.rollout_state import RolloutState
from tui.widgets.sortable import natural
from tui.widgets.title_bar import TABS


def test_a_jump_is_a_word_and_what_it_is_about():
    assert jumps.read("pairs node-07", TABS) == jumps.Jump("pairs", ("node-07",))
    assert jumps.read("ov", TABS) == jumps.Jump("overview")
    assert jumps.read("pair a b", TABS) == jumps.Jump("pair", ("a", "b"))
    assert "needs HOST HOST" in jumps.read("pair a", TABS)
    assert "did you mean audit" in jumps.read("audot", TABS)
    assert "short for" in jumps.read("p", TABS)


def test_only_the_words_that_changed_are_marked():
    one, two = "MTUBytes=1416 # of ov0", "MTUBytes=1356 # of ov0"
    left, right = diff.changed_words(one, two)
    assert [one[a:b] for a, b in left] == ["1416"]
    assert [two[a:b] for a, b in right] == ["1356"]
    assert diff.changed_words("abc def", "123 456 789") == ([], []), "lines that have nothing in common"
    shown = diff.coloured([" same", f"-{one}", f"+{two}", "@@ x @@"])
    assert shown.plain == f" same\n-{one}\n+{two}\n@@ x @@"
    assert {shown.plain[s.start : s.end] for s in shown.spans if s.style == diff.WORD} == {"1416", "1356"}


def test_side_by_side_wraps_and_cuts_nothing():
    long = "x" * 50 + " 1416"
    rows = diff.side_by_side(long, long.replace("1416", "1356"), 43)
    assert {row.cell_length for _, row in rows} == {43}
    assert "".join(row.plain[:20] for _, row in rows).rstrip() == long
    assert "".join(row.plain[23:] for _, row in rows).rstrip() == long.replace("1416", "1356")
    assert [row.plain[21] for _, row in rows] == ["|", " ", " "]
    rows = diff.side_by_side("a", "the bytes of a packet on the wire", 43)
    assert [row.plain[23:].rstrip() for _, row in rows] == ["the bytes of a", "packet on the wire"], "no word is cut"


def test_ages():
    assert [ago(s) for s in (-5, 0, 119, 120, 7199, 7200, 172800)] == [
        *("0 s ago", "0 s ago", "119 s ago", "2 min ago", "119 min ago", "2 h ago", "2 days ago")
    ]


def test_numbers_sort_as_numbers():
    assert sorted(["n10", "n2", "", "N1"], key=natural) == ["N1", "n2", "n10", ""]


def test_any_text_on_any_colour_can_be_read():
    draw = random.Random(7)
    for _ in range(500):
        one, two = (ColorTriplet(*(draw.randrange(256) for _ in range(3))) for _ in range(2))
        clear = contrast.apart(one, two)
        assert contrast.ratio(clear, two) >= contrast.LEAST
        assert contrast.ratio(one, two) < contrast.LEAST or clear == one, "what can be read stays as it is"


def test_frames_and_colours_of_the_terminal_stay():
    pale = Style.parse("#777777 on #888888")
    made = contrast.ReadableFilter().apply(
        [Segment("──", pale), Segment("text", pale), Segment("text", Style.parse("red"))], Color.parse("#888888")
    )
    assert [s.style == pale for s in made[:2]] == [True, False]
    assert made[2].style == Style.parse("red")


def test_the_time_left_is_what_the_phases_took_before():
    planned, usual = ("arm", "stage", "soak", "probe"), {"arm": 1.0, "stage": 2.0, "soak": 5.0, "probe": 10.0}
    assert phase_line.estimate(planned, "soak", {"arm": 1.0, "stage": 2.0}, usual) == 15.0
    assert phase_line.estimate(planned, "soak", {"soak": 6.0}, usual) == 10.0
    assert phase_line.estimate(planned, "arm", {}, {}) is None
    assert phase_line.estimate(planned, "stage", {"arm": 3.0}, {}) == 9.0
    assert phase_line.position(planned, "stage") == (2, 4)
    assert phase_line.what_next(planned, "arm") == "stage, soak, probe"
    shown = phase_line.lines(planned, "soak", {"arm": 1.0, "stage": 2.0}, frozenset())
    assert [line.split()[2:4] for line in shown] == [["1.0", "s"], ["2.0", "s"], ["at", "work"], ["to", "come"]]


def test_phases_of_one_round_trip_share_its_seconds():
    state = RolloutState()
    state.take({"event": "RunStarted", "verb": "apply", "transaction": "tx-1", "nodes": {}})
    for phase in ("arm", "lower-senders", "stage"):
        state.take({"event": "PhaseFinished", "phase": phase, "ok": True, "seconds": 3.0})
    state.take({"event": "PhaseFinished", "phase": "soak", "ok": False, "seconds": 3.0})
    assert state.took == {"arm": 1.0, "lower-senders": 1.0, "stage": 1.0}
    assert state.failed == {"soak"}
