"""Below the overview and the rollout: one host and its pairs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from netplan.model.node import Node
from netplan.plan.types import Plan
from netplan.problems import counted
from netplan.rollout.record.journal import ClusterState, state_root
from netplan.rollout.record.seen import Look, last_look
from tui.draw.ages import ago
from tui.plan.check import Checked
from tui.run import processes
from tui.screens.base import PlannerScreen
from tui.widgets.note import Note
from tui.widgets.peer_table import PeerTable
from tui.widgets.sortable import Sortable
from tui.widgets.title_bar import TABS


class NodeScreen(PlannerScreen):
    """What the host is in the plan, what it answered last, and a row a peer. Enter shows a pair, Esc goes back."""

    CSS_PATH = Path(__file__).with_name("node.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "pair", "Pair", id="node.pair", tooltip="The pair with the host under the cursor (Enter)"),
    ]

    def __init__(self, host: str, mode: str) -> None:
        super().__init__()
        self.host, self.mode = host, mode

    def body(self) -> ComposeResult:
        """Yield the panes."""
        yield Note(id="node-head")
        yield PeerTable(id="peers")

    def on_mount(self) -> None:
        """Start on the peers."""
        super().on_mount()
        self.query_one(PeerTable).focus()

    def crumbs(self) -> list[str]:
        """Return where Esc leads."""
        return [*super().crumbs(), TABS[self.mode]]

    def show(self, checked: Checked | None) -> None:
        """Show the host."""
        plan = checked.plan if checked else None
        node = next((n for n in plan.nodes if n.name == self.host), None) if plan else None
        head = self.query_one("#node-head", Note)
        if plan is None or node is None:
            head.text = f"{self.host} is no host of the plan"
            return
        look = last_look(ClusterState(state_root(self.planner.state_dir), plan.file.name, reading=True).folder)
        head.text = "\n".join([f"{TABS[self.mode]} › {self.host}", *_about(plan, node, look)])
        self.query_one(PeerTable).fill(plan, node, look, self.planner.measured)

    @on(Sortable.Reordered)
    def _reordered(self) -> None:
        self.show(self.planner.desk.checked)

    @on(DataTable.RowSelected)
    def action_pair(self) -> None:
        """Show the pair under the cursor."""
        peer = self.query_one(PeerTable).chosen()
        if peer is not None:
            self.planner.show_pair(self.host, peer.name)

    def command_line(self) -> str:
        """Return the command line that prints the host's state."""
        state = ["--state-dir", self.planner.state_dir] if self.planner.state_dir else []
        return processes.shown(["status", str(self.planner.bundle), *state])


def _about(plan: Plan, node: Node, look: Look | None) -> list[str]:
    nat = ", behind NAT" if node.nat else ""
    first = f"{node.address}, link {node.link_mtu}, pods {node.pod_cidr or '-'}{nat}; pod MTU {plan.pod_mtu}"
    seen = look.nodes.get(node.name) if look else None
    if look is None or seen is None:
        return [first, "never asked: `s` on the overview asks every node"]

    days = "" if seen.days_left is None else f", certificate {counted(round(seen.days_left), 'day')}"
    differs = f"; differs: {seen.differs[0]}" if seen.differs else ""
    return [first, f"{seen.state}, guard {seen.guard}{days}, asked {ago(time.time() - look.at)}{differs}"]
