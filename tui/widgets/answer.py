"""The calculator's answer in two lines, or the error in the question."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from netplan.problems import Problem, printable
from netplan.stack import Solution


class Answer(Widget):
    """Inner MTU first and loud; then what it means for TCP and for the link."""

    DEFAULT_CSS = """
    Answer { height: auto; max-height: 3; }
    """

    content: reactive[Content] = reactive(Content(""), layout=True)
    _solution: Solution | None = None
    _problem: Problem | None = None

    def tell(self, solution: Solution | None, problem: Problem | None) -> None:
        """Show a solution or a problem; a problem has the word."""
        self._solution, self._problem = solution, problem
        if problem is not None:
            self.content = self._wrong(problem)
        elif solution is not None:
            self.content = self._right(solution)

    def _wrong(self, problem: Problem) -> Content:
        lines = [Content.styled(f"x {problem.message} ({problem.code})", "bold $text-error")]
        if problem.hint:
            lines.append(Content(f"  hint: {problem.hint}"))
        lines.append(Content.styled("  the packet below is the last one that was right", "$text-muted"))
        return Content("\n").join(lines)

    def _right(self, solution: Solution) -> Content:
        gain = solution.next_gain_at
        step = "no larger packet exists" if gain is None else f"next larger at link {gain} (s)"
        first = Content.assemble(
            Content.styled(f" inner MTU {solution.inner_mtu} ", "bold reverse"),
            f"  MSS {solution.mss4} v4, {solution.mss6} v6",
            f"  outer {solution.outer_packet}  overhead {solution.overhead}",
        )
        second = Content.styled(f" {solution.slack} of the link unused, {solution.pad} padding; {step}", "$text-muted")
        lines = [first, second]
        lines += [Content.styled(f" ! {printable(note)}", "$text-warning") for note in solution.notes[:1]]
        return Content("\n").join(lines)

    def render(self) -> Content:
        """Draw the lines."""
        return self.content

    def pane_text(self) -> str:
        """Return the answer as the command line prints it."""
        if self._problem is not None:
            return "\n".join(self._problem.lines())
        if self._solution is None:
            return ""
        from netplan.explain import text

        return "\n".join([*text.summary(self._solution), *text.notes(self._solution)])
