"""How long ago something was, in the largest unit that says enough."""

from __future__ import annotations

_UNITS = ((86400 * 2, 86400, "days"), (7200, 3600, "h"), (120, 60, "min"), (0, 1, "s"))


def ago(seconds: float) -> str:
    """Return an age in words; a clock that was set back makes it 0 s."""
    for least, unit, word in _UNITS:
        if seconds >= least:
            return f"{int(seconds // unit)} {word} ago"
    return "0 s ago"
