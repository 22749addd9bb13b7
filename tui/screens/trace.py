"""Screen 9: the walk of one packet over existing hosts, hop by hop, and what becomes of one of a given size."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable
from textual.worker import get_current_worker

from netplan.problems import printable
from tui.dialogs.prompt import PromptScreen
from tui.plan.check import Checked
from tui.run import processes
from tui.screens.base import PlannerScreen
from tui.widgets.hop_table import HopTable
from tui.widgets.note import Note

NOTHING = "no packet yet: o names SRC DST PATH... as `ipsecplan trace` does: 10.244.1.5 10.244.2.7 dumps/"


class TraceScreen(PlannerScreen):
    """Runs ``ipsecplan trace`` in a process of its own and can stop it; it only reads."""

    MODE = "trace"
    CSS_PATH = Path(__file__).with_name("trace.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "o", "open", "Open", id="trace.open", tooltip="Name source, destination and dumps, files or ssh://HOST"
        ),
        Binding("z", "size", "Size", id="trace.size", tooltip="Bytes of the packet; empty: one more than what passes"),
        Binding("d", "df", "DF", id="trace.df", tooltip="The packet may be fragmented, or not"),
        Binding("r", "again", "Again", id="trace.again", tooltip="Walk over the same inputs again"),
        Binding("S", "stop", "Stop", id="trace.stop", tooltip="Stop reading"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []  # SRC DST PATH...
        self.bytes = ""
        self.df = True
        self.result: dict[str, Any] = {}
        self.said: list[str] = []
        self._child: processes.Child | None = None

    def body(self) -> ComposeResult:
        """Yield the panes."""
        yield Note(id="trace-head")
        yield HopTable(id="hops")
        yield Note(id="fate")

    def on_mount(self) -> None:
        """Start on the table."""
        super().on_mount()
        self.query_one(HopTable).focus()

    def on_unmount(self) -> None:
        """Leave nothing running."""
        self.action_stop()

    def show(self, checked: Checked | None) -> None:  # noqa: ARG002 - the walk is over hosts, not over the draft
        """Show the walk."""
        self.query_one(HopTable).fill(self.result)
        head, fate = self.query_one("#trace-head", Note), self.query_one("#fate", Note)
        if self._child is not None:
            head.text = f"walking {' '.join(self.words)}; S stops it"
        elif not self.result:
            head.text = NOTHING if not self.words else f"no walk: {' '.join(self.words)}"
        else:
            found = self.result
            head.text = f"{found['src']} -> {found['dst']}, from {found['host'] or 'the host'}, {found['entry']}"
        fate.text = "\n".join([*_fate(self.result), *self.said])

    def aim(self, words: tuple[str, ...]) -> None:
        """Walk what the words name."""
        self._opened(shlex.join(words))

    def action_open(self) -> None:
        """Ask for the packet."""
        question = "SRC DST PATH...: addresses (or HOST:DEVICE), then dumps, files or ssh://HOST"
        self.app.push_screen(PromptScreen(question, shlex.join(self.words)), self._opened)

    def _opened(self, text: str | None) -> None:
        if not text:
            return
        try:
            words = shlex.split(text)
        except ValueError as error:
            self.notify(f"not understood: {error}", severity="warning", timeout=4)
            return
        if len(words) < 3 or "-" in words:
            self.notify("three words at least: source, destination, and a file", severity="warning", timeout=4)
            return
        self.words = words
        self.action_again()

    def action_size(self) -> None:
        """Ask for the size."""
        question = "Bytes of the IP packet; empty: one byte more than what passes"
        self.app.push_screen(PromptScreen(question, self.bytes), self._sized)

    def _sized(self, text: str | None) -> None:
        if text is not None:
            self.bytes = text
            self._if_any()

    def action_df(self) -> None:
        """Let it be fragmented, or not."""
        self.df = not self.df
        self._if_any()

    def _if_any(self) -> None:
        self.refresh_command()
        if self.words:
            self.action_again()

    def action_again(self) -> None:
        """Walk; one at a time."""
        if self._child is not None:
            self.notify("still reading; S stops it", severity="warning", timeout=3)
        elif not self.words:
            self.action_open()
        else:
            self.result, self.said = {}, []
            verb, *rest = self._argv()
            self._child = processes.module("netplan", verb, "--json", *rest)
            self.show(None)
            self.refresh_command()
            self._read(self._child)

    def _argv(self) -> list[str]:
        # `=` and `--` so that nothing that was typed is an option
        size = [f"--size={self.bytes}"] if self.bytes else []
        rest = ["--"] if any(word.startswith("-") for word in self.words) else []
        return ["trace", *size, *([] if self.df else ["--no-df"]), *rest, *self.words]

    @work(thread=True, exclusive=True, group="trace")
    def _read(self, child: processes.Child) -> None:
        worker = get_current_worker()
        text = "\n".join(child.lines())
        code, said = child.end()
        if not worker.is_cancelled:
            self.app.call_from_thread(self._ended, text, code, said)

    def _ended(self, text: str, code: int, said: str) -> None:
        self._child = None
        try:
            self.take(json.loads(text))
        except ValueError:
            self.said = [printable(line) for line in said.splitlines()[-3:]] or [f"stopped (exit {code})"]
            self.show(None)

    def take(self, document: dict[str, Any]) -> None:
        """Take the JSON object that ``ipsecplan trace --json`` prints."""
        self.result = document.get("result") or {}
        self.said = [
            f"{p['code']}: {p['message']}" + (f"; {p['hint']}" if p.get("hint") else "")
            for p in (*document.get("errors", ()), *document.get("warnings", ()))
        ]
        self.show(None)

    def action_stop(self) -> None:
        """Stop reading."""
        if self._child is not None:
            self._child.cancel()

    @on(DataTable.RowSelected)
    def _down(self) -> None:
        """Show the packet of a hop in the calculator."""
        hop = self.query_one(HopTable).chosen()
        if hop is not None:
            self.planner.trail.append(self.MODE)
            self.planner.calculate(str(hop["stack"]), int(hop["mtu"]))

    def command_line(self) -> str:
        """Return the command line that walks the same."""
        return processes.shown(self._argv()) if self.words else "ipsecplan trace --help"

    def command_remark(self) -> str:
        """What is walked does not depend on the draft."""
        return ""


def _fate(found: dict[str, Any]) -> list[str]:
    if not found:
        return []
    at = f" at {found['fate_at']}" if found["fate_at"] else ""
    value = f" {found['reported_mtu']}" if found["reported_mtu"] is not None else ""
    lines = [f"exact MTU: {found['exact']}", f"{found['size']} bytes: {found['fate']}{value}{at}: {found['text']}"]
    return [*lines, *(f"assumed: {each}" for each in found["assumed"])]
