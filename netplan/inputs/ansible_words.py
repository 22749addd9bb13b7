"""Ansible's own words out of what it printed: its message in one line, and the file and line that it names. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from netplan.problems import printable

LONGEST = 300
_ORIGIN = re.compile(r"^Origin: (?P<path>/.+?)(?::(?P<line>\d+))?(?::(?P<column>\d+))?$", re.MULTILINE)
_FAILED = re.compile(r"^\[WARNING\]: Failed to parse inventory with '(?P<plugin>[\w.]+)' plugin: ", re.MULTILINE)
_ERROR = re.compile(r"\[?ERROR\]?[:!]|fatal: ")
_LABEL = re.compile(r"^(\[?(ERROR|WARNING)\]?[:!]\s*)+|^fatal: \[[^\]]*\]: \w+! => ")
_PREFIX = re.compile(r"^(Failed to parse inventory|YAML parsing failed): ")
_NEXT = re.compile(r"^(\[WARNING\]|\[ERROR\]|\[DEPRECATION|ERROR!?:|Traceback|<<< caused by|Origin: )")
_THEIR_STDERR = "Standard error from inventory script:"


@dataclass(frozen=True, slots=True)
class Said:
    """What Ansible said: one line, and the place that it names, if it does (line and column count from 1)."""

    text: str
    path: str | None = None
    line: int | None = None
    column: int | None = None


def of_inventory(stderr: str, suffix: str = "", program: bool = False) -> Said:
    """Return why an inventory was refused. Every reader has a go at it: what counts is what the fitting one said.

    ``suffix`` is the file's; ``program``: it can be executed, so that it is run.
    """
    wanted = "script" if program else "yaml" if suffix in (".yml", ".yaml", ".json") else suffix.lstrip(".")
    starts = list(_FAILED.finditer(stderr))
    ends = [*(start.start() for start in starts[1:]), len(stderr)] if starts else []
    said = {s["plugin"].rpartition(".")[2]: stderr[s.end() : end] for s, end in zip(starts, ends, strict=True)}
    if not said:
        return _said(_from_error(stderr), stderr)
    # where none fits, the INI reader: it is the last one, and takes any name of a file
    body = said.get(wanted) or list(said.values())[-1]
    body, _, theirs = body.partition(_THEIR_STDERR)
    lines = _message(body.splitlines())
    if program and theirs.strip():
        lines = [" ".join(lines).rstrip(".") + ":", *_message(theirs.strip().splitlines())]
    return _said(lines, body)


def of_play(stdout: str) -> str:
    """Return why a play ended before any node answered, in one line."""
    return _said(_from_error(stdout), "").text or "no output"


def _from_error(text: str) -> list[str]:
    """Return the lines of the first error in a text; without one, its beginning."""
    lines = text.strip().splitlines()
    labelled = (n for n, line in enumerate(lines) if _ERROR.match(line))
    first = next(labelled, next((n for n, line in enumerate(lines) if "rror" in line), 0))
    return _message(lines[first:])


def _message(lines: Sequence[str]) -> list[str]:
    """Return the lines of the message that begins here: at most three, up to where the next one begins."""
    out: list[str] = []
    for line in lines:
        if not line.strip() or (out and _NEXT.match(line)):
            break
        out.append(_PREFIX.sub("", _LABEL.sub("", line)).strip())
    return out[:3]


def _said(lines: Sequence[str], text: str) -> Said:
    origin = next((m for m in _ORIGIN.finditer(text) if m["line"]), None) or _ORIGIN.search(text)
    shown = printable(" ".join(lines))
    return Said(
        shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…",
        origin["path"] if origin else None,
        int(origin["line"]) if origin and origin["line"] else None,
        int(origin["column"]) if origin and origin["column"] else None,
    )
