"""The calculation, header by header, and the sizes that prove it on the path."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from netplan.stack import Solution


class Steps(VerticalScroll):
    """Scrollable text."""

    solution: reactive[Solution | None] = reactive(None)

    def compose(self) -> ComposeResult:
        """Hold the text."""
        yield Static("", id="steps-text")

    def watch_solution(self) -> None:
        """Show the calculation of another solution."""
        if self.is_mounted:
            self.query_one("#steps-text", Static).update(Content(self.pane_text()))

    def on_mount(self) -> None:
        """Show what was there before."""
        self.watch_solution()

    def pane_text(self) -> str:
        """Return the calculation as ``calc --explain`` prints it."""
        if self.solution is None:
            return ""
        from netplan.explain import text

        return "\n".join(
            [
                *text.steps(self.solution),
                "",
                "Prove it (IP packet sizes, don't-fragment set):",
                *text.probes(self.solution),
            ]
        )
