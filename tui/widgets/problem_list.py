"""Problems with position, message and hint, in the words of the command line."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from netplan.problems import Problem, printable


class ProblemList(VerticalScroll, can_focus=False):
    """A few lines; as many as there are problems."""

    problems: tuple[Problem, ...] = ()

    def compose(self) -> ComposeResult:
        """Hold the text."""
        yield Static("", id="problems-text")

    def tell(self, problems: tuple[Problem, ...], good: str) -> None:
        """Show problems, or what there is to say when there are none."""
        self.problems = problems
        rows = [line for problem in problems for line in self._lines(problem)]
        self.query_one("#problems-text", Static).update(
            Content("\n").join(rows or [Content(printable(line)) for line in good.split("\n")])
        )

    def _lines(self, problem: Problem) -> list[Content]:
        sign, style = ("x", "$text-error") if problem.severity == "error" else ("!", "$text-warning")
        at = problem.location
        where = f"{at.line}:{at.column} " if at.line is not None else ""
        lines = [Content.styled(printable(f"{sign} {where}{problem.message} ({problem.code})"), f"bold {style}")]
        if problem.hint:
            lines.append(Content(f"  hint: {problem.hint}"))
        return lines

    def pane_text(self) -> str:
        """Return the problems as the command line prints them."""
        return "\n".join(line for problem in self.problems for line in problem.lines())
