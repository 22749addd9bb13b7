"""Screen 4: every file of the bundle before it exists, and what it changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Tree as TreeWidget
from textual.worker import get_current_worker

from netplan.bundle import write
from netplan.inputs.path_kinds import MANIFEST
from netplan.problems import ProblemError, counted, printable
from tui.dialogs.ask import AskScreen
from tui.dialogs.prompt import PromptScreen
from tui.draw import file_tree
from tui.draw.file_tree import Tree
from tui.plan.check import Checked
from tui.run import processes
from tui.screens.base import PlannerScreen
from tui.widgets.file_tree import FileTree
from tui.widgets.note import Note
from tui.widgets.preview import MODES, Preview

NOTHING = "nothing to compare with: b names a bundle, L asks the nodes, or change the plan"


class FilesScreen(PlannerScreen):
    """Tree on the left, file or difference on the right. Compares with the saved plan, or with a directory."""

    MODE = "files"
    CSS_PATH = Path(__file__).with_name("files.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "mode", "Diff", id="files.diff", tooltip="File, unified diff, side by side"),
        Binding("a", "changed", "Changed", id="files.changed", tooltip="All files, or only those that differ"),
        Binding("b", "base", "Against", id="files.against", tooltip="Compare with another bundle or directory"),
        Binding("L", "live", "Live", id="files.live", tooltip="Compare with what the nodes have now: asks every node"),
        Binding("w", "full", "Wide", id="files.wide", tooltip="Give the file the whole width"),
        Binding("m", "raw", "Raw", id="files.raw", tooltip="Markdown as a page, or as it is written"),
        Binding("R", "render", "Render", id="files.render", tooltip="Write the bundle of the saved plan"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.mode = MODES[0]
        self.changed_only = False
        self.against: Path | None = None
        self.now: Tree | None = None
        self.before: Tree | None = None
        self.path: str | None = None
        self.asking: processes.Child | None = None
        self.live: Tree | None = None  # what the nodes had when they were asked
        self.opened: set[str] = set()  # hosts of a large plan that were looked at

    def body(self) -> ComposeResult:
        """Yield the panes."""
        yield Note(id="files-head")
        yield Note(id="files-path")
        with Horizontal(id="files-body"):
            yield FileTree("bundle", id="tree")
            yield Preview(id="preview")

    def on_mount(self) -> None:
        """Compare with what the command line said."""
        self.against = self.planner.against
        super().on_mount()
        self.query_one(FileTree).focus()

    def on_resize(self) -> None:
        """Side by side depends on the width."""
        self.call_after_refresh(self._show_file)

    def show(self, checked: Checked | None) -> None:
        """Render in the background and show what came of it."""
        if checked is None or checked.plan is None:
            self.query_one("#files-head", Note).text = (
                "no plan is open" if checked is None else "the plan has errors (screen 2): no files"
            )
            return
        self.query_one("#files-head", Note).text = "rendering ..."
        self._gather(checked)

    @work(thread=True, exclusive=True, group="files")
    def _gather(self, checked: Checked) -> None:
        worker = get_current_worker()
        try:
            now, before = self._trees(checked)
        except ProblemError as error:
            self.app.call_from_thread(self._failed, error)
            return
        if not worker.is_cancelled:
            self.app.call_from_thread(self._gathered, now, before)

    def _trees(self, checked: Checked) -> tuple[Tree, Tree | None]:
        desk, rendered = self.planner.desk, self.planner.bundle
        now = self._in_memory("draft" if desk.dirty else "plan", checked)
        before = None
        if self.live is not None:
            return file_tree.installed(now), file_tree.without(self.live, self._unopened(checked))
        if self.against is not None:
            before = file_tree.of_directory(self.against, self._unopened(checked))
        elif desk.dirty and desk.saved is not None and desk.saved.plan is not None:
            before = self._in_memory("saved plan", desk.saved)
        elif not desk.dirty and (rendered / MANIFEST).is_file():
            before = file_tree.of_directory(rendered, self._unopened(checked))
        return now, before

    def _in_memory(self, label: str, checked: Checked) -> Tree:
        closed = self._unopened(checked)
        hosts = [node for node in (checked.plan.nodes if checked.plan else ()) if node.id not in closed]
        return file_tree.of_files(label, self.planner.desk.files(checked, hosts))

    def _unopened(self, checked: Checked) -> frozenset[str]:
        """Return the hosts whose files are not rendered: of a large plan, those that nobody has looked at."""
        nodes = checked.plan.nodes if checked.plan else ()
        if len(nodes) <= file_tree.IN_MEMORY:
            return frozenset()
        return frozenset(node.id for node in nodes) - self.opened

    def _failed(self, error: ProblemError) -> None:
        problem = error.problems[0]
        self.query_one("#files-head", Note).text = f"{problem.location.path}: {problem.message}"

    def _gathered(self, now: Tree, before: Tree | None) -> None:
        self.now, self.before = now, before
        marks = file_tree.changes(before, now)
        checked = self.planner.desk.checked
        nodes = checked.plan.nodes if checked and checked.plan else ()
        closed = self._unopened(checked) if checked else frozenset()
        folders = {n.id: f"{'nodes' if n.managed else 'unmanaged-peers'}/{n.id}" for n in nodes if n.id in closed}
        names = {n.id: n.name for n in nodes}
        self.query_one(FileTree).fill(marks, names, folders.values(), changed_only=self.changed_only)
        changed = sum(1 for mark in marks.values() if mark != " ")
        against = f"; against {before.label}: {changed} differ" if before else ""
        hosts = f"  {len(nodes) - len(closed)} of {counted(len(nodes), 'host')} opened" if closed else ""
        about = f" ({before.about})" if before and before.about else ""
        self.query_one(
            "#files-head", Note
        ).text = f"{counted(len(now.texts), 'file')} of the {now.label}{against}{about}  [{self.mode}]{hosts}"
        self._show_file()

    @on(TreeWidget.NodeExpanded)
    def _expanded(self, event: TreeWidget.NodeExpanded[str]) -> None:
        """Render a host when it is opened."""
        checked = self.planner.desk.checked
        host = (event.node.data or "").rpartition("/")[2]
        if checked is not None and host in self._unopened(checked):
            self.opened.add(host)
            self._gather(checked)

    @on(TreeWidget.NodeHighlighted)
    def _chosen(self, event: TreeWidget.NodeHighlighted[str]) -> None:
        if event.node.allow_expand or event.node.data is None:
            return
        self.path = event.node.data
        self._show_file()

    def _show_file(self) -> None:
        if self.now is None:
            return
        preview = self.query_one(Preview)
        known = self.now.texts.keys() | (self.before.texts.keys() if self.before else set())
        if self.path not in known:
            preview.say("nothing differs" if self.changed_only else "")
            return
        self.query_one("#files-path", Note).text = self.path or ""
        before = self.before.texts.get(self.path) if self.path and self.before else None
        labels = (self.before.label if self.before else "", self.now.label)
        preview.show(self.path, before, self.now.texts.get(self.path), self.mode, labels)

    def action_mode(self) -> None:
        """Take the next way to show a file."""
        if self.before is None:
            self.notify(NOTHING, timeout=3)
            return
        self.mode = MODES[(MODES.index(self.mode) + 1) % len(MODES)]
        self._again()

    def action_changed(self) -> None:
        """Show all files, or only those that differ."""
        if self.before is None and not self.changed_only:
            self.notify(NOTHING, timeout=3)
            return
        self.changed_only = not self.changed_only
        self._again()

    def _again(self) -> None:
        if self.now is not None:
            self._gathered(self.now, self.before)

    def action_raw(self) -> None:
        """Show Markdown as a page, or as it is written."""
        preview = self.query_one(Preview)
        preview.raw = not preview.raw
        self._show_file()

    def aim(self, words: tuple[str, ...]) -> None:
        """Put the cursor on the first file whose path has these letters."""
        tree = self.query_one(FileTree)
        found = next((p for p in (self.now.texts if self.now else ()) if words[0].lower() in p.lower()), None)
        if found is not None:
            self.path = found
            tree.show_path(found)
            self._show_file()

    def action_full(self) -> None:
        """Give the file the whole width, or the tree its place back."""
        self.toggle_class("-full")
        (self.query_one(Preview) if self.has_class("-full") else self.query_one(FileTree)).focus()
        self.call_after_refresh(self._show_file)

    def action_live(self) -> None:
        """Ask every node what it has, or compare with the saved plan again; a second L while they answer stops it."""
        if self.asking is not None:
            self.asking.cancel()
        elif self.live is not None:
            self.live = None
            self.show(self.planner.desk.checked)
        else:
            self.query_one("#files-head", Note).text = "asking every node what it has (L stops) ..."
            self._ask()

    @work(thread=True, exclusive=True, group="live")
    def _ask(self) -> None:
        state = ["--state-dir", self.planner.state_dir] if self.planner.state_dir else []
        child = self.asking = processes.module("tui.run.live", str(self.planner.bundle), *state)
        text = "\n".join(child.lines())
        code, said = child.end()
        self.asking = None
        try:
            found = json.loads(text)
        except ValueError:
            found = {"problems": [{"message": said.strip().splitlines()[-1] if said.strip() else f"exit {code}"}]}
        self.app.call_from_thread(self._answered, found)

    def _answered(self, found: dict[str, Any]) -> None:
        for problem in found["problems"][:3]:
            self.notify(printable(str(problem["message"])), title="live", severity="error", markup=False)
        if not found["problems"]:
            self.live = file_tree.of_nodes(found["nodes"])
            self.mode = MODES[1] if self.mode == MODES[0] else self.mode
            self.changed_only = True
        self.show(self.planner.desk.checked)

    def on_unmount(self) -> None:
        """Leave nothing running."""
        if self.asking is not None:
            self.asking.cancel()

    def action_base(self) -> None:
        """Ask what to compare with."""
        question = "Compare with which bundle or directory? Empty: the saved plan."
        self.app.push_screen(PromptScreen(question, str(self.against or "")), self._based)

    def _based(self, answer: str | None) -> None:
        if answer is not None:
            self.against, self.live = Path(answer) if answer else None, None
            self.show(self.planner.desk.checked)

    def action_render(self) -> None:
        """Write the bundle of the saved plan, after asking."""
        desk = self.planner.desk
        if desk.readonly:
            self.notify("started with --readonly", severity="warning")
        elif desk.dirty or desk.checked is None or desk.checked.plan is None:
            self.notify("save a plan without errors first (ctrl+s)", severity="warning")
        else:
            target = self.planner.bundle
            self.app.push_screen(AskScreen(f"Write the bundle to {target}?", "render"), self._write_agreed)

    def _write_agreed(self, agreed: bool | None) -> None:
        if agreed:
            self.query_one("#files-head", Note).text = "rendering ..."
            self._write()

    @work(thread=True, exclusive=True, group="render")
    def _write(self) -> None:
        checked = self.planner.desk.checked
        if checked is None or checked.plan is None or checked.inventory is None:
            return
        try:
            written = write.write(self.planner.bundle, checked.plan, checked.inventory)
        except ProblemError as error:
            self.app.call_from_thread(self.planner.complain, error)
        except OSError as error:
            self.app.call_from_thread(self.notify, f"{self.planner.bundle}: {error.strerror}", severity="error")
        else:
            text = (
                f"{written.directory}: {counted(len(written.manifest['files']), 'file')}, digest {written.digest[:16]}"
            )
            self.app.call_from_thread(self.notify, text, markup=False)
        self.app.call_from_thread(self.show, self.planner.desk.checked)

    def _other_bundle(self) -> bool:
        """Tell whether the files are compared with a bundle, which `diff` can do when these are rendered."""
        return self.against is not None and self.against != self.planner.bundle and (self.against / MANIFEST).is_file()

    def command_remark(self) -> str:
        """Say what has to be done before the line tells the same."""
        first = super().command_remark()
        if self._other_bundle():
            return f"{first} and R" if first else "after R"
        return first

    def command_line(self) -> str:
        """Return the command line that writes these files, or compares them with a bundle's or the nodes'."""
        to = str(self.planner.bundle)
        if self.live is not None:
            state = ["--state-dir", self.planner.state_dir] if self.planner.state_dir else []
            return processes.shown(["diff", "--live", to, *state])
        if self._other_bundle():
            return processes.shown(["diff", str(self.against), to])
        return processes.shown(["render", str(self.planner.desk.path or "plan.yaml"), "--to", to])
