"""A list of mappings: a line for each, written as in the plan file without braces, and an empty one."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input


class RowList(Vertical):
    """Clearing a line takes the entry out; the last line is always empty."""

    DEFAULT_CSS = """
    RowList { height: auto; width: 1fr; }
    """

    class Changed(Message):
        """A line was changed by hand."""

        def __init__(self, rows: RowList) -> None:
            super().__init__()
            self.rows = rows

    def __init__(self, example: str, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.example = example
        self.frozen = False
        self.open = False  # whether lines can have the focus

    def compose(self) -> ComposeResult:
        """Start with the empty line."""
        yield self._line("")

    def _line(self, text: str) -> Input:
        line = Input(text, placeholder=self.example, compact=True, select_on_focus=False, disabled=self.frozen)
        line.can_focus = self.open
        return line

    @property
    def lines(self) -> list[Input]:
        """Return the lines that are there and not about to go."""
        return [line for line in self.query(Input) if not line.has_class("-going")]

    @property
    def value(self) -> str:
        """Return the entries, one a line."""
        return "\n".join(line.value for line in self.lines if line.value.strip())

    @value.setter
    def value(self, text: str) -> None:
        if text == self.value:
            return
        wanted = [*(text.split("\n") if text else []), ""]
        lines = self.lines
        for line, content in zip(lines, wanted, strict=False):
            with line.prevent(Input.Changed):
                line.value = content
        for line in lines[len(wanted) :]:
            line.add_class("-going")
            line.remove()
        if wanted[len(lines) :]:
            self.mount_all([self._line(content) for content in wanted[len(lines) :]])

    def freeze(self) -> None:
        """Let nothing be changed."""
        self.frozen = True
        for line in self.lines:
            line.disabled = True

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self.lines and self.lines[-1].value.strip():
            self.mount(self._line(""))
        self.post_message(self.Changed(self))
