"""Screen 1: one packet, byte by byte; every setting is a key and recomputes at once."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Footer, Input, Static

from netplan.problems import Problem, ProblemError, printable
from netplan.stack import Solution, parse, parse_size, solve
from tui.draw import packet
from tui.screens.base import PlannerScreen
from tui.widgets.answer import Answer
from tui.widgets.compare_table import CompareTable
from tui.widgets.detail import RowDetail
from tui.widgets.ledger_table import LedgerTable
from tui.widgets.pick_list import PickList, Setting
from tui.widgets.ruler import ByteRuler
from tui.widgets.steps import Steps

if TYPE_CHECKING:
    from tui.plan.check import Checked

FAMILY = {"ip4": "IPv4", "ip6": "IPv6", None: "-"}
LINKS: tuple[int, ...] = (1280, 1400, 1450, 1460, 1480, 1492, 1500, 8950, 9000)


class CalculatorScreen(PlannerScreen):
    """The packet is the setting: keys edit the stack, the engine answers."""

    MODE = "calc"
    LIGHT = True
    CSS_PATH = Path(__file__).with_name("calculator.tcss")
    AUTO_FOCUS = ""  # not the input field: single keys are what this screen is about
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "suite(1)", "Cipher", id="calc.cipher", tooltip="Next ESP suite"),
        Binding("C", "suite(-1)", "Cipher back", show=False, id="calc.cipher_back", tooltip="Previous ESP suite"),
        Binding("m", "turn('mode')", "Mode", id="calc.mode", tooltip="Transport or tunnel: an IP header behind ESP"),
        Binding("n", "turn('nat')", "NAT-T", id="calc.nat", tooltip="UDP encapsulation of ESP"),
        Binding("v", "turn('outer')", "v4/v6", id="calc.outer", tooltip="Family of the outermost IP header"),
        Binding("V", "turn('inner')", "Inner v4/v6", show=False, id="calc.inner", tooltip="Innermost IP header"),
        Binding("o", "turn('overlay')", "Overlay", id="calc.overlay", tooltip="VXLAN, Geneve or none"),
        Binding(
            "plus,equals_sign",
            "link(1)",
            "MTU+",
            key_display="+",
            show=False,
            id="calc.mtu_up",
            tooltip="Link MTU one byte up",
        ),
        Binding(
            "minus",
            "link(-1)",
            "MTU-",
            key_display="-",
            show=False,
            id="calc.mtu_down",
            tooltip="Link MTU one byte down",
        ),
        Binding(
            "greater_than_sign",
            "preset(1)",
            "Next link",
            key_display=">",
            show=False,
            id="calc.link_up",
            tooltip="Next usual link MTU",
        ),
        Binding(
            "less_than_sign",
            "preset(-1)",
            "Previous link",
            key_display="<",
            show=False,
            id="calc.link_down",
            tooltip="Previous usual link MTU",
        ),
        Binding("s", "step", "Step", show=False, id="calc.step", tooltip="Go to the link MTU of the next gain"),
        Binding("k", "compare", "Compare", id="calc.compare", tooltip="Other suites on the same packet"),
        Binding("E", "steps", "Explain", show=False, id="calc.explain", tooltip="The calculation, header by header"),
        Binding("g", "from_plan", "Plan's", show=False, id="calc.plan", tooltip="The packet that limits the open plan"),
        Binding(
            "slash",
            "focus('#stack')",
            "Edit",
            key_display="/",
            show=False,
            id="calc.edit",
            tooltip="Type the packet stack",
        ),
        Binding("escape", "leave", "Back", show=False, id="calc.leave", tooltip="Leave the input field"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.stack_text = packet.DEFAULT
        self.link_mtu = 1500
        self.solution: Solution | None = None
        self.problem: Problem | None = None
        self._started = False
        self.complete = False
        self._last_overlay = "vxlan"

    def body(self) -> ComposeResult:
        """Yield the panes."""
        with Horizontal(id="question"):
            yield Static("Packet ", classes="label")
            yield Input(self.stack_text, id="stack", compact=True)
            yield Static(" Link MTU ", classes="label")
            yield Input(str(self.link_mtu), id="link", compact=True, max_length=5)
        yield ByteRuler(id="ruler")
        yield Answer(id="answer")
        yield Horizontal(id="lower")  # its panes come with the second frame: the answer is there in the first
        yield RowDetail(id="detail")

    def on_mount(self) -> None:
        """Start with the plan's packet if there is a plan."""
        super().on_mount()
        self.call_after_refresh(self._complete)

    async def _complete(self) -> None:
        """Add the tables."""
        right = Vertical(PickList(id="settings"), CompareTable(id="compare"), id="right")
        await self.query_one("#lower").mount(LedgerTable(id="ledger"), Steps(id="steps"), right)
        await self.mount(Footer(show_command_palette=False))
        self.complete = True
        if not isinstance(self.focused, Input):
            self.query_one(LedgerTable).focus()
        self.recompute()

    def on_resize(self) -> None:
        """Columns depend on the width."""
        self.call_after_refresh(self.recompute)

    def show(self, checked: Checked | None) -> None:
        """Take the plan's packet the first time there is one."""
        if not self._started and checked is not None and checked.plan is not None:
            self._started = True
            self.action_from_plan()
        else:
            self.recompute()

    def recompute(self) -> None:
        """Answer the question as it stands now."""
        try:
            self.solution, self.problem = solve(parse(self.stack_text), self.link_mtu), None
        except ProblemError as error:
            self.problem = error.problems[0]
        self.query_one("#stack").set_class(self.problem is not None, "-invalid")
        self.query_one(Answer).tell(self.solution, self.problem)
        if self.problem is None and self.solution is not None:
            self.query_one(ByteRuler).solution = self.solution
            if self.complete:
                self.query_one(LedgerTable).fill(self.solution, wide=self.wide)
                self.query_one(CompareTable).fill(self.stack_text, self.link_mtu, self.solution)
                self.query_one(Steps).solution = self.solution
        if self.complete:
            self.query_one(PickList).show(self._settings())
        self.refresh_command()

    def _settings(self) -> tuple[Setting, ...]:
        text = self.stack_text
        return (
            Setting("c", "cipher", packet.suite(text) or "none", "suite(1)"),
            Setting("m", "mode", packet.mode(text), "turn('mode')"),
            Setting("n", "NAT-T", "UDP" if packet.nat_t(text) else "no", "turn('nat')"),
            Setting("v", "outer", FAMILY[packet.family(text)], "turn('outer')"),
            Setting("V", "inner", FAMILY[packet.family(text, inner=True)], "turn('inner')"),
            Setting("o", "overlay", packet.overlay(text), "turn('overlay')"),
            Setting("+ -", "link", str(self.link_mtu), "focus('#link')"),
            Setting("k", "compare", "suites", "compare"),
            Setting("E", "explain", "steps", "steps"),
            Setting("s", "step", "next gain", "step"),
        )

    def take(self, stack: str, link_mtu: int) -> None:
        """Take a question from another screen."""
        self._started = True
        self.ask(stack, link_mtu)

    def ask(self, stack: str | None = None, link_mtu: int | None = None) -> None:
        """Change the question, keeping the input fields in step."""
        if stack is not None:
            self.stack_text = stack
            with self.prevent(Input.Changed):
                self.query_one("#stack", Input).value = stack
        if link_mtu is not None:
            self.link_mtu = link_mtu
            with self.prevent(Input.Changed):
                self.query_one("#link", Input).value = str(link_mtu)
        self.recompute()

    @on(Input.Changed, "#stack")
    def _stack_typed(self, event: Input.Changed) -> None:
        self.stack_text = event.value.strip()
        self.recompute()

    @on(Input.Changed, "#link")
    def _link_typed(self, event: Input.Changed) -> None:
        try:
            self.link_mtu = parse_size(event.value, "link MTU")
        except ProblemError as error:
            self.problem = error.problems[0]
            self.query_one(Answer).tell(self.solution, self.problem)
            return
        self.recompute()

    @on(Input.Submitted)
    def action_leave(self) -> None:
        """Go back from an input field to the table."""
        self.query_one(LedgerTable).focus()

    @on(DataTable.RowHighlighted, "#ledger")
    def _row_chosen(self, event: DataTable.RowHighlighted) -> None:
        self._select(event.cursor_row)

    @on(ByteRuler.Picked)
    def _field_chosen(self, event: ByteRuler.Picked) -> None:
        self.query_one(LedgerTable).move_cursor(row=event.row)

    @on(CompareTable.Chosen)
    def _suite_chosen(self, event: CompareTable.Chosen) -> None:
        self.ask(packet.with_suite(self.stack_text, event.suite))

    def _select(self, row: int) -> None:
        self.query_one(ByteRuler).selected = row
        self.query_one(RowDetail).tell(self.solution, row)

    def action_suite(self, step: int) -> None:
        """Take the next suite."""
        name = packet.next_of(packet.suite(self.stack_text), packet.SUITES, step)
        self.ask(packet.with_suite(self.stack_text, name))

    def action_turn(self, what: str) -> None:
        """Turn one property of the packet over."""
        text = self.stack_text
        if what == "overlay":
            self.ask(packet.with_overlay(text, packet.next_of(packet.overlay(text), packet.OVERLAYS)))
        elif what in ("outer", "inner"):
            self.ask(packet.toggle_family(text, inner=what == "inner"))
        else:
            self.ask({"mode": packet.toggle_mode, "nat": packet.toggle_nat_t}[what](text))

    def action_link(self, step: int) -> None:
        """Change the link MTU by a byte."""
        self.ask(link_mtu=max(self.link_mtu + step, 1))

    def action_preset(self, step: int) -> None:
        """Go to the next usual link MTU."""
        past = [m for m in LINKS if (m > self.link_mtu if step > 0 else m < self.link_mtu)]
        if past:
            self.ask(link_mtu=past[0] if step > 0 else past[-1])

    def action_step(self) -> None:
        """Go to the smallest larger link MTU that lets more through."""
        if self.solution and self.solution.next_gain_at:
            self.ask(link_mtu=self.solution.next_gain_at)

    def action_compare(self) -> None:
        """Show or hide the comparison; on a wide screen it is always there and gets the focus."""
        self.toggle_class("-comparing")
        table = self.query_one(CompareTable)
        (table if self.has_class("-comparing") else self.query_one(LedgerTable)).focus()
        self.refresh_command()

    def action_steps(self) -> None:
        """Show the calculation instead of the table, or the table again."""
        self.toggle_class("-explaining")
        (self.query_one(Steps) if self.has_class("-explaining") else self.query_one(LedgerTable)).focus()
        self.refresh_command()

    def action_from_plan(self) -> None:
        """Take the packet and link of the class that sets the pod MTU."""
        checked = self.planner.desk.checked
        if checked is None or checked.plan is None:
            self.notify("no plan with numbers is open", severity="warning")
            return
        limiting = checked.plan.limiting
        self.ask(limiting.worst.stack.text, limiting.link_mtu)

    def command_line(self) -> str:
        """Return the question as a command line."""
        more = " --explain" if self.has_class("-explaining") else ""
        if not more and self.complete and self.has_class("-comparing"):
            more = f" --compare {','.join(self.query_one(CompareTable).suites)}"
        return f"ipsecplan calc {shlex.quote(printable(self.stack_text))} --mtu {self.link_mtu}{more}"

    def command_remark(self) -> str:
        """The calculator does not depend on what is saved."""
        return ""
