"""Options and arguments that more than one verb has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from netplan.rollout.pace import LEAST_TIMER_S, LONGEST_TIMER_S, USUAL_TIMER_S

PLAN = click.argument("plan", type=click.Path(path_type=Path), default="plan.yaml")
JSON = click.option("--json", "json_", is_flag=True, help="Print one JSON object.")


BUNDLE = click.argument("bundle", type=click.Path(path_type=Path), default="bundle")
INVENTORY = click.option(
    "--inventory", type=click.Path(path_type=Path), help="Inventory to use instead of the recorded one."
)
STATE_DIR = click.option(
    "--state-dir", envvar="IPSECPLAN_STATE", help="State directory (journal, CA). [env: IPSECPLAN_STATE]"
)
YES = click.option("--yes", is_flag=True, help="Do not ask.")


def _seconds(context: click.Context, option: click.Parameter, value: str) -> int | None:
    """Return the seconds of a dead-man timer, None for ``auto``."""
    del context, option
    if value == "auto":
        return None
    if value.isascii() and value.isdigit() and LEAST_TIMER_S <= int(value) <= LONGEST_TIMER_S:
        return int(value)
    raise click.BadParameter(f"{value!r} is neither auto nor {LEAST_TIMER_S} to {LONGEST_TIMER_S} (seconds)")


TIMER = click.option(
    "--timer",
    callback=_seconds,
    default="auto",
    show_default=True,
    metavar="auto|SECONDS",
    help=f"Seconds ({LEAST_TIMER_S} to {LONGEST_TIMER_S}) a node waits for each step before it takes everything back "
    f"by itself. auto: {USUAL_TIMER_S}, or more where round trips are slow. Too few for what is measured is refused.",
)
SOAK = click.option(
    "--soak",
    type=click.FloatRange(0, 86400),
    default=5,
    show_default=True,
    help="Seconds without a clear packet before clear packets are dropped.",
)
KEEP_FOR = click.option(
    "--keep-for",
    type=click.IntRange(30, 86400),
    default=600,
    show_default=True,
    help="Seconds after the proof in which a yes must come; then every node takes it back by itself.",
)
STEAL = click.option(
    "--steal", is_flag=True, help="Take over nodes that a control process on another machine still holds."
)
DETACH = click.option(
    "--detach", is_flag=True, help="Ask nobody: end after the proof, and leave the yes to `ipsecplan confirm`."
)
BATCH = click.option(
    "--batch", type=click.IntRange(1), help="Most nodes whose pairs switch in one wave (default: 2, 4, 8, ...)."
)
LIMIT = click.option("--limit", metavar="PATTERN", help="Only these nodes: names or groups, *, commas.")
EXCLUDE = click.option(
    "--exclude", metavar="PATTERN", default="", help="Not these nodes; their pairs stay as they are."
)
DEFER_AWAY = click.option(
    "--defer-away", is_flag=True, help="Do without nodes that can't be reached; their pairs stay as they are."
)


RAISE = click.option(
    "--raise",
    "lift",
    is_flag=True,
    help="Then raise MTUs that are below the planned one: all nodes confirmed, receivers first.",
)
REPLACE = click.option(
    "--replace",
    metavar="NAMES",
    default="",
    help="These nodes were reinstalled: take the new machines in, with new keys (names, commas).",
)
# each option's name is that of a field of netplan.rollout.outcome.Options
CHOICES = (BATCH, LIMIT, EXCLUDE, DEFER_AWAY, RAISE, REPLACE)


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb all of :data:`CHOICES`; it takes them as keywords and hands them on to ``Options`` as they are."""
    for option in reversed(CHOICES):
        command = option(command)
    return command
