"""What `apply` and `try` let an operator choose beside the timers: which nodes, in which waves, and what follows."""

from __future__ import annotations

from collections.abc import Callable

import click

from netplan.cli.progress import BATCH, DEFER_AWAY, EXCLUDE, LIMIT

RAISE = click.option(
    "--raise", "lift", is_flag=True,
    help="Then raise MTUs that are below the planned one: all nodes confirmed, receivers first.",
)  # fmt: skip
REPLACE = click.option(
    "--replace", metavar="NAMES", default="",
    help="These nodes were reinstalled: take the new machines in, with new keys (names, commas).",
)  # fmt: skip
# each option's name is that of a field of netplan.rollout.engine.Options
CHOICES = (BATCH, LIMIT, EXCLUDE, DEFER_AWAY, RAISE, REPLACE)


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb all of :data:`CHOICES`; it takes them as keywords and hands them on to ``Options`` as they are."""
    for option in reversed(CHOICES):
        command = option(command)
    return command
