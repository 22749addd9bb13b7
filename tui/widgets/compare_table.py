"""Suites side by side on the same packet: what each leaves inside."""

from __future__ import annotations

from textual.message import Message
from textual.widgets import DataTable

from netplan.problems import ProblemError
from netplan.stack import Solution, parse, solve
from tui.draw import packet
from tui.draw.labels import plain


class CompareTable(DataTable[object]):
    """One row a suite, best first; Enter takes the suite."""

    class Chosen(Message):
        """Somebody wants this suite."""

        def __init__(self, suite: str) -> None:
            super().__init__()
            self.suite = suite

    suites: tuple[str, ...] = ()
    found: tuple[tuple[str, Solution], ...] = ()

    def on_mount(self) -> None:
        """Set the table up."""
        self.cursor_type = "row"
        self.zebra_stripes = True
        self.cell_padding = 0
        self.add_column(" suite", width=18)
        self.add_column("inner", width=6)
        self.add_column(" differs", width=9)
        self.add_column("  MSS", width=6)

    def fill(self, stack: str, link_mtu: int, now: Solution) -> None:
        """Show every suite on this packet and link."""
        mine = packet.suite(stack)
        names = packet.SUITES if mine in packet.SUITES or mine is None else (mine, *packet.SUITES)
        found: list[tuple[str, Solution]] = []
        for name in names:
            try:
                found.append((name, solve(parse(packet.with_suite(stack, name)), link_mtu)))
            except ProblemError:
                continue
        found.sort(key=lambda item: -item[1].inner_mtu)
        self.found = tuple(found)
        self.suites = tuple(name for name, _ in found)
        at = self.cursor_row
        self.clear()
        for name, solution in found:
            gain = solution.inner_mtu - now.inner_mtu
            mark = ">" if name == mine else " "
            self.add_row(
                plain(mark + name),
                plain(f"{solution.inner_mtu:>5}"),
                plain(f"{gain:>+7}" if gain else "      ="),
                plain(f"{solution.mss4:>5}"),
            )
        self.move_cursor(row=min(max(at, 0), max(self.row_count - 1, 0)))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Take the suite of the chosen row."""
        event.stop()
        if event.cursor_row < len(self.suites):
            self.post_message(self.Chosen(self.suites[event.cursor_row]))

    def pane_text(self) -> str:
        """Return the comparison as lines."""
        lines = [f"{'suite':<18} inner    MSS   pad"]
        return "\n".join([*lines, *(f"{n:<18} {s.inner_mtu:>5}  {s.mss4:>5} {s.pad:>5}" for n, s in self.found)])
