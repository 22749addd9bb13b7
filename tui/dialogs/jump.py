"""Jump mode: shows a letter on each widget that can have the focus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Label

LETTERS = "asdfghjklqwertzuiopxcvbnm"


class JumpScreen(ModalScreen[None]):
    """Press a letter to focus what it stands on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+o", "dismiss", "Cancel", id="jump.cancel", tooltip="Stay where you are"),
    ]

    def __init__(self, targets: Sequence[Widget], go: Callable[[Widget], None]) -> None:
        super().__init__()
        self.go = go
        self.targets = dict(zip(LETTERS, (w for w in targets if w.region.height and w.region.width), strict=False))

    def compose(self) -> ComposeResult:
        """Put the letters in place."""
        for letter, widget in self.targets.items():
            label = Label(f" {letter} ", classes="jump")
            label.absolute_offset = widget.region.offset
            label.styles.position = "absolute"
            label.styles.offset = (widget.region.x, widget.region.y)
            yield label

    def on_key(self, event: Key) -> None:
        """Go there."""
        target = self.targets.get(event.key)
        if target is not None:
            event.stop()
            self.dismiss()
            self.go(target)
