"""The end of every way down: one pair of hosts. Plan and last proof at once; SAs, counters and charon when asked."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.worker import get_current_worker

from netplan.cli.status import close_lines
from netplan.model.node import Node
from netplan.plan.types import Plan
from netplan.problems import printable
from tui.plan.check import Checked
from tui.run import processes
from tui.screens.base import PlannerScreen
from tui.widgets.log_view import LogView
from tui.widgets.note import Note
from tui.widgets.title_bar import TABS


class PairScreen(PlannerScreen):
    """Path and proof above, what the two nodes say below. Nothing is asked before ``s`` is pressed."""

    CSS_PATH = Path(__file__).with_name("pair.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "ask", "Ask both", id="pair.ask", tooltip="SAs, counters, route and charon's words of both nodes"),
        Binding("c", "calculate", "Calculate", id="pair.calculate", tooltip="This pair's packet in the calculator"),
    ]

    def __init__(self, one: str, other: str, mode: str) -> None:
        super().__init__()
        self.ends, self.mode = (one, other), mode
        self.said: list[str] = []
        self._child: processes.Child | None = None

    def body(self) -> ComposeResult:
        """Yield the panes."""
        yield Note(id="pair-head")
        yield Note(id="pair-path")
        yield LogView(id="near")

    def on_mount(self) -> None:
        """Start on what the nodes say."""
        self.query_one(LogView).follow = False
        super().on_mount()
        self.query_one(LogView).focus()
        self._tell(["s asks both nodes: SAs, counters, route, charon's last words"])

    def on_unmount(self) -> None:
        """Leave nothing running."""
        if self._child is not None:
            self._child.cancel()

    def crumbs(self) -> list[str]:
        """Return where Esc leads."""
        above = [self.ends[0]] if len(self.app.screen_stack) > 2 else []
        return [*super().crumbs(), TABS[self.mode], *above]

    def show(self, checked: Checked | None) -> None:
        """Show what plan and last proof say of the pair."""
        self.query_one("#pair-head", Note).text = f"{' › '.join(self.crumbs())} › {' - '.join(self.ends)}"
        plan = checked.plan if checked else None
        nodes = self._both(plan)
        lines = _path(plan, *nodes) if plan and nodes else ["the plan has errors (screen 2)"]
        found = [self.planner.measured.get(pair) for pair in (self.ends, self.ends[::-1])]
        lines += [f"proof {'=' if seen['ok'] else 'x'} {seen['line']}" for seen in found if seen]
        if not any(found):
            lines.append("proof ? not measured: v on the screen Verify measures")
        self.query_one("#pair-path", Note).text = "\n".join(lines)

    def _both(self, plan: Plan | None) -> tuple[Node, Node] | None:
        known = {node.name: node for node in plan.nodes} if plan else {}
        one, other = (known.get(name) for name in self.ends)
        return (one, other) if one and other else None

    def _tell(self, lines: list[str]) -> None:
        self.said = [printable(line) for line in lines]
        self._wrap()
        self.query_one(LogView).scroll_home(animate=False)

    def on_resize(self) -> None:
        """Wrap anew."""
        self._wrap()

    def _wrap(self) -> None:
        """Show what was said in lines as wide as the pane: the end of a line of charon's is what it is read for."""
        log = self.query_one(LogView)
        width = max(log.outer_size.width - 3, 40)  # its padding, and the scrollbar that many lines get
        log.fill([part for line in self.said for part in _wrapped(line, width)])

    def action_ask(self) -> None:
        """Ask the two nodes, and no other."""
        if self._child is not None:
            return
        self._tell(["asking both nodes ..."])
        self._child = processes.module("netplan", *self._argv(), "--json")
        self._answer(self._child)

    @work(thread=True, exclusive=True, group="pair")
    def _answer(self, child: processes.Child) -> None:
        worker = get_current_worker()
        text = "\n".join(child.lines())
        code, said = child.end()
        if not worker.is_cancelled:
            self.app.call_from_thread(self._answered, text, code, said)

    def _answered(self, text: str, code: int, said: str) -> None:
        self._child = None
        try:
            document: dict[str, Any] = json.loads(text)
            lines = [f"{p['code']}: {p['message']}" for p in document["errors"]]
            ends = (document.get("result") or {}).get("ends", {})
            lines += [line for name, rows in ends.items() for row in rows for line in close_lines(name, row)]
        except (ValueError, KeyError, TypeError):
            lines = said.splitlines() or [f"exit {code}"]
        self._tell(lines)

    def action_calculate(self) -> None:
        """Show the packet of this pair."""
        checked = self.planner.desk.checked
        nodes = self._both(checked.plan if checked else None)
        if checked and checked.plan and nodes:
            found = checked.plan.class_of(*nodes)
            self.app.pop_screen()
            self.planner.trail.append(self.mode)
            self.planner.calculate(found.worst.solution.stack.text, found.link_mtu)

    def _argv(self) -> list[str]:
        state = ["--state-dir", self.planner.state_dir] if self.planner.state_dir else []
        return ["status", "--pair", *self.ends, *state, str(self.planner.bundle)]

    def command_line(self) -> str:
        """Return the command line that asks the same."""
        return processes.shown(self._argv())


def _wrapped(line: str, width: int) -> list[str]:
    """Return a line in pieces, those behind the first set in below its words."""
    within = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(line, width, subsequent_indent=within, drop_whitespace=True, break_on_hyphens=False) or [""]


def _path(plan: Plan, one: Node, other: Node) -> list[str]:
    found = plan.class_of(one, other)
    if not found.protected:
        return [f"class {found.name}: left out by the topology, packets go in clear"]
    nat = ", UDP encapsulation (NAT)" if found.nat_t else ""
    return [
        f"{one.name} {one.address} link {one.link_mtu}  -  {other.name} {other.address} link {other.link_mtu}",
        f"class {found.name}: path {found.link_mtu} set by {found.limited_by}{nat}; "
        f"{plan.pair(one, other).initiator.name} initiates",
        f"inner MTU {found.inner_mtu} with {found.worst.proposal.text}; a full pod packet of {plan.pod_mtu} leaves as "
        f"{plan.outer_packet(found)}",
        f"packet {found.worst.solution.stack.text}",
    ]
