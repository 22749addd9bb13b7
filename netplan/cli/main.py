"""The command ``ipsecplan``: one file per verb, each imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from netplan import __version__

# verb -> (module, one line of help); the help page imports no verb
VERBS: dict[str, tuple[str, str]] = {
    "calc": ("netplan.cli.calc", "Exact MTU of a packet stack, with every byte accounted for."),
    "init": ("netplan.cli.init", "Write an annotated plan file."),
    "lint": ("netplan.cli.lint", "Check a plan file and its inventory."),
    "plan": ("netplan.cli.plan", "Compute every number of a plan and show why."),
    "render": ("netplan.cli.render", "Write the bundle of files that people review."),
    "apply": ("netplan.cli.apply", "Apply exactly one bundle to the nodes, phase by phase."),
    "verify": ("netplan.cli.verify", "Prove on the wire what the plan promises."),
    "status": ("netplan.cli.status", "Show the state of every node."),
    "revert": ("netplan.cli.revert", "Take a transaction back on every node."),
    "lab": ("netplan.cli.lab", "Run a small real cluster on this machine."),
    "schema": ("netplan.cli.schema", "Print the JSON Schema of the plan file."),
}


class LazyGroup(click.Group):
    """A group whose verbs are imported only when called, so that ``calc`` never pays for Ansible or Textual."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        entry = VERBS.get(cmd_name)
        if entry is None:
            return None
        command = importlib.import_module(entry[0]).command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ipsecplan")
def cli() -> None:
    """Plan, review, apply and prove IPsec between the hosts of a container cluster.

    \b
    Exit codes: 0 ok  1 failure  2 usage  3 invalid input  4 difference  5 verify failed
                6 reverted  7 revert incomplete  8 nodes unreachable  130 interrupted
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (see :class:`netplan.problems.ExitCode`)."""
    from netplan.cli.output import run

    return run(cli, list(sys.argv[1:] if argv is None else argv))


def entry() -> None:
    """Console script."""
    sys.exit(main())


if __name__ == "__main__":
    entry()
