"""The plan as a form: a line for each value, a mark where something is wrong with it."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Click, DescendantFocus
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from netplan.inputs.yaml_source import Key, Source
from netplan.problems import Problem, printable
from tui.plan.check import Checked
from tui.plan.fields import Field, fields
from tui.widgets.choice import Choice
from tui.widgets.row_list import RowList


class PlanForm(VerticalScroll, can_focus=True, inherit_bindings=False):
    """Inputs and choices by key path; says what was typed, and knows no rule.

    A cursor goes from line to line. Only Enter, a click or a jump opens a field: a key that goes somewhere never edits.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", "Next field", show=False, id="form.next", tooltip="Next field"),
        Binding("up", "move(-1)", "Previous field", show=False, id="form.previous", tooltip="Previous field"),
        Binding("enter", "open", "Edit", id="form.open", tooltip="Edit the field under the cursor; Esc leaves it"),
        Binding("pageup", "move(-10)", "Ten up", show=False, id="form.page_up", tooltip="Ten fields up"),
        Binding("pagedown", "move(10)", "Ten down", show=False, id="form.page_down", tooltip="Ten fields down"),
    ]

    class Typed(Message):
        """A field was changed by hand."""

        def __init__(self, field: Field, text: str) -> None:
            super().__init__()
            self.field, self.text = field, text

    class Entered(Message):
        """A field got the focus."""

        def __init__(self, field: Field) -> None:
            super().__init__()
            self.field = field

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.all = {_id(field.at): field for field in fields()}
        self.cursor = next(iter(self.all))
        self.frozen = False

    def compose(self) -> ComposeResult:
        """Make the lines, with a heading for each section."""
        section = ""
        for name, field in self.all.items():
            if len(field.at) > 1 and field.at[0] != section:
                section = str(field.at[0])
                yield Static(Content.styled(section, "bold $primary"), classes="section")
            if field.kind == "rows":
                with Vertical(classes="rows", id=f"line-{name}"):
                    with Horizontal(classes="field"):
                        yield Static(Content(".".join(map(str, field.at[1:] or field.at))), classes="name")
                        yield Static("", classes="mark")
                    yield RowList(field.example, id=name)
                continue
            with Horizontal(classes="field", id=f"line-{name}"):
                yield Static(Content(".".join(map(str, field.at[1:] or field.at))), classes="name")
                box: Choice | Input
                if field.kind == "choice":
                    box = Choice(field.choices, "", id=name)
                else:
                    box = Input(id=name, compact=True, select_on_focus=False)
                box.can_focus = False  # until it is opened
                yield box
                yield Static("", classes="mark")

    def fill(self, checked: Checked, data: Any, keep: Key | None = None) -> None:
        """Show the values of a checked draft, or, while its shape is wrong, what stands in it (``data``).

        The field ``keep`` is being typed in: what is drawn here may be older than what stands in it already.
        """
        for name, field in self.all.items():
            if checked.loaded is not None:
                text = field.shown(checked.loaded.plan)
            elif data is not None:
                stands = field.raw(data)
                if stands is None:  # not in the file: what is shown for it still holds
                    continue
                text = stands
            else:
                return
            if field.kind == "choice":
                self.query_one(f"#{name}", Choice).value = text
                continue
            if field.kind == "rows":
                rows = self.query_one(f"#{name}", RowList)
                if not (rows.has_focus_within and field.at == keep):
                    rows.value = text
                continue
            box = self.query_one(f"#{name}", Input)
            if box.value != text and not (box.has_focus and field.at == keep):
                with box.prevent(Input.Changed):
                    box.value = text

    def mark(self, problems: dict[Key, Problem]) -> None:
        """Put a mark at each field that something is wrong with."""
        for name, field in self.all.items():
            problem = problems.get(field.at)
            line = self.query_one(f"#line-{name}")
            line.set_class(problem is not None and problem.severity == "error", "-error")
            line.set_class(problem is not None and problem.severity == "warning", "-warning")
            sign = "" if problem is None else "x" if problem.severity == "error" else "!"
            line.query_one(".mark", Static).update(sign)

    def on_mount(self) -> None:
        """Show the cursor."""
        self.action_move(0)

    @property
    def editing(self) -> bool:
        """Tell whether a field is open."""
        return self.has_focus_within and not self.has_focus

    def point(self, name: str) -> None:
        """Put the cursor on a field, by its id."""
        for line in self.query(".-cursor"):
            line.remove_class("-cursor")
        self.cursor = name
        line = self.query_one(f"#line-{name}")
        line.add_class("-cursor")
        line.scroll_visible(animate=False)
        self.post_message(self.Entered(self.all[name]))

    def action_move(self, step: int) -> None:
        """Put the cursor on another line, and leave the field that is open."""
        if self.editing:
            beside = self._line_beside(step)
            if beside is not None:
                beside.focus()
                return
            self.focus()
        names = list(self.all)
        at = names.index(self.cursor) + step
        self.point(names[at % len(names)] if abs(step) == 1 else names[min(max(at, 0), len(names) - 1)])

    def _line_beside(self, step: int) -> Widget | None:
        """Return the line above or below in the list that is edited, if there is one."""
        rows, at = self.query_one(f"#{self.cursor}"), self.screen.focused
        if not isinstance(rows, RowList) or at not in rows.lines:
            return None
        place = rows.lines.index(at) + step
        return rows.lines[place] if 0 <= place < len(rows.lines) else None

    def action_open(self) -> None:
        """Open the field under the cursor; an open one is left."""
        if self.editing:
            self.focus()
        else:
            self.edit(self.cursor)

    def edit(self, name: str) -> None:
        """Open a field by its id, unless nothing may be changed."""
        self.point(name)
        if self.frozen:
            return
        box = self.query_one(f"#{name}")
        lines = box.lines if isinstance(box, RowList) else [box]
        if isinstance(box, RowList):
            box.open = True
        for line in lines:
            line.can_focus = True
        lines[0].focus()

    def on_descendant_blur(self) -> None:
        """Close what is no longer edited, once it is clear where the focus went."""
        self.call_after_refresh(self._close)

    def _close(self) -> None:
        for name in self.all:
            box = self.query_one(f"#{name}")
            if isinstance(box, RowList):
                box.open = box.has_focus_within
                for line in box.lines:
                    line.can_focus = box.open
            elif not box.has_focus:
                box.can_focus = False

    def on_click(self, event: Click) -> None:
        """Open the field that was clicked."""
        widget = event.widget
        while widget is not None and widget is not self:
            name = (widget.id or "").removeprefix("line-")
            if name in self.all:
                self.edit(name)
                return
            widget = widget.parent if isinstance(widget.parent, Widget) else None

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        """Enter leaves a field."""
        event.stop()
        self.focus()

    def freeze(self) -> None:
        """Let nothing be changed."""
        self.frozen = True
        for box in self.query("Input, Choice"):
            box.disabled = True
        for rows in self.query(RowList):
            rows.freeze()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if event.input.id in self.all:
            self.post_message(self.Typed(self.all[event.input.id], event.value))

    @on(Choice.Changed)
    def _chosen(self, event: Choice.Changed) -> None:
        event.stop()
        if event.choice.id in self.all:
            self.post_message(self.Typed(self.all[event.choice.id], event.value))

    @on(RowList.Changed)
    def _rows_typed(self, event: RowList.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(self.all[event.rows.id or ""], event.rows.value))

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Say which field is at work."""
        name = event.widget.parent.id if isinstance(event.widget.parent, RowList) else event.widget.id
        if name in self.all and name != self.cursor:
            self.point(name)

    def pane_text(self) -> str:
        """Return the form as lines."""
        lines = []
        for name, field in self.all.items():
            box = self.query_one(f"#{name}")
            value = box.value if isinstance(box, (Input, Choice, RowList)) else ""
            first, *more = value.split("\n")
            lines += [printable(f"{field.name:<22} {first}"), *(printable(f"{'':<22} {row}") for row in more)]
        return "\n".join(lines)


def _id(at: Key) -> str:
    return "f-" + "-".join(map(str, at))


def by_field(problems: tuple[Problem, ...], source: Source | None, known: list[Key]) -> dict[Key, Problem]:
    """Sort problems to the fields whose value or key they stand at: the innermost that has a field."""
    found: dict[Key, Problem] = {}
    if source is None:
        return found
    places = {(m.line, m.column): at for marks in (source.keys, source.values) for at, m in marks.items()}
    for problem in problems:
        where = problem.location
        if where.path != source.path or where.line is None or where.column is None:
            continue
        at = places.get((where.line, where.column), ())
        while at and at not in known:
            at = at[:-1]
        if at:
            found.setdefault(at, problem)
    return found
