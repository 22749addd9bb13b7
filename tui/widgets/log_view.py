"""A long log: only what is visible is drawn; search, follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.draw.style import tint


class LogView(ScrollView, can_focus=True):
    """Lines of text; the last one stays in view while ``follow``."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "Follow", show=False, id="log.follow", tooltip="Keep the newest line in view"),
        Binding("n", "find(1)", "Next match", show=False, id="log.next", tooltip="Next line that matches the search"),
        Binding("N", "find(-1)", "Previous match", show=False, id="log.previous", tooltip="Match before this one"),
    ]
    DEFAULT_CSS = """
    LogView { background: $background; scrollbar-size: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.lines: Sequence[str] = ()
        self.follow = True
        self.needle = ""
        self.found = -1

    def fill(self, lines: Sequence[str], widest: int | None = None) -> None:
        """Show lines; costs the same for ten as for ten thousand."""
        self.lines = lines
        self.virtual_size = Size(max(map(len, lines), default=0) if widest is None else widest, len(lines))
        if self.follow:
            self.call_after_refresh(self.scroll_end, animate=False, x_axis=False)
        self.refresh()

    def search(self, text: str) -> int:
        """Search for text, go to the newest match; returns how many lines match."""
        self.needle, self.found = text.lower(), -1
        matches = [i for i, line in enumerate(self.lines) if self.needle and self.needle in line.lower()]
        if matches:
            self._to(matches[-1])
        self.refresh()
        return len(matches)

    def _to(self, index: int) -> None:
        self.follow = False
        self.found = index
        self.scroll_to(y=max(index - self.size.height // 2, 0), animate=False)

    def action_find(self, step: int) -> None:
        """Go to the next match."""
        matches = [i for i, line in enumerate(self.lines) if self.needle and self.needle in line.lower()]
        if not matches:
            return
        past = [i for i in matches if (i > self.found if step > 0 else i < self.found)]
        self._to((past[0] if step > 0 else past[-1]) if past else matches[0 if step > 0 else -1])
        self.refresh()

    def action_follow(self) -> None:
        """Follow the newest line, or stay."""
        self.follow = not self.follow
        self.fill(self.lines)

    def render_line(self, y: int) -> Strip:
        """Draw one line of the window."""
        index = y + self.scroll_offset.y
        width = self.size.width
        base = self.rich_style
        if index >= len(self.lines):
            return Strip.blank(width, base)
        text = self.lines[index]
        style = base
        if "FAILED" in text or "rolling back" in text:
            style = base + Style.parse(f"bold {tint(self.app, 'error')}")
        if index == self.found:
            style = style + Style(reverse=True)
        elif self.needle and self.needle in text.lower():
            style = style + Style(underline=True)
        left = self.scroll_offset.x
        return Strip([Segment(text, style)]).crop_extend(left, left + width, base)

    def pane_text(self) -> str:
        """Return the whole log."""
        return "\n".join(self.lines)
