"""Screen 5: a transaction as it goes, from its journal; the controller is a process that needs no planner."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input
from textual.worker import get_current_worker

from netplan import bundle
from netplan.cli.status import lines as status_lines
from netplan.problems import ProblemError, printable
from netplan.rollout.journal import state_root
from tui import processes
from tui.check import Checked
from tui.journal_tail import JournalTail, controller, folder, journals
from tui.rollout_state import RolloutState
from tui.screens.ask import AskScreen
from tui.screens.base import PlannerScreen
from tui.widgets.log_view import LogView
from tui.widgets.node_table import NodeTable
from tui.widgets.note import Note

TICK_S = 0.1
TIMER_S = 180
VISIBLE = 60  # rows whose clocks are kept up to date each second


class RolloutScreen(PlannerScreen):
    """Nodes above, log below; follows the newest transaction of the bundle's cluster."""

    MODE = "rollout"
    CSS_PATH = Path(__file__).with_name("rollout.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("A", "apply", "Apply", id="rollout.apply", tooltip="Apply the bundle, with each node's revert timer"),
        Binding("U", "revert", "Revert", id="rollout.revert", tooltip="Take it back on every node"),
        Binding("s", "status", "Status", id="rollout.status", tooltip="What every node has now, and how it differs"),
        Binding("slash", "search", "Search", key_display="/", id="rollout.search", tooltip="Search the log"),
        Binding("left_square_bracket", "other(-1)", "Older", key_display="[", id="rollout.older",
                tooltip="The transaction before"),
        Binding("right_square_bracket", "other(1)", "Newer", key_display="]", id="rollout.newer",
                tooltip="The transaction after"),
        Binding("l", "log", "Log", show=False, id="rollout.log", tooltip="Give the log the whole screen, or half"),
        Binding("escape", "leave", "Back", show=False, id="rollout.leave", tooltip="Leave the search"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.state = RolloutState()
        self.tail: JournalTail | None = None
        self.pinned: str | None = None  # a transaction chosen by hand
        self.cluster = ""
        self.timer_s: int | None = None
        self._slow = 0
        self.asked: list[str] = []

    def body(self) -> ComposeResult:
        """Yield the panes."""
        yield Note(id="rollout-head")
        yield NodeTable(id="nodes")
        yield Input(placeholder="search the log", id="search", compact=True)
        yield LogView(id="log")

    def on_mount(self) -> None:
        """Follow from now on."""
        super().on_mount()
        self.query_one(NodeTable).focus()
        self.set_interval(TICK_S, self.tick)

    @property
    def root(self) -> Path:
        """Return the state directory."""
        return state_root(self.planner.state_dir)

    def show(self, checked: Checked | None) -> None:
        """Find the cluster whose transactions are shown: the bundle's, else the plan's."""
        try:
            self.cluster = bundle.read(self.planner.bundle).cluster
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
            self.tail, self.state = JournalTail(chosen), RolloutState(self.timer_s)
        records = self.tail.read() if self.tail else []
        for record in records:
            self.state.take(record)
        now = time.time()
        if records:
            self.query_one(NodeTable).fill(self.state, now)
            self.query_one(LogView).fill(list(self.state.log), self.state.widest)
        self._slow = (self._slow + 1) % 10
        if self._slow == 0:
            self.query_one(NodeTable).tick(now, list(self.state.nodes)[:VISIBLE])
        if records or self._slow == 0:
            self._head()

    def _head(self) -> None:
        head = self.query_one("#rollout-head", Note)
        state = self.state
        if not state.transaction:
            where = f"cluster {self.cluster}: no transaction yet" if self.cluster else "no bundle and no plan"
            head.text = f"{where}; A applies {self.planner.bundle}\n"
            return
        pid = controller(self.root, self.cluster) if state.running else None
        if state.outcome is not None:
            stands = f"{state.outcome} (exit {state.exit_code})"
        elif pid is not None:
            stands = f"running, phase {state.phase or '-'}; controller is process {pid}"
        else:
            stands = "its controller is gone: nodes revert by their own timers (s asks them)"
        back = f"! taking it back: {state.reverting}" if state.reverting else self._counts()
        head.text = f"{state.verb} {state.transaction} on {state.cluster}: {stands}\n{back}"

    def _counts(self) -> str:
        words = [node.word for node in self.state.nodes.values()]
        said = ", ".join(f"{words.count(w)} {w}" for w in ("ok", "working", "waiting", "FAILED") if w in words)
        return f"{len(words)} nodes: {said}; {self.state.taken} events"

    # what changes nodes

    def action_apply(self) -> None:
        """Apply the bundle, after asking."""
        if self._may_not():
            return
        try:
            found = bundle.read(self.planner.bundle)
        except ProblemError as error:
            self.planner.complain(error)
            return
        question = (
            f"Apply {self.planner.bundle} ({found.digest[:16]}) to {len(found.nodes)} nodes of {found.cluster}?\n"
            f"Each node takes itself back within {TIMER_S} s of the last word it hears, unless all is proven."
        )
        self.app.push_screen(AskScreen(question, "apply"), self._apply)

    def _may_not(self) -> bool:
        if self.planner.desk.readonly:
            self.notify("started with --readonly", severity="warning")
            return True
        return False

    def _apply(self, agreed: bool | None) -> None:
        if agreed:
            self.timer_s = TIMER_S
            self._start(["apply", str(self.planner.bundle), "--yes", "--timer", str(TIMER_S)])

    def action_revert(self) -> None:
        """Stop a running transaction, or take the bundle back; after asking."""
        if self._may_not():
            return
        pid = controller(self.root, self.cluster) if self.cluster else None
        if pid is not None:
            self.app.push_screen(AskScreen("Stop after this phase and take it back on every node?", "stop"), self._stop)
        else:
            question = "Take everything back on every node? Overlay packets go in CLEAR afterwards."
            self.app.push_screen(AskScreen(question, "revert"), self._revert)

    def _stop(self, agreed: bool | None) -> None:
        pid = controller(self.root, self.cluster)
        if agreed and pid is not None:
            processes.stop(pid)
            self.notify("stopping after this phase, then taking it back", timeout=4)

    def _revert(self, agreed: bool | None) -> None:
        if agreed:
            self._start(["revert", str(self.planner.bundle), "--yes"])

    def _start(self, verb: list[str]) -> None:
        self.pinned = None
        state = ["--state-dir", self.planner.state_dir] if self.planner.state_dir else []
        log = folder(self.root, self.cluster) / "planner.log"
        pid = processes.start_detached([*verb, *state], log)
        self.notify(f"process {pid}; what it says is in {log}", title=verb[0], timeout=4, markup=False)
        self._watch(log)

    @work(thread=True, exclusive=True, group="watch")
    def _watch(self, log: Path) -> None:
        """Say so when a controller ends before its journal could."""
        worker = get_current_worker()
        while not worker.is_cancelled:
            codes = processes.ended()
            if codes:
                last = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-2:]
                severity = "information" if codes[-1] == 0 else "error"
                text = printable(" ".join(last)) or f"exit {codes[-1]}"
                self.app.call_from_thread(self.notify, text, title=f"exit {codes[-1]}", severity=severity, markup=False)
                return
            time.sleep(0.2)

    # looking

    @work(thread=True, exclusive=True, group="status")
    def action_status(self) -> None:
        """Ask every node; the answer takes the place of the log."""
        state = ["--state-dir", self.planner.state_dir] if self.planner.state_dir else []
        self.app.call_from_thread(self._say, ["asking every node ..."])
        child = processes.module("netplan", "status", "--json", str(self.planner.bundle), *state)
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
        log = self.query_one(LogView)
        log.follow = False
        log.fill(lines)
        log.scroll_home(animate=False)

    def action_other(self, step: int) -> None:
        """Show the transaction before or after."""
        known = [p.stem for p in journals(self.root, self.cluster)] if self.cluster else []
        if not known:
            return
        at = known.index(self.tail.transaction) if self.tail and self.tail.transaction in known else len(known) - 1
        chosen = known[min(max(at + step, 0), len(known) - 1)]
        self.pinned = None if chosen == known[-1] else chosen
        self.query_one(LogView).follow = True
        self.tail = None
        self.tick()

    def action_search(self) -> None:
        """Type what to search for."""
        self.add_class("-searching")
        self.query_one("#search").focus()

    @on(Input.Changed, "#search")
    def _searched(self, event: Input.Changed) -> None:
        self.query_one(LogView).search(event.value)

    @on(Input.Submitted, "#search")
    def action_leave(self) -> None:
        """Go back to the log."""
        self.remove_class("-searching")
        self.query_one(LogView).focus()

    def action_log(self) -> None:
        """Give the log the whole screen, or half of it."""
        self.toggle_class("-log")

    def command_line(self) -> str:
        """Return the command line that asks the nodes the same."""
        state = ["--state-dir", self.planner.state_dir] if self.planner.state_dir else []
        return processes.shown(["status", str(self.planner.bundle), *state])

    def command_remark(self) -> str:
        """The journal does not depend on what is saved."""
        return ""
