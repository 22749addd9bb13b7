"""What every verb takes without saying so: ``-q``, ``-o FORMAT``, ``--color WHEN``, ``--no-pager``.

They are taken out of the arguments before click sees them, so that they may stand before or after a verb's own.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from typing import IO

FORMATS = ("table", "json", "yaml", "wide")
WHEN = ("auto", "always", "never")
PAGED = frozenset({"plan", "explain", "diff", "network", "audit", "history", "show", "help", "schema", "trace"})
# verbs that show more with --verbose, which is what -o wide asks for
WIDE = frozenset({"lint", "audit"})


@dataclass(slots=True)
class Habits:
    """What was asked for in this run. ``held`` are the lines kept for a pager, None where they are printed at once."""

    quiet: bool = False
    yaml: bool = False
    colour: str = "auto"
    pager: bool = True
    held: list[str] | None = field(default=None)


HABITS = Habits()


def taken(argv: list[str]) -> tuple[list[str], str | None]:
    """Return the arguments without the common ones, and what is wrong with those (None: nothing). Sets ``HABITS``."""
    HABITS.quiet, HABITS.yaml, HABITS.colour, HABITS.pager, HABITS.held = False, False, "auto", True, None
    rest: list[str] = []
    words = iter(argv)
    verb = next((word for word in argv if not word.startswith("-")), "")
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            return [*rest, word, *words], None
        if word in ("-q", "--quiet"):
            HABITS.quiet = True
        elif word == "--no-pager":
            HABITS.pager = False
        elif name in ("--color", "--colour"):
            value = value if equals else next(words, "")
            if value not in WHEN:
                return rest, f"--color is one of {', '.join(WHEN)}"
            HABITS.colour = value
        elif name in ("-o", "--output"):
            value = value if equals else next(words, "")
            if value not in FORMATS:
                return rest, f"--output is one of {', '.join(FORMATS)}"
            HABITS.yaml = value == "yaml"
            if value in ("json", "yaml") and "--json" not in argv:
                rest.append("--json")
            elif value == "wide" and verb in WIDE and "--verbose" not in argv:
                rest.append("--verbose")
        else:
            rest.append(word)
    return rest, None


def colour_asked(stream: IO[str]) -> bool | None:
    """Return whether colour was asked for or refused; None: the terminal decides.

    ``--color`` counts first, then NO_COLOR, then CLICOLOR_FORCE.
    """
    del stream
    if HABITS.colour != "auto":
        return HABITS.colour == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return None


def hold(argv: list[str]) -> None:
    """Keep what a verb prints for a pager: on a terminal, and of verbs that print pages."""
    verb = next((word for word in argv if not word.startswith("-")), "")
    if HABITS.pager and verb in PAGED and sys.stdout is not None and sys.stdout.isatty() and "--json" not in argv:
        HABITS.held = []


def release() -> None:
    """Print what was kept: through a pager where it is longer than the terminal."""
    held, HABITS.held = HABITS.held, None
    if not held:
        return
    import click

    text = "\n".join(held)
    if text.count("\n") + 1 < shutil.get_terminal_size().lines:
        click.echo(text)
        return
    os.environ.setdefault("LESS", "FRX")
    click.echo_via_pager(text + "\n")
