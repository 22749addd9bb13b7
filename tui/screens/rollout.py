"""Screen 5: a transaction in progress, from its journal. The controller is a process that doesn't need the planner."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Input

from netplan.bundle import reader
from netplan.cli.status import lines as status_lines
from netplan.problems import ProblemError, counted, printable
from tui.draw import phase_line
from tui.plan.check import Checked
from tui.run import processes
from tui.run.journal_tail import JournalTail, journals
from tui.run.rollout_state import WORDS, RolloutState
from tui.screens.rollout_actions import RolloutActions
from tui.widgets.log_view import LogView
from tui.widgets.node_table import NodeTable, minutes
from tui.widgets.note import Note
from tui.widgets.sortable import Sortable

TICK_S = 0.1
SHORT = 1 << 20  # bytes of a journal that is read at once
VISIBLE = 60  # rows whose clocks are kept up to date each second


class RolloutScreen(RolloutActions):
    """Nodes above, log below; follows the newest transaction of the bundle's cluster."""

    MODE = "rollout"
    CSS_PATH = Path(__file__).with_name("rollout.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("A", "apply", "Apply", id="rollout.apply", tooltip="Apply the bundle; each node has a rollback timer"),
        Binding("t", "try", "Try", id="rollout.try", tooltip="Apply and verify; rolled back unless C confirms in time"),
        Binding("C", "confirm", "Confirm", id="rollout.confirm", tooltip="Confirm the try: keep the change"),
        Binding("U", "revert", "Revert", id="rollout.revert", tooltip="Stop the run, or roll back on every node"),
        Binding(
            "r",
            "resume",
            "Resume",
            show=False,
            id="rollout.resume",
            tooltip="Continue where a controller died, or roll back the rest",
        ),
        Binding("s", "status", "Status", id="rollout.status", tooltip="What every node has now, and how it differs"),
        Binding("slash", "search", "Search", key_display="/", id="rollout.search", tooltip="Search the log"),
        Binding(
            "left_square_bracket",
            "other(-1)",
            "Older",
            key_display="[",
            show=False,
            id="rollout.older",
            tooltip="The transaction before",
        ),
        Binding(
            "right_square_bracket",
            "other(1)",
            "Newer",
            key_display="]",
            show=False,
            id="rollout.newer",
            tooltip="The transaction after",
        ),
        Binding("p", "phases", "Phases", id="rollout.phases", tooltip="Every phase: done, at work, to come"),
        Binding("l", "log", "Log", show=False, id="rollout.log", tooltip="Give the log the whole screen, or half"),
        Binding("escape", "leave", "Back", show=False, id="rollout.leave", tooltip="Leave the search"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.state = RolloutState()
        self.tail: JournalTail | None = None
        self.pinned: str | None = None  # a transaction chosen by hand
        self.cluster = ""
        self._slow = 0
        self.usual: dict[str, float] = {}  # phase -> seconds in the transaction before
        self.asked: list[str] = []

    def body(self) -> ComposeResult:
        """Yield the panes."""
        yield Note(id="rollout-head")
        yield NodeTable(id="nodes")
        yield LogView(id="phases")
        yield Input(placeholder="search the log", id="search", compact=True)
        yield LogView(id="log")

    def on_mount(self) -> None:
        """Follow from now on."""
        super().on_mount()
        self.query_one(NodeTable).focus()
        self.set_interval(TICK_S, self.tick)

    def show(self, checked: Checked | None) -> None:
        """Find the cluster whose transactions are shown: the bundle's, else the plan's."""
        try:
            self.cluster = reader.read(self.planner.bundle).cluster
        except ProblemError:
            self.cluster = checked.loaded.plan.name if checked and checked.loaded else ""
        self.tick()

    def tick(self) -> None:
        """Take what has come, and draw once however much it was."""
        if not self.is_current or not self.cluster:
            self._head()
            return
        known = journals(self.root, self.cluster)
        chosen = next((p for p in known if p.stem == self.pinned), known[-1] if known else None)
        if chosen is not None and (self.tail is None or self.tail.path != chosen):
            self.tail, self.state = JournalTail(chosen), RolloutState()
            self.usual = _usual(known[: known.index(chosen)])
        records = self.tail.read() if self.tail else []
        for record in records:
            self.state.take(record)
        now = time.time()
        if records:
            self.asked = []
            self.query_one(NodeTable).fill(self.state, now)
            self.log_view.fill(list(self.state.log), self.state.widest)
            self._show_phases()
        self._slow = (self._slow + 1) % 10
        if self._slow == 0:
            self.query_one(NodeTable).tick(now, list(self.state.nodes)[:VISIBLE])
        if records or self._slow == 0:
            self._head()
            self.refresh_command()

    def _head(self) -> None:
        head = self.query_one("#rollout-head", Note)
        state = self.state
        if not state.transaction:
            where = f"cluster {self.cluster}: no transaction yet" if self.cluster else "no bundle and no plan"
            head.text = f"{where}; A applies {self.planner.bundle}, t tries it\n"
            return
        back = f"! rolling back: {state.reverting}" if state.reverting else self._counts()
        head.text = f"{state.verb} {state.transaction} on {state.cluster}: {self._stands(state)}\n{back}"
        self.set_class(state.awaiting, "-awaiting")

    def _stands(self, state: RolloutState) -> str:
        """Return in words how the transaction stands."""
        pid = self.working() if state.running else None
        if state.awaiting:
            left = state.left(time.time())
            if not left:
                return "not confirmed in time: every node rolls back by itself (s shows status)"
            return f"verified, {minutes(left)} left to confirm: C keeps it, U or no answer rolls back"
        if state.outcome is not None:
            return f"{state.outcome} (exit {state.exit_code})"
        if pid is not None:
            return f"running, {self._where(state)}; controller is process {pid}"
        return "its controller is gone: nodes roll back by their own timers (s shows status, r resumes)"

    def _where(self, state: RolloutState) -> str:
        """Return how far it is, how long the rest takes at about, and what comes next."""
        planned = state.plan()
        number, count = phase_line.position(planned, state.phase)
        left = phase_line.estimate(planned, state.phase, state.took, self.usual)
        rest = phase_line.what_next(planned, state.phase)
        words = f"phase {state.phase or '-'} ({number} of {count})" if number else f"phase {state.phase or '-'}"
        return (
            words + (f", about {minutes(left)} left" if left is not None else "") + (f"; next {rest}" if rest else "")
        )

    def _show_phases(self) -> None:
        state, pane = self.state, self.query_one("#phases", LogView)
        pane.follow = False
        pane.fill(phase_line.lines(state.plan(), state.phase, state.took, frozenset(state.failed)))

    @property
    def log_view(self) -> LogView:
        """Return the log."""
        return self.query_one("#log", LogView)

    def action_phases(self) -> None:
        """Show the phases in place of the nodes, or the nodes again."""
        self.toggle_class("-phases")
        self._show_phases()
        (self.query_one("#phases") if self.has_class("-phases") else self.query_one(NodeTable)).focus()

    def _counts(self) -> str:
        words = [node.word for node in self.state.nodes.values()]
        said = ", ".join(f"{words.count(w)} {w}" for w in WORDS if w in words)
        return f"{counted(len(words), 'node')}: {said}; {counted(self.state.taken, 'event')}"

    # looking

    @work(thread=True, exclusive=True, group="status")
    def action_status(self) -> None:
        """Ask every node; the answer takes the place of the log."""
        self.app.call_from_thread(self._say, ["asking every node ..."])
        child = processes.module("netplan", "status", "--json", str(self.planner.bundle), *self.state_option)
        text = "\n".join(child.lines())
        code, said = child.end()
        try:
            document = json.loads(text)
        except ValueError:
            self.app.call_from_thread(self._say, [printable(line) for line in said.splitlines()] or [f"exit {code}"])
            return
        out = [f"{e['code']}: {e['message']}" for e in document["errors"]]
        for name, node in ((document.get("result") or {}).get("nodes") or {}).items():
            out += status_lines(name, node)
        if document.get("result"):
            out.insert(0, f"{document['result']['to_change']} to change")
        self.app.call_from_thread(self._say, [printable(line) for line in out])

    def _say(self, lines: list[str]) -> None:
        self.asked = lines
        log = self.log_view
        log.follow = False
        log.fill(lines)
        log.scroll_home(animate=False)
        self.refresh_command()

    def action_other(self, step: int) -> None:
        """Show the transaction before or after."""
        known = [p.stem for p in journals(self.root, self.cluster)] if self.cluster else []
        if not known:
            return
        at = known.index(self.tail.transaction) if self.tail and self.tail.transaction in known else len(known) - 1
        self.pin(known[min(max(at + step, 0), len(known) - 1)])

    def pin(self, transaction: str) -> None:
        """Show this transaction until a newer one is started from here; the newest is followed."""
        known = journals(self.root, self.cluster)
        self.pinned = None if known and transaction == known[-1].stem else transaction
        self.log_view.follow = True
        self.tail = None
        self.tick()

    @on(Sortable.Reordered)
    def _reordered(self) -> None:
        self.query_one(NodeTable).again(time.time())

    @on(DataTable.RowSelected)
    def _down(self) -> None:
        """Show the host under the cursor."""
        name = self.query_one(NodeTable).chosen()
        if name is not None:
            self.planner.show_node(name)

    def action_search(self) -> None:
        """Type what to search for."""
        self.add_class("-searching")
        self.query_one("#search").focus()

    @on(Input.Changed, "#search")
    def _searched(self, event: Input.Changed) -> None:
        self.log_view.search(event.value)

    @on(Input.Submitted, "#search")
    def action_leave(self) -> None:
        """Go back to the log."""
        self.remove_class("-searching")
        self.log_view.focus()

    def action_log(self) -> None:
        """Give the log the whole screen, or half of it."""
        self.toggle_class("-log")

    def command_line(self) -> str:
        """Return the command line that tells the same: of the transaction, or of the nodes when they were asked."""
        if self.state.transaction and not self.asked:
            return processes.shown(["show", self.state.transaction, *self.state_option])
        return processes.shown(["status", str(self.planner.bundle), *self.state_option])

    def command_remark(self) -> str:
        """The journal does not depend on what is saved."""
        return ""


def _usual(before: list[Path]) -> dict[str, float]:
    """Return the seconds of each phase of the transaction before; nothing where its journal is long."""
    if not before or before[-1].stat().st_size > SHORT:
        return {}
    state = RolloutState()
    tail = JournalTail(before[-1])
    while records := tail.read():
        for record in records:
            state.take(record)
    return state.took
