"""The line that `:` opens: a word that jumps, with what it is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static


class CommandScreen(ModalScreen[str | None]):
    """Returns what was typed, or None. Right takes the proposal that stands in grey."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel", id="command.cancel", tooltip="Leave it"),
    ]

    def __init__(self, about: str, proposals: Iterable[str]) -> None:
        super().__init__()
        self.about, self.proposals = about, tuple(proposals)

    def compose(self) -> ComposeResult:
        """Ask at the bottom of the screen, as editors do."""
        with Vertical(id="command-box"):
            yield Static(Content(self.about), id="command-about")
            yield Input(
                id="command",
                compact=True,
                placeholder=":",
                suggester=SuggestFromList(self.proposals, case_sensitive=False),
            )

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer."""
        self.dismiss(event.value.strip().removeprefix(":").strip())
