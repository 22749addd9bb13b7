"""The nodes of a rollout: progress, state, and seconds until the rollback timer fires."""

from __future__ import annotations

from collections.abc import Iterable

from tui.draw.style import cell, tint
from tui.run.rollout_state import WORDS, NodeState, RolloutState
from tui.widgets.sortable import Sortable

BAR = 8
COLUMNS = (
    ("node", 12),
    ("progress", 15),
    ("phase", 16),
    ("state", 12),
    ("age", 6),
    ("rolls back", 11),
    ("last word", 60),
)


class NodeTable(Sortable):
    """One row a node; only rows that changed are written anew."""

    state: RolloutState | None = None

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "row"
        self.cell_padding = 0
        for name, width in COLUMNS:
            self.add_column(name, width=width, key=name)

    def fill(self, state: RolloutState, now: float) -> None:
        """Show a state; a new transaction starts a new table."""
        if state is not self.state or state.nodes.keys() - {key.value for key in self.rows}:
            self.state = state
            self.clear()
            for name, cells in self.arranged(state.nodes, lambda name: self._cells(state, state.nodes[name], now)):
                self.add_row(*cells, key=name)
        else:
            for name in state.dirty:
                for (column, _), value in zip(COLUMNS, self._cells(state, state.nodes[name], now), strict=True):
                    self._put(name, column, value)
        state.dirty.clear()

    def again(self, now: float) -> None:
        """Write all rows anew, in the chosen order."""
        state, self.state = self.state, None
        if state is not None:
            self.fill(state, now)

    def chosen(self) -> str | None:
        """Return the node under the cursor."""
        keys = [key.value for key in self.rows]
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else None

    def tick(self, now: float, names: Iterable[str]) -> None:
        """Bring the clocks of these nodes up to date."""
        if self.state is None:
            return
        for name in names:
            node = self.state.nodes.get(name)
            if node is not None and name in self.rows:
                self._put(name, "age", cell(_age(node, now)))
                self._put(name, "rolls back", cell(self._clock(self.state, node, now)))

    def _put(self, name: str, column: str, value: object) -> None:
        """Write a cell that has changed: each one written is a region to draw."""
        if self.get_cell(name, column) != value:
            self.update_cell(name, column, value)

    def _cells(self, state: RolloutState, node: NodeState, now: float) -> list[object]:
        wanted = state.plan()
        done = sum(1 for phase in wanted if phase in node.done)
        filled = BAR * done // max(len(wanted), 1)
        style = WORDS.get(node.word, "")
        colour = tint(self.app, style) if style else ""
        return [
            cell(node.name[:11]),
            cell(f"{'━' * filled}{'╌' * (BAR - filled)} {done:>2}/{len(wanted)}", colour),
            cell(node.phase[:15]),
            cell(node.word, f"bold {colour}" if node.word == "FAILED" else colour),
            cell(_age(node, now)),
            cell(self._clock(state, node, now)),
            cell(node.detail),
        ]

    def _clock(self, state: RolloutState, node: NodeState, now: float) -> str:
        left = state.clock(node, now)
        if left is None:
            return "-"
        return f"≤ {minutes(left)}" if left else "over"

    def pane_text(self) -> str:
        """Return the nodes as lines."""
        if self.state is None:
            return ""
        nodes = self.state.nodes.values()
        return "\n".join(f"{n.name:<14} {n.phase:<13} {n.word:<8} {n.detail}".rstrip() for n in nodes)


def minutes(seconds: float) -> str:
    """Return seconds as minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _age(node: NodeState, now: float) -> str:
    if node.at is None:
        return "-"
    seconds = max(int(now - node.at), 0)
    return f"{seconds} s" if seconds < 100 else f"{seconds // 60} m" if seconds < 6000 else f"{seconds // 3600} h"
