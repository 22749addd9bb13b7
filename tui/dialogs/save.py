"""Before a plan is saved: shows the diff and the errors, and asks."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from netplan.problems import counted, errors, printable
from tui.draw.diff import coloured
from tui.plan.session import Desk


class SaveScreen(ModalScreen[bool]):
    """Shows what would change on disk; Enter writes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "answer(True)", "Save", id="save.yes", tooltip="Write the file"),
        Binding("escape,n", "answer(False)", "Cancel", id="save.no", tooltip="Go on editing"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk

    def compose(self) -> ComposeResult:
        """Show the diff."""
        draft, checked = self.desk.draft, self.desk.checked
        lines = draft.diff() if draft else []
        wrong = errors(checked.problems) if checked else []
        with Vertical(classes="dialog wide"):
            yield Static(Content.styled(f"Save {printable(str(self.desk.path))}?", "bold"))
            if wrong:
                text = f"! it has {counted(len(wrong), 'error')}: {wrong[0].message}"
                yield Static(Content.styled(text, "$text-error"), id="save-warning")
            with VerticalScroll():
                yield Static(coloured(lines), id="save-diff")
            yield Static("Enter writes the file at once and whole, Esc goes back.")

    def action_answer(self, answer: bool) -> None:
        """Answer."""
        self.dismiss(answer)
