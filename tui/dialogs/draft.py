"""At the start: offers the draft that an earlier planner kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from netplan.problems import counted, printable
from tui.dialogs.ask import AskScreen
from tui.draw.diff import coloured, unified
from tui.plan.draft import Draft
from tui.plan.drafts import Kept

BUTTONS = {
    "later": "Later (Esc)",
    "take": "Take it (t)",
    "diff": "Difference (d)",
    "drop": "Throw away (x)",
}


class DraftScreen(ModalScreen[str]):
    """Answers ``take``, ``drop`` (after asking once more) or ``later``, which leaves everything as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "answer('take')", "Take", id="draft.take", tooltip="Go on with the draft, unsaved"),
        Binding("d", "diff", "Difference", id="draft.diff", tooltip="What the draft would change in the file"),
        Binding("x", "drop", "Throw away", id="draft.drop", tooltip="Remove the draft from the disk"),
        Binding("escape", "answer('later')", "Later", id="draft.later", tooltip="Leave it; it is offered again"),
    ]

    def __init__(self, draft: Draft, kept: Kept) -> None:
        super().__init__()
        self.draft, self.kept = draft, kept

    def compose(self) -> ComposeResult:
        """Say whose text it is, and what taking it means."""
        name = printable(self.draft.path.name)
        lines = unified(self.draft.text, self.kept.text, name, ("on disk", "draft"))
        changed = sum(1 for line in lines[2:] if line.startswith(("+", "-")))
        with Vertical(classes="dialog"):
            yield Static(Content.styled(f"Unsaved changes to {name}", "bold"))
            beside = self.kept.path.parent == Path(os.path.realpath(self.draft.path)).parent
            where = printable(self.kept.path.name if beside else str(self.kept.path))
            text = (
                f"The planner ended at {self.kept.at} before they were saved.\n{where}: "
                f"{counted(changed, 'line')} differ"
            )
            yield Static(Content(text), id="draft-text")
            if self.kept.outdated(self.draft.raw_saved):
                warning = f"! {name} has changed since: the draft doesn't have that change, and saving it undoes it"
                yield Static(Content.styled(warning, "$text-error"), id="draft-warning")
            with VerticalScroll(id="draft-scroll"):
                yield Static(coloured(lines), id="draft-diff")
            with Horizontal(classes="buttons"):
                for answer, label in BUTTONS.items():
                    yield Button(label, id=answer, compact=True)

    def on_mount(self) -> None:
        """Start on the answer that does nothing."""
        self.query_one("#draft-scroll").display = False
        self.query_one("#later").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer with a button."""
        if event.button.id == "diff":
            self.action_diff()
        elif event.button.id == "drop":
            self.action_drop()
        else:
            self.dismiss(event.button.id)

    def action_answer(self, answer: str) -> None:
        """Answer with a key."""
        self.dismiss(answer)

    def action_diff(self) -> None:
        """Show the difference, or hide it."""
        scroll = self.query_one("#draft-scroll")
        scroll.display = not scroll.display
        self.query_one(Vertical).set_class(scroll.display, "wide")
        (scroll if scroll.display else self.query_one("#later")).focus()

    def action_drop(self) -> None:
        """Ask once more: there is no way back."""
        self.app.push_screen(AskScreen("Throw the unsaved changes away for good?", "throw away"), self._dropped)

    def _dropped(self, agreed: bool | None) -> None:
        if agreed:
            self.dismiss("drop")
