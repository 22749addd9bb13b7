"""Commands of ours that stand in texts: found, and read by click as if somebody had typed them, without being run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click

from netplan.cli.group import cli


def in_backquotes(text: str) -> Iterator[str]:
    """Yield the commands of ours that stand in backquotes."""
    yield from re.findall(r"`(ipsecplan [^`]+)`", text)


def in_blocks(page: str) -> Iterator[str]:
    """Yield the commands of ours that stand in the indented lines of a Markdown page."""
    for line in page.splitlines():
        if line.startswith("    ") and line.strip().removeprefix("$ ").startswith("ipsecplan "):
            yield line.strip().removeprefix("$ ")


def wrong_with(command: str) -> str | None:
    """Return what click says against a command line; None where verb, options and number of arguments are right."""
    for part in command.partition("  # ")[0].split("; "):
        words = shlex.split(part)
        if not words or words[0] != "ipsecplan":
            continue
        found: click.Command = cli
        context = click.Context(cli, info_name="ipsecplan", **cli.context_settings)  # click keeps the first help option
        rest = words[1:]
        if rest == ["--help"]:
            continue
        try:
            while isinstance(found, click.Group) and rest:
                _, inner, rest = found.resolve_command(context, rest)
                if inner is None:
                    return f"{part}: no verb"
                found, context = inner, click.Context(inner, info_name=inner.name, parent=context)
            if rest != ["--help"] and not isinstance(found, click.Group):  # a group may be named alone
                context.ignore_unknown_options = found.ignore_unknown_options
                found.parse_args(context, list(rest))
        except click.BadParameter as error:  # a file that a text names needs not exist here
            if not isinstance(error.param and error.param.type, click.Path):
                return f"{part}: {error.format_message()}"
        except click.ClickException as error:
            return f"{part}: {error.format_message()}"
    return None
