"""Every key of a screen: written from its bindings, so it can't be out of date."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

WIDE = 100  # columns from which there is room for the ids


class HelpScreen(ModalScreen[None]):
    """A table: key, what it does, the id that a key map uses."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "Close", id="help.close", tooltip="Back to the screen"),
    ]

    def __init__(self, about: Screen[Any]) -> None:
        super().__init__()
        self.about = about

    def lines(self) -> list[tuple[str, str, str]]:
        """Return key, explanation and id of every binding, the screen's own first."""
        groups: dict[int, list[tuple[str, str, str]]] = {0: [], 1: []}
        merged: dict[str, list[str]] = {}
        about: dict[str, tuple[int, str]] = {}
        for active in self.about.active_bindings.values():
            binding = active.binding
            if not binding.id or not (binding.tooltip or binding.description):
                continue
            merged.setdefault(binding.id, []).append(self.app.get_key_display(binding))
            about[binding.id] = (int(active.node is self.app), binding.tooltip or binding.description)
        for name, keys in merged.items():
            group, text = about[name]
            groups[group].append((" ".join(dict.fromkeys(keys)), text, name))
        return [*groups[0], ("", "", ""), *groups[1]]

    def compose(self) -> ComposeResult:
        """Show the table."""
        rows = []
        wide = self.app.size.width >= WIDE
        for key, text, name in self.lines():
            shown = Content.assemble(Content.styled(f"{key:>12}  ", "bold $primary"), f"{text:<52}")
            rows.append(Content.assemble(shown, Content.styled(name, "$text-muted")) if wide else shown)
        with Vertical(classes="dialog wide"):
            with VerticalScroll():
                yield Static(Content("\n").join(rows), id="help-text")
            yield Static("Esc closes. ipsecplan/ui.toml changes keys by binding id (docs/planner.md).")
