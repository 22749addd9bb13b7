"""The help pages of all verbs, as click makes them at its full width: the text of `netplan/data/help.txt`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import click

from netplan.cli import quick
from netplan.cli.group import cli


def pages(command: click.Command, words: str, parent: click.Context | None) -> Iterator[str]:
    """Yield the page of a command and those of the commands below it: "ipsecplan VERB", line feed, the page."""
    context = click.Context(command, info_name=words.rsplit(" ", 1)[-1], parent=parent, terminal_width=None)
    context.help_option_names = ["-h", "--help"]
    context.max_content_width = None
    yield f"{words}\n{command.get_help(context)}\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from pages(inner, f"{words} {name}", context)


def fresh() -> list[str]:
    """Return all pages, made in a process of its own.

    click keeps the option of help with the names that a command's first context had; a test before may have made one.
    """
    made = subprocess.run(
        [sys.executable, "-P", "-m", "tests.support.help_pages"],
        env={**os.environ, "COLUMNS": str(quick.FULL_WIDTH)},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.split(quick.BETWEEN_PAGES)


if __name__ == "__main__":
    sys.stdout.write(quick.BETWEEN_PAGES.join(pages(cli, "ipsecplan", None)))
