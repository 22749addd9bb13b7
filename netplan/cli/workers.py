"""The option that names the machines which share a run's work."""

from __future__ import annotations

from typing import Any

import click

KEPT = "ipsecplan.workers"  # in the context of the command
VARIABLE = "IPSECPLAN_WORKERS"


def _keep(context: click.Context, option: click.Parameter, value: str | None) -> None:
    if value:
        from netplan.rollout.transport.workers import destinations

        try:
            context.meta[KEPT] = destinations(value.split(","))
        except ValueError as error:
            raise click.BadParameter(str(error), context, option) from None


WORKERS: Any = click.option(
    "--workers",
    metavar="HOST[,HOST...]",
    envvar=VARIABLE,
    expose_value=False,
    callback=_keep,
    help=f"Let these machines talk to the nodes, each to a part of them: SSH destinations. [env: {VARIABLE}]",
)


def workers() -> tuple[str, ...]:
    """Return the SSH destinations that the running command was given."""
    context = click.get_current_context(silent=True)
    found: tuple[str, ...] = context.meta.get(KEPT, ()) if context else ()
    return found
