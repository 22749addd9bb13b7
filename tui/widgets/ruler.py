"""The byte ruler: the largest packet to scale, the selected row highlighted."""

from __future__ import annotations

from textual.content import Content, Span
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from netplan.stack import Solution
from tui.draw import byte_ruler


class ByteRuler(Widget):
    """Four lines: offsets, names, bytes, what is encrypted. Click a field to select its row."""

    DEFAULT_CSS = """
    ByteRuler { height: 4; width: 1fr; }
    """

    solution: reactive[Solution | None] = reactive(None)
    selected: reactive[int] = reactive(0)

    class Picked(Message):
        """A field was clicked; ``row`` is the row of the ledger."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    def drawn(self) -> byte_ruler.Ruler | None:
        """Return the ruler as laid out for the present width."""
        if self.solution is None or self.size.width < 10:
            return None
        return byte_ruler.ruler(self.solution, self.size.width)

    def render(self) -> Content:
        """Draw the ruler with the selected field in reverse."""
        ruler = self.drawn()
        if ruler is None or self.solution is None:
            return Content("")
        offsets, names, sizes, under = byte_ruler.lines(ruler, self.solution.outer_packet)
        spans = []
        for cell in ruler.cells:
            style = "$text-success" if cell.encrypted else "$text-warning"
            if self.selected in cell.rows:
                style = "reverse bold"
            spans.append(Span(cell.start, cell.start + cell.width, style))
        return Content("\n").join(
            [
                Content.styled(offsets, "$text-muted"),
                Content(names, spans),
                Content(sizes, spans),
                Content.styled(under, "$text-success"),
            ]
        )

    def on_click(self, event: Click) -> None:
        """Select the row under the mouse."""
        ruler = self.drawn()
        for cell in ruler.cells if ruler else ():
            if cell.start - 1 <= event.x < cell.start + cell.width:
                self.post_message(self.Picked(cell.rows[0]))

    def pane_text(self) -> str:
        """Return the ruler as text."""
        ruler = self.drawn()
        return "\n".join(byte_ruler.lines(ruler, self.solution.outer_packet)) if ruler and self.solution else ""
