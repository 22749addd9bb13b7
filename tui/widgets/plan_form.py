"""The plan as a form: a line for each value, a mark where something is wrong with it."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import DescendantFocus
from textual.message import Message
from textual.widgets import Input, Static

from netplan.inputs.yaml_source import Key, Source
from netplan.problems import Problem, printable
from tui.plan.check import Checked
from tui.plan.fields import Field, fields
from tui.widgets.choice import Choice
from tui.widgets.row_list import RowList


class PlanForm(VerticalScroll, can_focus=False, inherit_bindings=False):
    """Inputs and choices by key path; says what was typed, and knows no rule."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "screen.move(1)", "Next field", show=False, id="form.next", tooltip="Next field"),
        Binding("up", "screen.move(-1)", "Previous field", show=False, id="form.previous", tooltip="Previous field"),
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
                if field.kind == "choice":
                    yield Choice(field.choices, "", id=name)
                else:
                    yield Input(id=name, compact=True, select_on_focus=False)
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

    def freeze(self) -> None:
        """Let nothing be changed."""
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
        if name in self.all:
            self.post_message(self.Entered(self.all[name]))

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
