"""Screen 3: who reaches whom with which inner MTU, and why."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Input

from netplan.model.node import Node
from netplan.plan.classes import PairClass
from netplan.plan.types import Plan
from netplan.problems import counted
from tui.draw import host_groups
from tui.plan.check import Checked
from tui.screens.base import PlannerScreen
from tui.widgets.class_table import ClassTable
from tui.widgets.heat_map import HeatMap
from tui.widgets.note import Note
from tui.widgets.outlier_table import OutlierTable
from tui.widgets.sortable import Sortable

OUTLIERS_SHOWN = 200


class PairsScreen(PlannerScreen):
    """A map of hosts up to 24; beyond, zones and the pairs that stand out."""

    MODE = "pairs"
    CSS_PATH = Path(__file__).with_name("pairs.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("z", "zones", "Zones", id="pairs.zones", tooltip="Zones of alike hosts, or hosts"),
        Binding("o", "outliers", "Outliers", id="pairs.outliers", tooltip="Pairs that are not like most"),
        Binding("m", "measured", "Measured", id="pairs.measured", tooltip="Mark what the last verify measured"),
        Binding("slash", "filter", "Filter", key_display="/", id="pairs.filter", tooltip="Hosts with these letters"),
        Binding("c", "calculate", "Calculate", id="pairs.calculate", tooltip="This pair's packet in the calculator"),
        Binding(
            "t", "traffic", "Traffic", show=False, id="pairs.traffic", tooltip="What pairs send each other now (top)"
        ),
        Binding("escape", "leave", "Back", show=False, id="pairs.leave", tooltip="Leave the filter"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.by_zone: bool | None = None
        self.show_measured = True
        self.pair_class: PairClass | None = None
        self.pair: tuple[Node, Node] | None = None

    def body(self) -> ComposeResult:
        """Yield the panes."""
        yield Input(placeholder="hosts with these letters", id="filter", compact=True)
        yield Note(id="legend")
        with Horizontal(id="pairs-body"):
            with Vertical(id="map-side"):
                yield HeatMap(id="map")
                yield OutlierTable(id="outliers")
            yield ClassTable(id="classes")
        yield Note(id="pair")

    def on_mount(self) -> None:
        """Start on the map."""
        super().on_mount()
        self.query_one(HeatMap).focus()

    def show(self, checked: Checked | None) -> None:
        """Show the plan's pairs."""
        plan = checked.plan if checked else None
        legend = self.query_one("#legend", Note)
        if plan is None:
            legend.text = "no plan with numbers is open" if checked is None else "the plan has errors (screen 2)"
            return
        text = self.query_one("#filter", Input).value.strip().lower()
        nodes = tuple(n for n in plan.nodes if text in n.name.lower())
        by_zone = (
            len(nodes) > host_groups.MANY if self.by_zone is None else self.by_zone or len(nodes) > host_groups.MANY
        )
        ends = host_groups.zones(plan) if by_zone else tuple(host_groups.Zone(n.name, (n,), n.name) for n in nodes)
        measured = self.planner.measured if self.show_measured else {}
        self.query_one(HeatMap).fill(plan, ends, measured)
        self.query_one(ClassTable).fill(plan)
        if self.by_zone is None:
            self.set_class(len(plan.nodes) > host_groups.MANY, "-outliers")
        if self.has_class("-outliers"):
            wrong = host_groups.measured_wrong(plan, measured)
            known = {(a.id, b.id) for a, b, _ in wrong} | {(b.id, a.id) for a, b, _ in wrong}
            others = [
                found for found in host_groups.outliers(plan, OUTLIERS_SHOWN) if (found[0].id, found[1].id) not in known
            ]
            self.query_one(OutlierTable).fill([*wrong, *others][:OUTLIERS_SHOWN], measured)
        what = (
            f"{counted(len(ends), 'zone')} of {counted(len(plan.nodes), 'host')}"
            if by_zone
            else f"{counted(len(ends), 'host')}"
        )
        proof = "  = measured so  x not so" if measured else ""
        legend.text = f"inner MTU, {what}: ! holds the pod MTU down  · no pair{proof}"

    @on(HeatMap.Pointed)
    def _pointed(self, event: HeatMap.Pointed) -> None:
        self._describe(event.ends, event.pair, event.pair_class)

    @on(DataTable.RowHighlighted, "#outliers")
    def _outlier(self, event: DataTable.RowHighlighted) -> None:
        found = self.query_one(OutlierTable).found
        if self.query_one(OutlierTable).has_focus and event.cursor_row < len(found):
            one, other, pair_class = found[event.cursor_row]
            self._describe((one.name, other.name), (one, other), pair_class)

    def _describe(self, ends: tuple[str, str], pair: tuple[Node, Node] | None, found: PairClass | None) -> None:
        self.pair_class, self.pair = found, pair
        plan = self._plan()
        if found is None or plan is None:
            self.query_one("#pair", Note).text = f"{ends[0]}: no pair with itself\n"
            return
        nat = "UDP encapsulation (NAT)" if found.nat_t else "no NAT"
        first = f"{ends[0]} - {ends[1]}: class {found.name}, link {found.link_mtu} set by {found.limited_by}, {nat}"
        second = f"inner MTU {found.inner_mtu} with {found.worst.proposal.text}; "
        second += f"a full pod packet of {plan.pod_mtu} leaves as {plan.outer_packet(found)}"
        if pair is not None:
            second += f"; {plan.pair(*pair).initiator.name} initiates"
        self.query_one("#pair", Note).text = "\n".join([first, second, *self._measured(ends)])

    def _measured(self, ends: tuple[str, str]) -> list[str]:
        """Return what was measured of a pair of hosts, in the words of ``ipsecplan verify``."""
        found = [self.planner.measured.get(pair) for pair in (ends, ends[::-1])] if self.show_measured else []
        return [f"{'=' if seen['ok'] else 'x'} measured {seen['line']}" for seen in found if seen]

    def _plan(self) -> Plan | None:
        checked = self.planner.desk.checked
        return checked.plan if checked else None

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self.show(self.planner.desk.checked)

    @on(Input.Submitted, "#filter")
    def action_traffic(self) -> None:
        """Show what pairs send each other."""
        self.planner.show_traffic()

    def action_leave(self) -> None:
        """Go back to the map."""
        self.remove_class("-filtering")
        self.query_one(HeatMap).focus()

    def action_filter(self) -> None:
        """Type what host names must have."""
        self.add_class("-filtering")
        self.query_one("#filter").focus()

    def action_zones(self) -> None:
        """Zones or hosts."""
        plan = self._plan()
        now = self.by_zone if self.by_zone is not None else bool(plan and len(plan.nodes) > host_groups.MANY)
        self.by_zone = not now
        self.show(self.planner.desk.checked)

    def action_outliers(self) -> None:
        """Show or hide the pairs that stand out."""
        self.by_zone = bool(self.by_zone)
        self.toggle_class("-outliers")
        self.show(self.planner.desk.checked)
        (self.query_one(OutlierTable) if self.has_class("-outliers") else self.query_one(HeatMap)).focus()

    def action_measured(self) -> None:
        """Mark what was measured, or not."""
        self.show_measured = not self.show_measured
        self.show(self.planner.desk.checked)
        if not self.planner.measured:
            self.notify("nothing was measured yet: screen 6 measures", timeout=3)

    @on(Sortable.Reordered)
    def _reordered(self) -> None:
        self.show(self.planner.desk.checked)

    @on(DataTable.CellSelected, "#map")
    @on(DataTable.RowSelected, "#outliers")
    def _down(self) -> None:
        """Show the pair; between zones there are many, so their packet."""
        if self.pair is not None:
            self.planner.show_pair(self.pair[0].name, self.pair[1].name)
        else:
            self.action_calculate()

    @on(DataTable.RowSelected, "#classes")
    def _class_selected(self, event: DataTable.RowSelected) -> None:
        """Show the packet of a class."""
        plan = self._plan()
        if plan is not None and event.cursor_row < len(plan.classes):
            self.pair_class = plan.classes[event.cursor_row]
            self.action_calculate()

    def action_calculate(self) -> None:
        """Show this pair's packet in the calculator."""
        if self.pair_class is not None:
            self.planner.trail.append(self.MODE)
            self.planner.calculate(self.pair_class.worst.stack.text, self.pair_class.link_mtu)

    def command_line(self) -> str:
        """Return the command line with the same classes and numbers."""
        return f"ipsecplan plan {shlex.quote(str(self.planner.desk.path or 'plan.yaml'))}"
