"""A question with two answers."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from netplan.problems import printable


class AskScreen(ModalScreen[bool]):
    """Answers True only to a deliberate yes; Enter starts on "no"."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", "No", id="ask.no", tooltip="Change nothing"),
        Binding("y", "answer(True)", "Yes", id="ask.yes", tooltip="Do it"),
    ]

    def __init__(self, question: str, yes: str) -> None:
        super().__init__()
        self.question, self.yes = question, yes

    def compose(self) -> ComposeResult:
        """Show the question."""
        with Vertical(classes="dialog"):
            yield Static(Content(printable_lines(self.question)), id="question-text")
            with Horizontal(classes="buttons"):
                yield Button("No (Esc)", id="no", compact=True)
                yield Button(f"Yes, {self.yes} (y)", id="yes", variant="warning", compact=True)

    def on_mount(self) -> None:
        """Start on the answer that does nothing."""
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer with a button."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """Answer with a key."""
        self.dismiss(answer)


def printable_lines(text: str) -> str:
    """Return text with its line breaks but without control characters."""
    return "\n".join(printable(line) for line in text.split("\n"))
