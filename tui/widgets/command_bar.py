"""The command line that gives what this screen shows."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget


class CommandBar(Widget):
    """One line above the footer; ``remark`` says what the line does not cover."""

    DEFAULT_CSS = """
    CommandBar { height: 1; background: $surface; color: $text-muted; padding: 0 1; }
    """

    line: reactive[str] = reactive("")
    remark: reactive[str] = reactive("")
    crumbs: reactive[str] = reactive("")  # the way back up, which Esc goes

    def render(self) -> Content:
        """Draw the line, cut in the middle of nothing: the copy (Y) is always whole."""
        hint = f"Esc ‹ {self.crumbs.rstrip(' ›')}" if self.crumbs else self.remark or "Y copies"
        room = self.size.width - 2
        if self.remark or self.crumbs or len(self.line) + len(hint) + 2 <= room:
            room -= len(hint) + 2
        else:
            hint = ""
        line = self.line if len(self.line) <= room else self.line[: max(room - 1, 0)] + "…"
        gap = " " * max(room - len(line), 0)
        return Content.assemble(
            Content.styled("$ ", "bold $primary"), Content(line), gap, "  ", Content.styled(hint, "$text-muted")
        )
