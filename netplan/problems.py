"""What can be wrong, as data: one Problem is a line on stderr, a row in the planner and an object in JSON.

This module imports nothing of ours and does no I/O beyond formatting, so every other module can use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding about an input or a node.

    ``line`` and ``column`` count from 1 and are given only when known: a made-up number is worse than none.
    ``width`` is the number of characters the caret underlines; ``source`` is the text of that line.
    ``code`` is one of :data:`netplan.codes.CODES`.
    """

    code: str
    message: str
    path: str | None = None
    line: int | None = None
    column: int | None = None
    width: int = 1
    source: str | None = None
    hint: str | None = None
    severity: Severity = "error"

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints in ``errors`` and ``warnings``."""
        return {
            "code": self.code,
            "severity": self.severity,
            "file": self.path,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "hint": self.hint,
        }

    def where(self) -> str:
        """Return ``file:line:column`` with the parts that are known, or an empty string."""
        parts = [self.path or ""]
        if self.line is not None:
            parts.append(str(self.line))
            if self.column is not None:
                parts.append(str(self.column))
        return ":".join(parts) if self.path or self.line is not None else ""

    def lines(self) -> list[str]:
        """Return the message as people read it: position, source line with caret, hint."""
        where = self.where()
        out = [f"{where + ': ' if where else ''}{self.severity} {self.code}: {self.message}"]
        if self.source is not None:
            number = str(self.line) if self.line is not None else ""
            gutter = f"  {number} | " if number else "  "
            out.append(gutter + printable(self.source))
            if self.column is not None:
                out.append(" " * (len(gutter) + self.column - 1) + "^" * max(1, self.width))
        if self.hint:
            out.append(f"  hint: {self.hint}")
        return out


class ProblemError(Exception):
    """Raised to stop a phase; carries every Problem found in it."""

    def __init__(self, problems: Problem | Sequence[Problem], exit_code: ExitCode = ExitCode.INVALID) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        self.exit_code = exit_code
        super().__init__("; ".join(p.message for p in self.problems))


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
