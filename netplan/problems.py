"""What can be wrong, as data: one Problem is a line on stderr, a row in the planner and an object in JSON.

This module imports nothing of ours and does no I/O beyond formatting, so every other module can use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import IntEnum
from typing import Any, Literal, NoReturn, TypeVar

T = TypeVar("T")
WINDOW = 160  # characters of a source line that are shown
Severity = Literal["error", "warning"]


class ExitCode(IntEnum):
    """Exit codes of every verb. A difference is neither 1 nor 2, so that no terraform or kubectl habit misreads it."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    INVALID = 3
    DIFFERENCE = 4
    VERIFY_FAILED = 5
    REVERTED = 6
    REVERT_INCOMPLETE = 7
    UNREACHABLE = 8
    UNJUDGED = 9
    INTERRUPTED = 130


def error_page(code: str) -> str:
    """Return where a code is explained: the relative path of the page below the project's folder, with its anchor."""
    return f"docs/errors.md#{code.lower()}"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in an input: what can be known of file, line and column. A made-up number is worse than none."""

    path: str | None = None
    line: int | None = None  # from 1
    column: int | None = None  # from 1
    width: int = 1  # characters that belong to it, which the caret underlines
    source: str | None = None  # the text of that line

    def __str__(self) -> str:
        """Return ``file:line:column`` with the parts that are known, or an empty string."""
        parts = [self.path or ""]
        if self.line is not None:
            parts.append(str(self.line))
            if self.column is not None:
                parts.append(str(self.column))
        return ":".join(parts) if self.path or self.line is not None else ""


NOWHERE = Location()


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about an input or a node. Its texts are printable, whoever wrote them."""

    code: str  # one of netplan.codes.CODES
    message: str
    _: KW_ONLY
    location: Location = NOWHERE
    hint: str | None = None
    severity: Severity = "error"

    def __post_init__(self) -> None:
        for name, text in (("code", self.code), ("message", self.message), ("hint", self.hint)):
            if text and not text.isprintable():
                object.__setattr__(self, name, printable(text))

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints in ``errors`` and ``warnings``."""
        return {
            "code": self.code,
            "severity": self.severity,
            "file": self.location.path,
            "line": self.location.line,
            "column": self.location.column,
            "message": self.message,
            "hint": self.hint,
            "url": error_page(self.code),
        }

    def lines(self) -> list[str]:
        """Return the message as people read it: position, source line with caret, hint."""
        at = self.location
        where = printable(str(at))
        out = [f"{where + ': ' if where else ''}{self.severity} {self.code}: {self.message}"]
        if at.source is not None:
            gutter = f"  {at.line} | " if at.line is not None else "  "
            text, column = window(at.source, at.column)
            out.append(gutter + text)
            if column is not None:
                out.append(" " * (len(gutter) + column - 1) + "^" * max(1, min(at.width, len(text) - column + 1)))
        if self.hint:
            out.append(f"  hint: {self.hint}")
        return out


def window(source: str, column: int | None = None) -> tuple[str, int | None]:
    """Return what is shown of a source line, printable, and the column (from 1) in that.

    Of a long line that is what is around the column.
    """
    if len(source) <= WINDOW:
        return printable(source), column
    begin = min(max(0, (column or 1) - 1 - WINDOW // 2), len(source) - WINDOW)
    shown = source[begin : begin + WINDOW]
    shown = ("…" + shown[1:] if begin else shown)[: WINDOW - 1] + ("…" if begin + WINDOW < len(source) else shown[-1])
    return printable(shown), None if column is None else column - begin


class ProblemError(Exception):
    """Raised to stop a phase; carries every Problem found in it."""

    def __init__(self, problems: Problem | Sequence[Problem], exit_code: ExitCode = ExitCode.INVALID) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        self.exit_code = exit_code
        super().__init__("; ".join(p.message for p in self.problems))


def fail(
    code: str,
    message: str,
    *,
    location: Location = NOWHERE,
    hint: str | None = None,
    exit_code: ExitCode = ExitCode.INVALID,
    cause: BaseException | None = None,
) -> NoReturn:
    """Raise a ProblemError with one Problem. ``cause`` is the exception that it explains; without one, none is kept."""
    raise ProblemError(Problem(code, message, location=location, hint=hint), exit_code) from cause


class DefectError(Exception):
    """A guarantee of ours does not hold: a defect of ipsecplan, whatever the input. It ends the command.

    ``code`` is what the command line reports it as, with a report for whoever repairs it.
    """

    code = "IPP699"


def present(value: T | None, what: str) -> T:
    """Return a value that is never None here; ``what`` names it. Raises DefectError, also under ``python -O``."""
    if value is None:
        raise DefectError(f"{what} is missing")
    return value


def printable(text: str) -> str:
    """Return ``text`` with characters that are not to be seen (control, escape, direction) replaced.

    It makes a text of somebody else safe for a terminal, Markdown, SVG, HTML and XML. Problem does it to its words,
    ``netplan.cli.output`` to each line, ``netplan.rollout.transport.reply`` to what nodes say.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == " " else "\N{REPLACEMENT CHARACTER}" for c in text.replace("\t", " "))


def quoted(value: object, limit: int = 60) -> str:
    """Return a short, printable, quoted form of a value that a user wrote, for use inside a message."""
    text = printable(str(value))
    return f"'{text[: limit - 1]}…'" if len(text) > limit else f"'{text}'"


def counted(number: int, noun: str, many: str = "") -> str:
    """Return a number with its noun: ``1 pair``, ``2 pairs``; ``many`` is the plural where it is not made with an s."""
    return f"{number} {noun if number == 1 else many or f'{noun}s'}"


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Return only the problems that must stop the run."""
    return [p for p in problems if p.severity == "error"]


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems in the order in which a reader meets them: file by file as they came, then by line and column."""
    files: dict[str | None, int] = {}
    found = [(files.setdefault(p.location.path, len(files)), p) for p in problems]
    found.sort(key=lambda one: (one[0], one[1].location.line or 0, one[1].location.column or 0))
    return [problem for _, problem in found]


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like ``word``, for "did you mean", or None when nothing is near."""
    import difflib  # costs 8 ms to import; only needed once something is already wrong

    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return near[0] if near else None
