"""A choice of a few words: left, right, space or a click selects the next."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget


class Choice(Widget, can_focus=True):
    """Shows the chosen word between arrows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space", "turn(1)", "Next", show=False, id="choice.next", tooltip="Next choice"),
        Binding("left", "turn(-1)", "Previous", show=False, id="choice.previous", tooltip="Previous choice"),
    ]
    DEFAULT_CSS = """
    Choice { height: 1; width: 1fr; background: $surface; }
    Choice:focus { background: $primary; color: $background; text-style: bold; }
    """

    value: reactive[str] = reactive("")

    class Changed(Message):
        """Another word was chosen."""

        def __init__(self, choice: Choice, value: str) -> None:
            super().__init__()
            self.choice, self.value = choice, value

        @property
        def control(self) -> Choice:
            """Return the widget, for selectors."""
            return self.choice

    def __init__(self, choices: tuple[str, ...], value: str, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.choices = choices
        self.set_reactive(Choice.value, value)

    def render(self) -> Content:
        """Draw the word; the arrows say that there are others."""
        return Content(f"‹ {self.value} ›")

    def action_turn(self, step: int) -> None:
        """Take the next word, unless changing is off."""
        if self.disabled:
            return
        at = self.choices.index(self.value) if self.value in self.choices else -1
        self.value = self.choices[(at + step) % len(self.choices)]
        self.post_message(self.Changed(self, self.value))

    def on_click(self) -> None:
        """Take the next word, once it is the field that is edited."""
        if self.has_focus:
            self.action_turn(1)
