"""The first line of every screen: the plan, its result, and the keys of the other screens."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

# mode name -> what its tab says
TABS: dict[str, str] = {
    "overview": "Overview",
    "calc": "Calc",
    "plan": "Plan",
    "pairs": "Pairs",
    "files": "Files",
    "rollout": "Rollout",
    "verify": "Verify",
    "history": "History",
    "audit": "Audit",
    "trace": "Trace",
}


class TitleBar(Widget):
    """Plan and state on the left, numbered tabs on the right; tabs can be clicked."""

    DEFAULT_CSS = """
    TitleBar { height: 1; dock: top; background: $panel; color: $foreground; padding: 0 1; link-style: none;
               link-color: $foreground; }
    """

    subject: reactive[tuple[str, ...]] = reactive(())
    active: reactive[str] = reactive("")

    def render(self) -> Content:
        """Draw the line; without room for plan and number, tabs that are not shown are digits alone."""
        wanted = len("  ".join(self.subject[:2]))
        right = self._tabs(short=False)
        if right.cell_length + wanted + 1 > self.size.width:
            right = self._tabs(short=True)
        room = max(self.size.width - right.cell_length - 1, 0)
        left = ""
        for part in self.subject:
            longer = f"{left}  {part}" if left else part
            if len(longer) <= room:
                left = longer
        return Content.assemble(Content.styled(left, "bold"), " " * (room - len(left) + 1), right)

    def _tabs(self, *, short: bool) -> Content:
        tabs: list[Content] = []
        for number, (mode, name) in enumerate(TABS.items()):
            shown = f"{number} {name}"
            if short:  # three columns at least: the mouse has to hit it
                shown = f" {number} " if mode != self.active else f" {number} {name} "
            text = Content.from_markup(f"[@click=app.go('{mode}')]{shown}[/]")
            tabs.append(text.stylize("bold reverse") if mode == self.active else text)
        return Content("" if short else " ").join(tabs)
