"""Base of all screens: title, body, the command line that gives the same result, footer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Protocol, cast, runtime_checkable

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Input

from tui.widgets.command_bar import CommandBar
from tui.widgets.title_bar import TABS, TitleBar

if TYPE_CHECKING:
    from tui.plan.check import Checked
    from tui.plan_actions import PlanActions


@runtime_checkable
class Pane(Protocol):
    """A widget whose content can be copied and exported as text."""

    def pane_text(self) -> str:
        """Return the whole content, not only what is visible."""


class PlannerScreen(Screen[None]):
    """Base of the numbered screens. ``MODE`` is its name in the app."""

    MODE: ClassVar[str] = ""
    LIGHT: ClassVar[bool] = False  # the first frame has what is needed to read it; the screen adds the rest itself
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - as Screen declares it

    def compose(self) -> ComposeResult:
        """Frame the body."""
        yield TitleBar()
        yield from self.body()
        yield CommandBar()
        if not self.LIGHT:
            yield Footer(show_command_palette=False)

    def body(self) -> ComposeResult:
        """Yield the widgets between title and command line."""
        yield from ()

    @property
    def planner(self) -> PlanActions:
        """Return the app."""
        return cast("PlanActions", self.app)

    @property
    def wide(self) -> bool:
        """Tell whether there is room for more than the essential."""
        return self.has_class("-wide")

    def on_mount(self) -> None:
        """Follow the plan."""
        self.planner.plan_changed.subscribe(self, self._plan_changed)
        self.query_one(TitleBar).active = self.MODE
        self._plan_changed(self.planner.desk.checked)

    def on_screen_resume(self) -> None:
        """Catch up with what happened while another screen was shown."""
        self._plan_changed(self.planner.desk.checked)

    def _plan_changed(self, checked: Checked | None) -> None:
        if self.app.screen is not self and self is not self.app.screen_stack[0]:
            return
        self.query_one(TitleBar).subject = self.planner.desk.subject()
        self.show(checked)
        self.refresh_command()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Let Esc go on to the app, which goes back up, where there is nothing to leave here."""
        return None if action == "leave" and not self.inside() else True

    def inside(self) -> bool:
        """Tell whether there is something that Esc leaves first: a field."""
        return isinstance(self.focused, Input)

    def aim(self, words: tuple[str, ...]) -> None:
        """Go to what the words behind a jump name: the screen's filter gets them."""
        for box in self.query("#filter").results(Input):
            box.value = " ".join(words)

    def jumps(self) -> list[Widget]:
        """Return what a jump can put its letters on."""
        return self.focus_chain

    def jump(self, target: Widget) -> None:
        """Go to what a jump's letter stood on."""
        target.focus()

    def crumbs(self) -> list[str]:
        """Return where Esc leads, from the top."""
        return [TABS[mode] for mode in self.planner.trail]

    def show(self, checked: Checked | None) -> None:
        """Show what the plan amounts to; None means that there is no plan file."""

    def command_line(self) -> str:
        """Return the command line that gives what this screen shows."""
        return "ipsecplan --help"

    def command_remark(self) -> str:
        """Return what the command line does not cover, or nothing."""
        return "after saving" if self.planner.desk.dirty else ""

    def refresh_command(self) -> None:
        """Show the command line anew."""
        bar = self.query_one(CommandBar)
        bar.line, bar.remark = self.command_line(), self.command_remark()
        bar.crumbs = " › ".join([*self.crumbs(), ""]) if self.crumbs() else ""

    def panes(self) -> Iterator[Pane]:
        """Generate the panes in reading order."""
        for widget in self.query("*"):
            if isinstance(widget, Pane) and widget.display:
                yield widget

    def focused_pane(self) -> Pane | None:
        """Return the pane that has the focus, or holds what has it, or the first."""
        widget: Widget | None = self.focused
        while widget is not None and widget is not self:
            if isinstance(widget, Pane):
                return widget
            widget = widget.parent if isinstance(widget.parent, Widget) else None
        return next(self.panes(), None)

    def as_text(self) -> str:
        """Return the screen as text: the command line, then every pane."""
        head = [f"ipsecplan: {TABS.get(self.MODE, self.MODE)}", f"$ {self.command_line()}", ""]
        return "\n".join([*head, *(f"{pane.pane_text()}\n" for pane in self.panes())])
