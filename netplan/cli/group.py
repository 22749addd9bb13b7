"""The command line as a click group that imports a verb only when it is called."""

from __future__ import annotations

import importlib

import click

from netplan import __version__
from netplan.cli.verbs import GROUPS, VERBS


class LazyGroup(click.Group):
    """A group whose verbs are imported only when called, so that ``calc`` doesn't load Ansible or Textual."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        entry = VERBS.get(cmd_name)
        if entry is None:
            return None
        command = importlib.import_module(entry[0]).command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Raise UsageError with the nearest verb if there is no such verb."""
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            from netplan.problems import closest

            near = closest(args[0], VERBS)
            if near:
                raise click.UsageError(f"No such command '{args[0]}'. Did you mean {near}?", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        widest = max(map(len, VERBS))
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(widest), VERBS[name][1]) for name in names])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, prog_name="ipsecplan")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Plan, review, apply and verify IPsec between the hosts of a container cluster.

    \b
    Every verb takes  -q  --no-pager  --color auto|always|never; a verb with --json also
    -o table|json|yaml|wide.

    \b
    Exit codes: 0 ok  1 failure  2 usage  3 invalid input  4 difference  5 verify failed
                6 rolled back  7 rollback incomplete  8 nodes unreachable  130 interrupted
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
