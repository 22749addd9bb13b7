"""Settings as a list: a key, what it sets, and the present choice; Enter or a click does what the key does."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from netplan.problems import printable


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the list; ``action`` is run on the screen."""

    key: str
    name: str
    value: str
    action: str


class PickList(OptionList):
    """The settings of a screen."""

    settings: tuple[Setting, ...] = ()

    def show(self, settings: tuple[Setting, ...]) -> None:
        """Show these settings, keeping the highlight where it is."""
        if settings == self.settings:
            return
        at = self.highlighted
        self.settings = settings
        self.clear_options()
        for item in settings:
            line = Content.assemble(
                Content.styled(f"{item.key:>3} ", "bold $primary"),
                Content(f"{item.name:<8}"),
                Content.styled(printable(item.value), "bold"),
            )
            self.add_option(Option(line))
        self.highlighted = at if at is not None else None

    async def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Do what the key of the chosen line does."""
        event.stop()
        await self.screen.run_action(self.settings[event.option_index].action)

    def pane_text(self) -> str:
        """Return the settings as lines."""
        return "\n".join(f"{item.name:<9} {item.value}" for item in self.settings)
