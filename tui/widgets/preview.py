"""One file: as it is, or as its difference, unified or side by side."""

from __future__ import annotations

from pathlib import PurePosixPath

from textual.app import ComposeResult
from textual.containers import ScrollableContainer
from textual.content import Content
from textual.highlight import highlight
from textual.widgets import Markdown, Static

from netplan.problems import counted, printable
from tui.draw.diff import coloured, coloured_sides, side_by_side, unified

MODES = ("file", "unified", "side by side")
LINES_SHOWN = 3000
PAGE = 200_000  # characters of Markdown that are shown as a page
LANGUAGES = {
    ".json": "json",
    ".conflist": "json",
    ".sh": "bash",
    ".md": "markdown",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".service": "ini",
    ".netdev": "ini",
    ".network": "ini",
    ".conf": "ini",
    ".nft": "nginx",
}


class Preview(ScrollableContainer):
    """The text, with syntax highlighting where a file is shown whole."""

    text = ""
    raw = False  # Markdown as it is written

    def compose(self) -> ComposeResult:
        """Hold the text."""
        yield Static("", id="preview-text")
        yield Markdown("", id="preview-page", open_links=False)

    def say(self, text: str) -> None:
        """Show words instead of a file."""
        self.text = text
        self._put(Content("\n".join(printable(line) for line in text.split("\n"))))

    def show(self, path: str, before: str | None, after: str | None, mode: str, labels: tuple[str, str]) -> None:
        """Show a file in one of the modes; without a ``before`` there is only the file."""
        if mode == "file" or labels[0] == "":
            self.text = (after if after is not None else before) or ""
            if path.endswith(".md") and not self.raw and len(self.text) < PAGE:
                self._page(self.text)
            else:
                self._put(self._highlighted(path, self.text))
        elif before == after:
            self.text = ""
            self.say(f"no difference: {labels[0]} and {labels[1]} have the same bytes")
        elif mode == "unified":
            lines = unified(before or "", after or "", path, labels)
            self.text = "\n".join(lines)
            self._put(coloured(lines[:LINES_SHOWN]), wrap=True)
        else:
            rows = side_by_side(before or "", after or "", max(self.size.width - 3, 40))
            self.text = "\n".join(row.plain.rstrip() for _, row in rows)
            self._put(coloured_sides(rows[:LINES_SHOWN]))

    def _highlighted(self, path: str, text: str) -> Content:
        lines = [printable(line) for line in text.splitlines()]
        cut = "\n".join(lines[:LINES_SHOWN])
        if len(lines) > LINES_SHOWN:
            cut += f"\n... and {counted(len(lines) - LINES_SHOWN, 'more line')}"
        inside = PurePosixPath(path)
        language = (
            "nginx" if "swanctl" in path or inside.name.startswith("start-") else LANGUAGES.get(inside.suffix, "text")
        )
        return highlight(cut, language=language)

    def _page(self, text: str) -> None:
        """Show Markdown as readers see it."""
        self.add_class("-page")
        self.query_one("#preview-page", Markdown).update("\n".join(printable(line) for line in text.splitlines()))
        self.scroll_home(animate=False)

    def _put(self, content: Content, *, wrap: bool = False) -> None:
        self.remove_class("-page")
        self.set_class(wrap, "-wrap")
        self.query_one("#preview-text", Static).update(content)
        self.scroll_home(animate=False)

    def pane_text(self) -> str:
        """Return what is shown, whole."""
        return self.text
