"""Templates with slots: what many texts share is rendered once, and cut where each of them differs.

A slot is a value that prints as its name between two NUL characters, which no value of ours may hold: quoting functions
refuse control characters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

MARK = "\0"


class Slot(str):
    """The place of a value in a text that is rendered once for many."""

    __slots__ = ()

    def __new__(cls, name: str) -> Slot:
        return super().__new__(cls, f"{MARK}{name}{MARK}")


def quoting(quote: Callable[[object], str]) -> Callable[[object], str]:
    """Return a quoting function that puts a slot between its quotes as it is."""
    return lambda value: quote("")[0] + value + quote("")[-1] if isinstance(value, Slot) else quote(value)


def filled(text: str, values: Mapping[str, str]) -> list[str]:
    """Fill the slots of a rendered text; returns the text around those slots that have no value here."""
    out = [""]
    for number, part in enumerate(text.split(MARK)):
        if number % 2 == 0:
            out[-1] += part
        elif part in values:
            out[-1] += values[part]
        else:
            out.append("")
    return out
