"""Screen 0: plan, bundle and cluster at a glance, and the next step. Asks a node only when the user wants it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widgets import DataTable
from textual.worker import get_current_worker

from netplan.problems import counted, errors, printable
from netplan.rollout.record.journal import state_root
from netplan.rollout.record.seen import Look, look_of
from tui.draw import overview
from tui.draw.picture import Gatherer, Picture
from tui.plan.check import Checked
from tui.plan.session import Desk
from tui.run import processes
from tui.screens.base import PlannerScreen
from tui.widgets.fact_table import Fact, FactTable
from tui.widgets.look_table import LookTable
from tui.widgets.note import Note
from tui.widgets.sortable import Sortable
from tui.widgets.title_bar import TABS

TICK_S = 2.0  # between two looks at the files of this machine
ASK_S = 60.0  # between two questions to the nodes, once the user has asked for the first


class OverviewScreen(PlannerScreen):
    """Facts above, the next step between, the nodes' last answers below."""

    MODE = "overview"
    CSS_PATH = Path(__file__).with_name("overview.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "next", "Next step", id="overview.next", tooltip="Go to the next step; it asks before a change"),
        Binding(
            "s", "status", "Ask nodes", id="overview.status", tooltip="Ask every node now and each minute, or stop"
        ),
        Binding("p", "pairs", "Pairs", id="overview.pairs", tooltip="The pairs of the node under the cursor"),
        Binding("escape", "leave", "Back", show=False, id="overview.leave", tooltip="Back to the facts"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.picture: Picture | None = None
        self.asked = ""  # what came of the last question, in words
        self._gatherer = Gatherer()
        self._gathering = self._once_more = False
        self._again: Timer | None = None
        self._child: processes.Child | None = None
        self._look: Look | None = None  # what the nodes answered to us; not every state directory can keep it

    def body(self) -> ComposeResult:
        """Yield the panes."""
        yield Note(id="overview-head")
        yield FactTable(id="facts")
        yield Note(id="next")
        yield LookTable(id="looks")

    def on_mount(self) -> None:
        """Start on the facts, and look again and again at what lies on this machine."""
        super().on_mount()
        self.query_one(FactTable).focus()
        self.set_interval(TICK_S, self.tick)

    def on_unmount(self) -> None:
        """Leave nothing running."""
        if self._child is not None:
            self._child.cancel()

    def show(self, checked: Checked | None) -> None:  # noqa: ARG002 - the worker takes what is checked when it runs
        """Gather and show."""
        self.gather()

    def tick(self) -> None:
        """Gather again while somebody looks."""
        if self.is_current:
            self.gather()

    def gather(self) -> None:
        """Gather now; once more afterwards when something has changed meanwhile."""
        if self._gathering:
            self._once_more = True
        else:
            self._gathering = True
            self._gather()

    @work(thread=True, group="overview")
    def _gather(self) -> None:
        worker, desk = get_current_worker(), self.planner.desk
        loaded = desk.saved.loaded if desk.saved else None
        root = state_root(self.planner.state_dir)
        plan, inventory = (loaded.plan, desk.saved.inventory) if loaded and desk.saved else (None, None)
        found = self._gatherer.gather(self.planner.bundle, root, plan, desk.path, self._look, inventory)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._arrived, found)

    def _arrived(self, found: Picture) -> None:
        self._gathering = False
        self._gathered(found)
        if self._once_more:
            self._once_more = False
            self.gather()

    def _gathered(self, found: Picture) -> None:
        self.picture = found
        desk = self.planner.desk
        rows = overview.facts(found, _plan_words(desk))
        self.query_one(FactTable).fill([Fact(*row) for row in rows])
        names = list(found.names.values())
        look = found.standing.look
        if look is not None and look.nodes.keys() - set(names):
            names = list(dict.fromkeys([*names, *look.nodes]))
        self.query_one(LookTable).fill(names, look)
        self.query_one("#overview-head", Note).text = self._head(found)
        step = self.next
        self.query_one("#next", Note).text = "\n".join(_next_words(step)) if step else ""
        self.refresh_command()

    def _head(self, found: Picture) -> str:
        now = found.standing
        same = not found.unlike and not found.wrong and self.planner.desk.path is not None
        plan = "plan = bundle" if same else "plan ? bundle" if found.wrong else "plan ! bundle"
        known = now.look is not None and now.look.digest == now.digest
        calm = now.applied and known and not now.drifted and not (now.look and now.look.silent)
        cluster = "= cluster" if calm else "? cluster" if now.applied and not known else "! cluster"
        asks = f"asking each {ASK_S:.0f} s" if self._again is not None else "asks no node until s"
        if self._child is not None:
            asks = "asking every node ..."
        return f"{now.cluster or 'no cluster'}: {plan} {cluster};  {self.asked or asks}"

    @property
    def next(self) -> overview.Next | None:
        """Return the next step; None until something is known."""
        if self.picture is None:
            return None
        desk = self.planner.desk
        broken = len(errors(desk.checked.problems)) if desk.checked and not desk.checked.plan else 0
        state = ["--state-dir", self.planner.state_dir] if self.planner.state_dir else []
        return overview.next_of(
            self.picture, plan=desk.path, bundle=self.planner.bundle, state=state, broken=broken, dirty=desk.dirty
        )

    def action_next(self) -> None:
        """Do the next step: its screen asks before anything is changed."""
        step = self.next
        if step is None:
            return
        mode, action, _ = overview.ACTS[step.act]
        if step.act == "save":
            self.planner.action_save()
        elif mode in ("", self.MODE):
            getattr(self, f"action_{action}")() if action else self.notify(step.shown, title="In a shell", markup=False)
        else:
            self.planner.go(mode, action)

    # asking

    def action_status(self) -> None:
        """Ask every node now and again each minute; or stop that."""
        if self._again is not None or self._child is not None:
            self._stop_asking()
            self.asked = ""
        else:
            self._again = self.set_interval(ASK_S, self._ask)
            self._ask()
        self.gather()

    def _stop_asking(self) -> None:
        if self._again is not None:
            self._again.stop()
            self._again = None
        if self._child is not None:
            self._child.cancel()

    def _ask(self) -> None:
        if self._child is not None or not self.is_current:
            return
        state = ["--state-dir", self.planner.state_dir] if self.planner.state_dir else []
        self._child = processes.module("netplan", "status", "--json", str(self.planner.bundle), *state)
        self._answer(self._child)

    @work(thread=True, exclusive=True, group="ask")
    def _answer(self, child: processes.Child) -> None:
        worker = get_current_worker()
        text = "\n".join(child.lines())
        code, said = child.end()
        if not worker.is_cancelled:
            self.app.call_from_thread(self._answered, text, code, said)

    def _answered(self, text: str, code: int, said: str) -> None:
        """Show what came; the verb itself has kept the answers where the state directory can be written."""
        self._child = None
        try:
            document: dict[str, Any] = json.loads(text)
            told = [f"{p['code']}: {p['message']}" for p in document["errors"]]
            self._keep(document.get("result") or {})
        except (ValueError, KeyError, TypeError):
            told = said.splitlines()[-1:] or [f"exit {code}"]
        answered = bool(self.picture) and code in (0, 4)
        self.asked = "" if answered else printable(told[0] if told else f"exit {code}")
        self.gather()

    def _keep(self, result: dict[str, Any]) -> None:
        if self.picture is None or not result.get("nodes"):
            return
        names = self.picture.names
        found = {i: result["nodes"][name] for i, name in names.items() if name in result["nodes"]}
        self._look = look_of(found, names, self.picture.standing.digest, time.time())

    # drilling down

    @on(DataTable.RowSelected, "#facts")
    def _fact_selected(self) -> None:
        fact = self.query_one(FactTable).chosen()
        if fact is not None and fact.leads == "nodes":
            self.query_one(LookTable).focus()
        elif fact is not None and fact.leads:
            self.planner.go(fact.leads)

    @on(DataTable.RowSelected, "#looks")
    def action_pairs(self) -> None:
        """Show the pairs of a node."""
        name = self.query_one(LookTable).chosen()
        if name is not None:
            self.planner.show_node(name)

    @on(Sortable.Reordered, "#looks")
    def _reordered(self) -> None:
        if self.picture is not None:
            self._gathered(self.picture)

    def inside(self) -> bool:
        """Tell whether there is something that Esc leaves first: the table of nodes."""
        return isinstance(self.focused, LookTable) or super().inside()

    def action_leave(self) -> None:
        """Back to the facts."""
        self.query_one(FactTable).focus()

    def command_line(self) -> str:
        """Return the command line of the next step."""
        step = self.next
        return step.shown if step else processes.shown(["status", str(self.planner.bundle)])

    def command_remark(self) -> str:
        """Say that the line is a proposal."""
        return "next step"


def _next_words(step: overview.Next) -> list[str]:
    """Return the next step as two lines: why, and the keys and the command line that do it."""
    if step.act == "nothing":
        return [f"next: nothing: {step.why}", f"      $ {step.shown}"]
    mode, _, key = overview.ACTS[step.act]
    tabs = list(TABS)
    place = f"{tabs.index(mode)} " if mode not in ("", OverviewScreen.MODE) and not key.isdigit() else ""
    keys = f"n, or {place}{key}:  " if key else "in a shell:  "
    return [f"next: {step.why}", f"      {keys}$ {step.shown}"]


def _plan_words(desk: Desk) -> tuple[str, str]:
    """Return mark and words of the open plan."""
    checked, path = desk.checked, desk.path
    if path is None or checked is None:
        return "?", "no plan is open"
    if checked.waiting:
        return "?", f"{path}: reading the inventory ..."
    found = errors(checked.problems)
    if checked.plan is None:
        return "x", f"{path}: {counted(len(found), 'error')}: {found[0].message if found else ''}"
    limiting = checked.plan.limiting
    pairs = sum(c.pairs for c in checked.plan.classes)
    words = f"pod MTU {checked.plan.pod_mtu}, {limiting.worst.proposal.text}, "
    words += f"{counted(len(checked.plan.nodes), 'node')}, {counted(pairs, 'pair')}"
    return "ok", f"{'unsaved changes; ' if desk.dirty else ''}{words}; {path}"
