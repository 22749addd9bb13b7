"""A list that was read from text: its members look like JSON's, and each knows its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from netplan.cni.yaml_document import Document, Piece, find_word
from netplan.inputs.yaml_source import Key
from netplan.problems import Location

MAX_MEMBERS = 50_000
MAX_LINE = 4000  # characters


@dataclass
class Listed(Document):
    """A list from text. ``lines_of`` has the line (from 0) of every member."""

    lines_of: tuple[int, ...] = ()

    def location(self, at: Key = (), *, on: Literal["key", "value"] = "key") -> Location:
        """Return the line of a member, at the word that the last key is, where the line has it."""
        del on
        index = at[0] if at and isinstance(at[0], int) else 0
        line = self.lines_of[index] if index < len(self.lines_of) else 0
        word = next((step for step in reversed(at) if isinstance(step, str)), "")
        return find_word(self.path, self.lines, line, word)


def head(text: str, size: int = 1 << 17) -> list[str]:
    """Return the first whole lines of a text, by which formats are told apart: a large text is not cut for that."""
    lines = lines_of(text[:size])
    return lines[:-1] if len(text) > size and len(lines) > 1 else lines


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, each cut where no line of these formats is as long."""
    return [line[:MAX_LINE] for line in text.splitlines()]


def piece(path: str, text: str, members: list[tuple[int, dict[str, Any]]]) -> Piece:
    """Return a list of (line from 0, member) as the piece that readers of JSON take."""
    data = [member for _, member in members[:MAX_MEMBERS]]
    numbers = tuple(line for line, _ in members)
    return Piece(Listed(path, data, text, lines_of=numbers), (), data)
