"""The pairs of one host: planned, seen and measured."""

from __future__ import annotations

from netplan.model.node import Node
from netplan.plan.types import Plan
from netplan.problems import printable
from netplan.rollout.record.seen import Look
from tui.draw.host_groups import Measured, seen
from tui.draw.style import cell, tint
from tui.widgets.sortable import Sortable

COLUMNS = (("peer", 20), ("class", 6), ("link", 6), ("inner", 6), ("SA", 8), ("measured", 10), ("set by", 60))


class PeerTable(Sortable):
    """One row a peer."""

    peers: tuple[Node, ...] = ()

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "row"
        self.cell_padding = 0
        for name, width in COLUMNS:
            self.add_column(name, width=width, key=name)

    def fill(self, plan: Plan, node: Node, look: Look | None, measured: Measured) -> None:
        """Show the pairs of a host; the cursor stays on its peer."""
        at = self.chosen()
        clear = {frozenset(pair) for pair in look.clear} if look else set()
        rows = self.arranged(plan.others(node), lambda peer: self._cells(plan, node, peer, look, clear, measured))
        self.peers = tuple(peer for peer, _ in rows)
        self.clear()
        for _, cells in rows:
            self.add_row(*cells)
        if at in self.peers:
            self.move_cursor(row=self.peers.index(at))

    def _cells(
        self, plan: Plan, node: Node, peer: Node, look: Look | None, clear: set[frozenset[str]], measured: Measured
    ) -> list[object]:
        found = plan.class_of(node, peer)
        bad = f"bold {tint(self.app, 'error')}"
        sa = "?" if look is None or not {node.name, peer.name} <= look.nodes.keys() else "up"
        sa = "NONE" if frozenset((node.name, peer.name)) in clear else sa
        word = seen(measured, node, peer) or "-"
        return [
            cell(peer.name if len(peer.name) < 20 else f"{peer.name[:9]}…{peer.name[-9:]}"),
            cell(found.name),
            cell(found.link_mtu),
            cell(found.inner_mtu if found.protected else "clear"),
            cell(sa, bad if sa == "NONE" else ""),
            cell(word, bad if word.startswith("x") else ""),
            cell(found.limited_by),
        ]

    def chosen(self) -> Node | None:
        """Return the peer under the cursor."""
        return self.peers[self.cursor_row] if 0 <= self.cursor_row < len(self.peers) else None

    def pane_text(self) -> str:
        """Return the table as lines."""
        rows = [self.get_row_at(number) for number in range(self.row_count)]
        return "\n".join(printable("  ".join(str(value) for value in row)).rstrip() for row in rows)
