"""``ipsecplan completion``: the script that completes verbs, options and values in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from netplan.cli.output import emit

WHERE = {
    "bash": "ipsecplan completion bash > ~/.local/share/bash-completion/completions/ipsecplan",
    "zsh": "ipsecplan completion zsh > ~/.zfunc/_ipsecplan  # with fpath+=~/.zfunc before compinit",
    "fish": "ipsecplan completion fish > ~/.config/fish/completions/ipsecplan.fish",
}


@click.command(
    "completion",
    epilog='\b\nExamples:\n  eval "$(ipsecplan completion bash)"\n  ' + "\n  ".join(WHERE.values()),
)
@click.argument("shell", type=click.Choice(list(WHERE)))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL: verbs, options, and values such as plans, hosts, suites and topics."""
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"no completion for {shell}")
    emit(made(ctx.find_root().command, {}, "ipsecplan", "_IPSECPLAN_COMPLETE").source().strip("\n"))
