"""The plan file as it stands, with line numbers; lines with a problem carry a mark."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import ScrollableContainer
from textual.content import Content
from textual.widgets import Static

from netplan.problems import Problem, printable


class PlanSource(ScrollableContainer):
    """Read-only text; key e opens it in an editor."""

    text = ""

    def compose(self) -> ComposeResult:
        """Hold the text."""
        yield Static("", id="source-text")

    def fill(self, text: str, before: str, problems: tuple[Problem, ...], current: int | None = None) -> None:
        """Show a text; lines that are not in ``before`` are marked as changed."""
        self.text = text
        marks = {p.location.line: p for p in reversed(problems) if p.location.line is not None}
        known = set(before.splitlines())
        rows = []
        for number, line in enumerate(text.splitlines(), 1):
            problem = marks.get(number)
            changed = line not in known
            sign = " " if problem is None else "x" if problem.severity == "error" else "!"
            sign = "+" if sign == " " and changed else sign
            style = (
                "$text-error" if sign == "x" else "$text-warning" if sign == "!" else "$text-success" if changed else ""
            )
            body = _yaml(line, style)
            if number == current:
                body = body.stylize("underline")
            rows.append(Content.assemble(Content.styled(f"{number:>3}{sign} ", style or "$text-muted"), body))
        self.query_one("#source-text", Static).update(Content("\n").join(rows))
        if current is not None:
            self.scroll_to(y=max(current - self.size.height // 2, 0), animate=False)

    def pane_text(self) -> str:
        """Return the plan file."""
        return self.text


def _yaml(line: str, style: str) -> Content:
    """Tell comment, key and value of a line apart; good enough to read, and never wrong about the text."""
    shown = printable(line)
    if style:
        return Content.styled(shown, style)
    text, mark, comment = shown.partition(" #") if not shown.lstrip().startswith("#") else ("", "", shown)
    key, colon, value = text.partition(":")
    if not colon:
        key, value = "", text
    return Content.assemble(
        Content.styled(key + colon, "$text-primary"), Content(value), Content.styled(mark + comment, "$text-muted")
    )
