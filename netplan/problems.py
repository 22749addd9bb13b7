"""What can be wrong, as data: one Problem is a line on stderr, a row in the planner and an object in JSON.

This module imports nothing of ours and does no I/O beyond formatting, so every other module can use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass
from enum import IntEnum
from typing import Any, Literal, NoReturn, TypeVar

T = TypeVar("T")
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
    INTERRUPTED = 130


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
    """One finding about an input or a node."""

    code: str  # one of netplan.codes.CODES
    message: str
    _: KW_ONLY
    location: Location = NOWHERE
    hint: str | None = None
    severity: Severity = "error"

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
        }

    def lines(self) -> list[str]:
        """Return the message as people read it: position, source line with caret, hint."""
        at = self.location
        where = str(at)
        out = [f"{where + ': ' if where else ''}{self.severity} {self.code}: {self.message}"]
        if at.source is not None:
            gutter = f"  {at.line} | " if at.line is not None else "  "
            out.append(gutter + printable(at.source))
            if at.column is not None:
                out.append(" " * (len(gutter) + at.column - 1) + "^" * max(1, at.width))
        if self.hint:
            out.append(f"  hint: {self.hint}")
        return out


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
    """Return ``text`` with control characters (escape sequences above all) replaced, safe for a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == " " else "\N{REPLACEMENT CHARACTER}" for c in text.replace("\t", " "))


def quoted(value: object, limit: int = 60) -> str:
    """Return a short, printable, quoted form of a value that a user wrote, for use inside a message."""
    text = printable(str(value))
    return f"'{text[: limit - 1]}…'" if len(text) > limit else f"'{text}'"


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Return only the problems that must stop the run."""
    return [p for p in problems if p.severity == "error"]


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like ``word``, for "did you mean", or None when nothing is near."""
    import difflib  # costs 8 ms to import; only needed once something is already wrong

    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return near[0] if near else None
