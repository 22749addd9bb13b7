"""A few lines of text."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from netplan.problems import printable


class Note(Widget):
    """Plain text, always printable and never markup."""

    DEFAULT_CSS = """
    Note { height: auto; color: $text-muted; padding: 0 1; }
    """

    text: reactive[str] = reactive("", layout=True)

    def render(self) -> Content:
        """Draw the lines."""
        return Content("\n".join(printable(line) for line in self.text.split("\n")))

    def pane_text(self) -> str:
        """Return the lines."""
        return self.text
