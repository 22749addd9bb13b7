"""The part of the rollout screen that changes nodes: it asks, then starts a verb in a process of its own."""

from __future__ import annotations

import time
from pathlib import Path

from textual import work
from textual.worker import get_current_worker

from netplan.bundle import reader
from netplan.problems import ProblemError, counted, printable
from netplan.rollout.outcome import Options
from netplan.rollout.pace import USUAL_TIMER_S
from netplan.rollout.record.journal import state_root
from tui.dialogs.ask import AskScreen
from tui.dialogs.prompt import PromptScreen
from tui.draw import bundle_words
from tui.run import processes
from tui.run.journal_tail import controller, folder
from tui.run.rollout_state import RolloutState
from tui.screens.base import PlannerScreen

DEFAULTS = Options()


class RolloutActions(PlannerScreen):
    """Apply, try, confirm, resume, revert; each asks first, and none with ``--readonly``."""

    state: RolloutState
    cluster: str
    pinned: str | None

    @property
    def root(self) -> Path:
        """Return the state directory."""
        return state_root(self.planner.state_dir)

    @property
    def state_option(self) -> list[str]:
        """Return the option that names the state directory, if one was given."""
        return ["--state-dir", self.planner.state_dir] if self.planner.state_dir else []

    def working(self) -> int | None:
        """Return the process that is at work on the cluster."""
        return controller(self.root, self.cluster) if self.cluster else None

    def _may_not(self) -> bool:
        if self.planner.desk.readonly:
            self.notify("started with --readonly", severity="warning")
            return True
        return False

    def _busy(self) -> bool:
        if self._may_not():
            return True
        pid = self.working()
        if pid is not None:
            self.notify(f"process {pid} is at work on {self.cluster}; U stops it", severity="warning", markup=False)
        return pid is not None

    def _about(self) -> str | None:
        """Return what would be changed, in words; complains when there is no whole bundle."""
        try:
            found = reader.read(self.planner.bundle)
        except ProblemError as error:
            self.planner.complain(error)
            return None
        return f"{self.planner.bundle} ({found.digest[:16]}) on {counted(len(found.nodes), 'node')} of {found.cluster}"

    def _what(self) -> str:
        """Return size, cipher and pairs of the bundle, and whether the open plan is still the one that it is from."""
        desk = self.planner.desk
        loaded = desk.saved.loaded if desk.saved else None
        try:
            found = reader.read(self.planner.bundle)
            lines = [
                *bundle_words.about(found),
                *bundle_words.unlike_plan(
                    found, loaded.plan if loaded else None, desk.path, desk.saved.inventory if desk.saved else None
                ),
            ]
        except ProblemError as error:
            return f"! {error.problems[0].message}\n"
        return "".join(f"{line}\n" for line in lines)

    def action_apply(self) -> None:
        """Apply the bundle, after asking."""
        about = None if self._busy() else self._about()
        if about is not None:
            question = (
                f"Apply {about}?\n{self._what()}"
                f"Each node rolls back by itself {USUAL_TIMER_S} s after the last step that "
                "reached it (later where round trips are slow), unless every check passed."
            )
            self._ask(question, "apply", ["apply", str(self.planner.bundle), "--yes"])

    def action_try(self) -> None:
        """Apply and verify the bundle; it is kept only if confirmed in time. Asks for the time."""
        about = None if self._busy() else self._about()
        if about is not None:
            question = (
                f"Try {about}?\n{self._what()}"
                "Once verified, it waits for C to confirm, and rolls back after this many seconds:"
            )
            self.app.push_screen(PromptScreen(question, str(DEFAULTS.keep_s)), self._try)

    def _try(self, seconds: str | None) -> None:
        if seconds is not None:
            # the verb itself says what it takes; `=` so that nothing that was typed is an option
            self._start(["try", str(self.planner.bundle), "--yes", "--detach", f"--confirm-timeout={seconds}"])

    def action_confirm(self) -> None:
        """Confirm what was tried."""
        if self._busy():
            return
        if not self.state.awaiting:
            self.notify("nothing waits for confirmation: t tries the bundle", severity="warning", timeout=3)
            return
        question = "Keep it? It is measured once more, then every node's timer ends."
        self._ask(question, "keep it", ["confirm", str(self.planner.bundle)])

    def action_resume(self) -> None:
        """Go on with what a controller left behind."""
        about = None if self._busy() else self._about()
        if about is not None:
            question = f"Go on with {about} where its controller died? The nodes know what they have done."
            self._ask(question, "go on", ["resume", str(self.planner.bundle), "--yes"])

    def action_revert(self) -> None:
        """Stop a running transaction, or roll the bundle back; after asking."""
        if self._may_not():
            return
        if self.working() is not None:
            self.app.push_screen(AskScreen("Stop after this phase and roll back on every node?", "stop"), self._stop)
        else:
            question = (
                "Reject the try: roll back on every node now?"
                if self.state.awaiting
                else "Remove everything from every node? Overlay packets go in CLEAR afterwards."
            )
            self._ask(question, "revert", ["revert", str(self.planner.bundle), "--yes"])

    def _stop(self, agreed: bool | None) -> None:
        pid = self.working()
        if agreed and pid is not None:
            processes.stop(pid)
            self.notify("stopping after this phase, then rolling back", timeout=4)

    def _ask(self, question: str, yes: str, verb: list[str]) -> None:
        def answered(agreed: bool | None) -> None:
            if agreed:
                self._start(verb)

        self.app.push_screen(AskScreen(question, yes), answered)

    def _start(self, verb: list[str]) -> None:
        self.pinned = None
        log = folder(self.root, self.cluster) / "planner.log"
        pid = processes.start_detached([*verb, *self.state_option], log)
        self.notify(f"process {pid}; its output is in {_short(log)}", title=verb[0], timeout=4, markup=False)
        self._watch(log)

    @work(thread=True, exclusive=True, group="watch")
    def _watch(self, log: Path) -> None:
        """Say so when a controller ends: not everything that it says is in its journal."""
        worker = get_current_worker()
        while not worker.is_cancelled:
            codes = processes.ended()
            if codes:
                last = [
                    line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
                ][-1:]
                severity = "information" if codes[-1] == 0 else "error"
                text = printable(" ".join(last)) or f"exit {codes[-1]}"
                self.app.call_from_thread(self.notify, text, title=f"exit {codes[-1]}", severity=severity, markup=False)
                return
            time.sleep(0.2)


def _short(path: Path) -> str:
    """Return a path as people write it."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
