"""The app: screens by number, keys that work everywhere, the open plan."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.screen import Screen
from textual.signal import Signal

from netplan.problems import closest, quoted
from tui import screens, settings, themes
from tui.contrast import ReadableFilter
from tui.draw import export
from tui.life import Life
from tui.plan.session import Desk
from tui.screens.base import PlannerScreen
from tui.widgets.title_bar import TABS

if TYPE_CHECKING:
    from tui.draw.host_groups import Measured
    from tui.plan.check import Checked


class Planner(Life):
    """``ipsecplan ui``."""

    TITLE = "ipsecplan"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {name: partial(screens.open, name) for name in TABS}
    DEFAULT_MODE = "calc"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"go('{mode}')", name, show=False, id=f"app.{mode}", tooltip=f"The screen {name}")
            for number, (mode, name) in enumerate(TABS.items())
        ),
        Binding("question_mark", "help", "Help", key_display="?", id="app.help", tooltip="Every key of this screen"),
        Binding("Y", "copy_command", "Copy $", show=False, id="app.copy_command", tooltip="Copy the command line"),
        Binding("y", "copy_pane", "Copy", show=False, id="app.copy_pane", tooltip="Copy the pane with the focus"),
        Binding("x", "export_svg", "SVG", show=False, id="app.export_svg", tooltip="Write the screen as SVG"),
        Binding("X", "export_text", "Text", show=False, id="app.export_text", tooltip="Write the screen as text"),
        Binding("ctrl+o", "jump", "Jump", show=False, id="app.jump", tooltip="Go to any pane or field by a letter"),
        Binding(
            "colon",
            "command",
            "Jump to",
            key_display=":",
            show=False,
            id="app.command",
            tooltip="Jump by a word: :pairs HOST, :node HOST, :pair HOST HOST, :files PATH, :show TX, a screen",
        ),
        Binding(
            "ctrl+p",
            "command_palette",
            "Palette",
            show=False,
            id="app.palette",
            tooltip="Find a command of any screen by name",
        ),
        Binding("escape", "up", "Up", show=False, id="app.up", tooltip="Back up: to where Enter came from"),
        Binding("T", "theme", "Theme", show=False, id="app.theme", tooltip="Next theme"),
        Binding("ctrl+s", "save", "Save", show=False, id="app.save", tooltip="Save the plan, after its diff"),
        Binding("ctrl+z", "undo", "Undo", show=False, id="app.undo", tooltip="One change back"),
        Binding("ctrl+y", "redo", "Redo", show=False, id="app.redo", tooltip="One change forward"),
        Binding("ctrl+r", "reload", "Reload", show=False, id="app.reload", tooltip="Read plan and inventory again"),
        Binding("f8", "export_svg", "SVG", show=False, id="app.screenshot", tooltip="Write the screen as SVG"),
        Binding("q", "leave", "Quit", id="app.quit", tooltip="Leave; asks when something is unsaved"),
    ]

    def __init__(
        self,
        path: Path | None = None,
        *,
        readonly: bool = False,
        against: Path | None = None,
        bundle: Path | None = None,
        config: Path | None = None,
        mode: str = "calc",
        state_dir: str | None = None,
    ) -> None:
        super().__init__()
        self.desk = Desk(path, readonly=readonly)
        self.against, self.bundle, self.start_mode, self.state_dir = against, bundle or Path("bundle"), mode, state_dir
        self._readable = ReadableFilter()
        self.trail: list[str] = []  # screens that Enter or a jump came from
        self.measured: Measured = {}  # (from, to) -> what the last verify measured, as `verify --json` has it
        self.plan_changed: Signal[Checked | None] = Signal(self, "plan-changed")
        for theme in themes.OWN:
            self.register_theme(theme)
        path_of_settings = config or settings.default_path()
        self.settings = settings.Settings()
        # only with a file every screen is needed, for the names of its keys
        if path_of_settings is not None and os.path.lexists(path_of_settings):
            self.settings = settings.read(path_of_settings, screens.binding_ids(type(self)), set(self.available_themes))

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Make pale text readable in every theme, unless there are no colours."""
        given = super().get_line_filters()
        return given if self.no_color else [*given, self._readable]

    def on_mount(self) -> None:
        """Take the user's settings and read the inventory."""
        if self.settings.theme:
            self.theme = self.settings.theme
        self.set_keymap(self.settings.keys)
        if self.start_mode != self.DEFAULT_MODE:
            self.switch_mode(self.start_mode)
        self.look()
        if self.desk.draft is not None:
            self.call_after_refresh(self.offer_draft)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer every binding of the screen by name, those of the other screens, then Textual's own commands."""
        seen = set()
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.id and binding.id not in seen and active.enabled:
                seen.add(binding.id)
                action = binding.action if active.node is self else None
                title = f"{binding.description}  ({self.get_key_display(binding)})"
                yield SystemCommand(
                    title, binding.tooltip, lambda n=active.node, a=action or binding.action: n.run_action(a)
                )
        for mode, kind in screens.kinds().items():
            for binding in Binding.make_bindings(kind.BINDINGS) if mode != self.current_mode else ():
                title = f"{TABS[mode]}: {binding.description}  ({self.get_key_display(binding)})"
                if not binding.action.startswith(("app.", "leave")):
                    yield SystemCommand(title, binding.tooltip, partial(self.go, mode, binding.action))
        yield SystemCommand("Choose a theme", "Every theme there is", self.search_themes)

    def calculate(self, stack: str, link_mtu: int) -> None:
        """Show a packet in the calculator."""
        self.switch_mode("calc")
        self.call_later(self._calculate, stack, link_mtu)

    def _calculate(self, stack: str, link_mtu: int) -> None:
        from tui.screens.calculator import CalculatorScreen

        if isinstance(self.screen, CalculatorScreen):
            self.screen.take(stack, link_mtu)

    def follow(self, transaction: str) -> None:
        """Show a transaction on the rollout screen."""
        self.switch_mode("rollout")
        self.call_later(self._follow, transaction)

    def _follow(self, transaction: str) -> None:
        from tui.screens.rollout import RolloutScreen

        if isinstance(self.screen, RolloutScreen):
            self.screen.pin(transaction)

    def go(self, mode: str, action: str = "") -> None:
        """Show a screen from another one, where Esc leads back to, and run one of its actions."""
        if mode != self.current_mode:
            self.trail.append(self.current_mode)
            self.switch_mode(mode)
        if action:
            self.call_later(self._run_there, action)

    async def _run_there(self, action: str) -> None:
        await self.screen.run_action(action)

    def show_node(self, name: str) -> None:
        """Show one host and its pairs."""
        from tui.screens.node import NodeScreen

        self._show(name, lambda: NodeScreen(name, self.current_mode))

    def show_pair(self, one: str, other: str) -> None:
        """Show one pair."""
        from tui.screens.pair import PairScreen

        self._show(one, lambda: self._show(other, lambda: PairScreen(one, other, self.current_mode)))

    def show_traffic(self) -> None:
        """Show what pairs send each other."""
        from tui.screens.traffic import TrafficScreen

        if not isinstance(self.screen, TrafficScreen):
            self.push_screen(TrafficScreen(self.current_mode))

    def _show(self, name: str, make: Callable[[], Screen[None] | None]) -> None:
        checked = self.desk.checked
        names = [node.name for node in checked.plan.nodes] if checked and checked.plan else []
        if name not in names:
            near = closest(name, names)
            hint = f"; did you mean {near}?" if near else ""
            self.notify(f"the plan has no host {quoted(name)}{hint}", severity="warning", markup=False)
            return
        screen = make()
        if screen is not None:
            self.push_screen(screen)

    # actions

    def action_go(self, mode: str) -> None:
        """Show a screen."""
        self.trail.clear()
        if mode != self.current_mode:
            self.switch_mode(mode)

    def action_up(self) -> None:
        """Go back to where Enter, or a jump, came from."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
        elif self.trail:
            self.switch_mode(self.trail.pop())

    def action_command(self) -> None:
        """Ask where to go."""
        from tui import jumps
        from tui.dialogs.command_line import CommandScreen

        checked = self.desk.checked
        hosts = [node.name for node in checked.plan.nodes] if checked and checked.plan else []
        about = "  ".join(f":{word} {rest}".strip() for word, (rest, _) in jumps.WORDS.items())
        self.push_screen(CommandScreen(about, jumps.proposals(TABS, hosts)), self._jump)

    def _jump(self, text: str | None) -> None:
        from tui import jumps

        found = jumps.read(text, TABS) if text else None
        if isinstance(found, str):
            self.notify(found, severity="warning", markup=False)
        elif found is not None:
            self._jump_to(found.word, found.rest)

    def _jump_to(self, word: str, rest: tuple[str, ...]) -> None:
        if word in ("help", "q"):
            self.action_help() if word == "help" else self.action_leave()
        elif word == "theme":
            if rest and rest[0] in self.available_themes:
                self.theme = rest[0]
            else:
                self.search_themes()
        elif word == "node":
            self.show_node(rest[0])
        elif word == "pair":
            self.show_pair(rest[0], rest[1])
        elif word == "top":
            self.show_traffic()
        elif word == "show":
            self.trail.append(self.current_mode)
            self.follow(rest[0])
        else:
            self.go(word)
            if rest:
                self.call_later(self._aim, rest)

    def _aim(self, words: tuple[str, ...]) -> None:
        if isinstance(self.screen, PlannerScreen):
            self.screen.aim(words)

    def action_help(self) -> None:
        """Show every key of this screen."""
        from tui.dialogs.help import HelpScreen

        self.push_screen(HelpScreen(self.screen))

    def action_jump(self) -> None:
        """Put a letter on everything that can have the focus."""
        from tui.dialogs.jump import JumpScreen

        below = self.screen
        if isinstance(below, PlannerScreen):
            self.push_screen(JumpScreen(below.jumps(), below.jump))

    def action_theme(self) -> None:
        """Take the next theme."""
        at = themes.ROUND.index(self.theme) if self.theme in themes.ROUND else -1
        self.theme = themes.ROUND[(at + 1) % len(themes.ROUND)]
        self.notify(self.theme, title="Theme", timeout=2)

    def action_leave(self) -> None:
        """Leave; ask when something would be lost."""
        if self.desk.dirty:
            from tui.dialogs.ask import AskScreen

            self.push_screen(AskScreen("Quit and lose the unsaved changes?", "quit"), self._leave)
        else:
            self.exit(0)

    def _leave(self, agreed: bool | None) -> None:
        if agreed:
            self.give_up()
            self.exit(0)

    async def action_quit(self) -> None:
        """Ask here, too: Textual's own ctrl+q would leave at once."""
        self.action_leave()

    def action_copy_command(self) -> None:
        """Copy the command line of this screen (OSC 52: works over SSH)."""
        export.copy(self, self.screen.command_line() if isinstance(self.screen, PlannerScreen) else "")

    def action_copy_pane(self) -> None:
        """Copy the pane with the focus."""
        pane = self.screen.focused_pane() if isinstance(self.screen, PlannerScreen) else None
        export.copy(self, pane.pane_text() if pane else "")

    def action_export_svg(self) -> None:
        """Write the screen as a picture."""
        export.write(self, "svg", self.export_screenshot(title=self.TITLE))

    def action_export_text(self) -> None:
        """Write the screen as text."""
        export.write(self, "txt", self.screen.as_text() if isinstance(self.screen, PlannerScreen) else "")
