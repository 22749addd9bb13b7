"""Screen 2: the plan file as a form and as it stands, checked with every key."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.events import Click
from textual.widget import Widget

from netplan.inputs.yaml_source import Key, Source, parse
from netplan.problems import Problem, ProblemError
from tui.plan.check import Checked
from tui.plan.fields import Field
from tui.screens.base import PlannerScreen
from tui.widgets.plan_form import PlanForm, by_field
from tui.widgets.plan_source import PlanSource
from tui.widgets.problem_list import ProblemList


class PlanScreen(PlannerScreen):
    """Form on the left, file on the right, what is wrong below."""

    MODE = "plan"
    CSS_PATH = Path(__file__).with_name("plan.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "app.save", "Save", id="plan.save", tooltip="Save the plan, after its diff"),
        Binding("ctrl+z", "app.undo", "Undo", priority=True, id="plan.undo", tooltip="One change back"),
        Binding("ctrl+y", "app.redo", "Redo", priority=True, id="plan.redo", tooltip="One change forward"),
        Binding("f4,e", "edit", "Editor", id="plan.edit", tooltip="Edit the whole file in $EDITOR"),
        Binding("f6", "drop", "Default", id="plan.drop", tooltip="Take the key out: its default holds"),
        Binding("h", "hosts", "Hosts", id="plan.hosts", tooltip="The hosts and their variables, to be edited"),
        Binding("escape", "leave", "Leave field", id="plan.leave", tooltip="Leave the field: number keys work again"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.pending: dict[Key, Problem] = {}  # typed, but not to be written into the file
        self.field: Field | None = None

    def body(self) -> ComposeResult:
        """Yield the panes."""
        with Horizontal(id="plan-body"):
            yield PlanForm(id="form")
            yield PlanSource(id="source")
        yield ProblemList(id="problems")

    def on_mount(self) -> None:
        """Start on the form, with no field open."""
        super().on_mount()
        form = self.query_one(PlanForm)
        if self.planner.desk.draft is None or self.planner.desk.readonly:
            form.freeze()
        form.focus()

    def inside(self) -> bool:
        """Tell whether a field is open, which Esc leaves."""
        return self.query_one(PlanForm).editing

    def show(self, checked: Checked | None) -> None:
        """Show the draft and what is wrong with it."""
        problems_list = self.query_one(ProblemList)
        draft = self.planner.desk.draft
        if checked is None or draft is None:
            problems_list.tell((), "No plan is open. `ipsecplan init` writes one, `ipsecplan ui plan.yaml` opens it.")
            return
        form = self.query_one(PlanForm)
        source = checked.loaded.source if checked.loaded else self._as_yaml(draft.text)
        form.fill(checked, source.data if source else None, self.planner.desk.typed)
        at = {**by_field(checked.problems, source, [f.at for f in form.all.values()]), **self.pending}
        form.mark(at)
        own = tuple(p for p in checked.problems if p.location.path == str(draft.path))
        mark = source.values.get(self.field.at) if source and self.field else None
        self.query_one(PlanSource).fill(draft.text, draft.saved, own, mark.line if mark else None)
        problems_list.tell((*self.pending.values(), *checked.problems), self._good(checked))

    def _as_yaml(self, text: str) -> Source | None:
        """The draft as YAML, for its positions; None when it is not even that."""
        try:
            return parse(text.encode(), str(self.planner.desk.path))
        except ProblemError:
            return None

    def _good(self, checked: Checked) -> str:
        about = f"{self.field.name}: {self.field.about}" if self.field and self.field.about else ""
        if checked.waiting:
            return f"reading the inventory ...\n{about}"
        if checked.plan is None:
            return about
        limiting = checked.plan.limiting
        return (
            f"ok: pod MTU {checked.plan.pod_mtu}, set by link {limiting.link_mtu} ({limiting.limited_by}), "
            f"{limiting.worst.proposal.text}\n{about}"
        )

    @on(PlanForm.Entered)
    def _entered(self, event: PlanForm.Entered) -> None:
        self.field = event.field
        self.show(self.planner.desk.checked)

    @on(PlanForm.Typed)
    def _typed(self, event: PlanForm.Typed) -> None:
        desk, field = self.planner.desk, event.field
        self.pending.pop(field.at, None)
        desk.typed = field.at
        try:
            value = field.read(event.text)
            if field.optional and value == "":
                desk.remove(field.at, typed=field.at)
            else:
                desk.set(field.at, value, typed=field.at)
        except ProblemError as error:
            self.pending[field.at] = error.problems[0]
        self.planner.tell_plan()

    def action_leave(self) -> None:
        """Leave the field that is open."""
        self.query_one(PlanForm).focus()

    def jumps(self) -> list[Widget]:
        """Return what a letter can be put on: every field."""
        form = self.query_one(PlanForm)
        return [*(form.query_one(f"#{name}") for name in form.all), self.query_one(PlanSource)]

    def jump(self, target: Widget) -> None:
        """Open a field, or give the focus to the file."""
        form = self.query_one(PlanForm)
        form.edit(target.id) if target.id in form.all else target.focus()

    def aim(self, words: tuple[str, ...]) -> None:
        """Put the cursor on the first field whose name has these letters."""
        form = self.query_one(PlanForm)
        for name, field in form.all.items():
            if words[0].lower() in field.name:
                form.point(name)
                return

    def action_hosts(self) -> None:
        """Show the hosts of the inventory."""
        from tui.screens.hosts import HostsScreen

        self.app.push_screen(HostsScreen())

    def action_drop(self) -> None:
        """Take the key of the present field out of the file."""
        if self.field is not None:
            field = self.field
            self.pending.pop(field.at, None)
            self.query_one(PlanForm).focus()
            self.planner.attempt(lambda: self.planner.desk.remove(field.at))

    def action_edit(self) -> None:
        """Edit a copy in the user's editor, and take what comes back as one change."""
        desk = self.planner.desk
        if desk.draft is None or desk.readonly:
            self.notify("nothing to edit" if desk.draft is None else "started with --readonly", severity="warning")
            return
        editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / desk.draft.path.name
            copy.write_text(desk.draft.text, encoding="utf-8")
            try:
                # Ctrl-C in the editor reaches every process of the terminal; it is meant for the editor
                before = signal.signal(signal.SIGINT, lambda *_: None)
                try:
                    with self.app.suspend():
                        subprocess.run([*editor, str(copy)], check=False)
                finally:
                    signal.signal(signal.SIGINT, before)
                text = copy.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                self.notify(f"{editor[0]}: {error}", severity="error", markup=False)
                return
        self.pending.clear()
        self.planner.attempt(lambda: desk.replace(text))

    @on(Click, "#source")
    def _source_clicked(self) -> None:
        self.query_one(PlanSource).focus()

    def command_line(self) -> str:
        """Return how to check this plan."""
        return f"ipsecplan lint {shlex.quote(str(self.planner.desk.path or 'plan.yaml'))}"
