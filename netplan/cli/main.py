"""The command ``ipsecplan``: one file per verb, each imported only when it is called."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    cli: click.Group

# verb -> (module, one line of help); the help page imports no verb
VERBS: dict[str, tuple[str, str]] = {
    "calc": ("netplan.cli.calc", "Exact MTU of a packet stack, with every byte accounted for."),
    "explain": ("netplan.cli.explain", "Why a number is what it is; what others subtract instead."),
    "init": ("netplan.cli.init", "Write an annotated plan file."),
    "lint": ("netplan.cli.lint", "Check a plan file and its inventory."),
    "plan": ("netplan.cli.plan", "Compute every number of a plan and show why."),
    "render": ("netplan.cli.render", "Write the bundle of files that people review."),
    "facts": ("netplan.cli.facts", "Ask the nodes what their strongSwan can do, for the next plan."),
    "diff": ("netplan.cli.diff", "What differs between two bundles, and what that does to traffic."),
    "network": ("netplan.cli.network", "Write what gives a container network the planned MTU."),
    "audit": ("netplan.cli.audit", "Judge the MTUs of clusters and hosts that already exist."),
    "apply": ("netplan.cli.apply", "Apply exactly one bundle to the nodes, phase by phase."),
    "try": ("netplan.cli.try_", "Apply a bundle, prove it, and keep it only when somebody says yes."),
    "confirm": ("netplan.cli.confirm", "Say yes to a try: keep what was proven."),
    "resume": ("netplan.cli.resume", "Finish what a control process that died left behind."),
    "verify": ("netplan.cli.verify", "Prove on the wire what the plan promises."),
    "rotate": ("netplan.cli.rotate", "New keys or certificates on every node, without an outage."),
    "status": ("netplan.cli.status", "Show the state of every node."),
    "ca": ("netplan.cli.ca", "Show, encrypt or certify the cluster's certificate authority."),
    "psk": ("netplan.cli.psk", "Import or encrypt the cluster's pre-shared keys."),
    "revert": ("netplan.cli.revert", "Take a transaction back on every node."),
    "history": ("netplan.cli.history", "List the transactions that were."),
    "show": ("netplan.cli.show", "Show one transaction phase by phase."),
    "ui": ("netplan.cli.ui", "Open the planner in the terminal."),
    "lab": ("netplan.cli.lab", "Run a small real cluster on this machine."),
    "schema": ("netplan.cli.schema", "Print the JSON Schema of the plan file."),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (see :class:`netplan.problems.ExitCode`)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    from netplan.cli.quick import quick

    try:
        done = quick(arguments)
        if done is not None:
            return done
        from netplan.cli.group import cli
        from netplan.cli.output import run

        return run(cli, arguments)
    except KeyboardInterrupt:  # while it still imports
        return 130
    except Exception as error:  # noqa: BLE001  of an installation that is not whole, say
        from netplan.defect import tell

        tell(error, arguments)
        return 1


def __getattr__(name: str) -> object:
    """Give out ``cli`` without importing click for those who don't ask for it."""
    if name == "cli":
        from netplan.cli.group import cli

        return cli
    raise AttributeError(name)


def entry() -> None:
    """Console script."""
    from netplan.cli.quick import leave

    leave(main())


if __name__ == "__main__":
    entry()
