"""Actions of the app on the open plan: read, change, save."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import work
from textual.app import App
from textual.signal import Signal
from textual.worker import get_current_worker

from netplan.problems import ProblemError
from tui.plan.session import Desk

if TYPE_CHECKING:
    from pathlib import Path

    from tui.draw.host_groups import Measured
    from tui.plan.check import Checked
    from tui.plan.drafts import Kept


class PlanActions(App[int]):
    """Keeps every screen in step with the draft."""

    desk: Desk
    bundle: Path  # of the rollout, and where Files writes
    against: Path | None  # what Files compares with at first
    state_dir: str | None
    measured: Measured
    plan_changed: Signal[Checked | None]
    trail: list[str]
    kept: Path | None = None  # where the unsaved text lies on disk, once it was kept or taken from there
    on_disk: bool = False  # whether the last attempt to keep it worked

    def calculate(self, stack: str, link_mtu: int) -> None:
        """Show a packet in the calculator. ``link_mtu`` is in bytes."""
        raise NotImplementedError

    def follow(self, transaction: str) -> None:
        """Show a transaction on the rollout screen."""
        raise NotImplementedError

    def go(self, mode: str, action: str = "") -> None:
        """Show a screen from another one, and run one of its actions."""
        raise NotImplementedError

    def show_node(self, name: str) -> None:
        """Show one host and its pairs."""
        raise NotImplementedError

    def show_traffic(self) -> None:
        """Show what pairs send each other; the app does."""
        raise NotImplementedError

    def show_pair(self, one: str, other: str) -> None:
        """Show one pair of hosts."""
        raise NotImplementedError

    def look(self) -> None:
        """Read the inventory in the background if there is one to read."""
        if self.desk.waiting:
            self._read_inventory()

    @work(thread=True, exclusive=True, group="inventory")
    def _read_inventory(self) -> None:
        worker = get_current_worker()
        self.desk.read_inventory()
        if not worker.is_cancelled:
            self.call_from_thread(self._inventory_read)

    def _inventory_read(self) -> None:
        self.desk.recheck()
        self.tell_plan()

    def tell_plan(self) -> None:
        """Let every screen know that the plan has changed."""
        self.plan_changed.publish(self.desk.checked)
        self.look()

    def attempt(self, change: Callable[[], object]) -> bool:
        """Run a change of the plan; show what is wrong with it, or the new plan."""
        try:
            change()
        except ProblemError as error:
            self.complain(error)
            return False
        self.tell_plan()
        return True

    def complain(self, error: ProblemError) -> None:
        """Show problems as a message."""
        for problem in error.problems[:3]:
            hint = f"\n{problem.hint}" if problem.hint else ""
            self.notify(problem.message + hint, title=problem.code, severity="error", markup=False)

    def action_undo(self) -> None:
        """Go one change of the plan back."""
        if self.desk.draft is not None:
            self.attempt(self.desk.undo)

    def action_redo(self) -> None:
        """Take an undone change again."""
        if self.desk.draft is not None:
            self.attempt(self.desk.redo)

    def action_reload(self) -> None:
        """Read plan and inventory again, dropping nothing without asking."""
        if self.desk.dirty:
            from tui.dialogs.ask import AskScreen

            self.push_screen(AskScreen("Reload and lose the unsaved changes?", "reload"), self._reload)
        elif self.attempt(self.desk.reload):
            self.kept = None  # a draft that was taken and undone: nobody has said that it may go

    def _reload(self, agreed: bool | None) -> None:
        if agreed and self.attempt(self.desk.reload):
            self.give_up()

    def action_save(self) -> None:
        """Show what would be written, then write it."""
        if self.desk.readonly:
            self.notify("started with --readonly", severity="warning")
        elif not self.desk.dirty or self.desk.draft is None:
            self.notify("nothing to save", timeout=2)
        else:
            from tui.dialogs.save import SaveScreen

            self.push_screen(SaveScreen(self.desk), self._saved)

    def _saved(self, agreed: bool | None) -> None:
        if agreed and self.attempt(self.desk.save):
            self.give_up()
            self.notify(f"{self.desk.path} saved", timeout=3, markup=False)

    # drafts that outlive the planner

    def keep_draft(self) -> None:
        """Write what is unsaved to disk, for the next start. Never raises: it runs when something else has failed."""
        draft = self.desk.draft
        if draft is None or not self.desk.dirty or self.desk.readonly:
            return
        self.on_disk = False
        with contextlib.suppress(Exception):  # then the caller finds that it isn't on disk
            from tui.plan import drafts

            self.kept = drafts.keep(draft.path, draft.text, draft.raw_saved, self.state_dir, self.kept)
            self.on_disk = True

    def give_up(self) -> None:
        """Forget the draft on disk: its text is saved, or its owner has said that it may go."""
        if self.kept is not None:
            with contextlib.suppress(OSError):
                self.kept.unlink()
            self.kept = None

    def offer_draft(self) -> None:
        """Offer the draft that an earlier planner couldn't save; it is applied only when the user agrees."""
        draft = self.desk.draft
        if draft is None or self.desk.dirty:
            return
        from tui.plan import drafts

        for kept in drafts.found(draft.path, self.state_dir):
            if self.desk.readonly:
                self.notify(
                    f"{kept.path}: unsaved changes of {kept.at}; without --readonly they can be taken",
                    title="Draft",
                    markup=False,
                )
            else:
                from tui.dialogs.draft import DraftScreen

                self.push_screen(DraftScreen(draft, kept), lambda answer, kept=kept: self._offered(answer, kept))
            return

    def _offered(self, answer: str | None, kept: Kept) -> None:
        if answer == "take" and self.attempt(lambda: self.desk.replace(kept.text)):
            self.kept = kept.path
            self.notify("ctrl+s saves it, ctrl+z goes back to the file", title="Draft taken", markup=False)
        elif answer == "drop":
            self.kept = kept.path
            self.give_up()
            self.offer_draft()  # there may be an older one
