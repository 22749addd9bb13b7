"""``ipsecplan help``: the page of a verb, else what `explain` knows of a word."""

from __future__ import annotations

import click

from netplan.cli.complete import topics_and_verbs
from netplan.cli.output import emit
from netplan.cli.verbs import VERBS
from netplan.problems import ExitCode


@click.command("help", epilog="\b\nExamples:\n  ipsecplan help\n  ipsecplan help apply\n  ipsecplan help nat-t")
@click.argument("words", nargs=-1, metavar="[VERB|TOPIC]", shell_complete=topics_and_verbs)
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> int:
    """Show the page of VERB, or explain TOPIC: a header, an algorithm, an error code, a number, another system."""
    root = ctx.find_root()
    if not words:
        emit(root.get_help())
        return int(ExitCode.OK)
    group: click.Command = root.command
    context = click.Context(group, info_name=root.info_name)
    if words[0] not in VERBS:
        from netplan.explain.topics import explain

        emit("\n".join(explain(words[0])[0]))
        return int(ExitCode.OK)
    for word in words:
        inner = group.get_command(context, word) if isinstance(group, click.Group) else None
        if inner is None:
            raise click.UsageError(f"{context.command_path} has no command {word!r}")
        group, context = inner, click.Context(inner, info_name=word, parent=context)
    emit(group.get_help(context))
    return int(ExitCode.OK)
