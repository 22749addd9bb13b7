"""Options and arguments that more than one verb has."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netplan.cli import complete
from netplan.cli.passwords import PASSWORDS
from netplan.cli.workers import WORKERS
from netplan.model.ids import CLUSTER_NAME
from netplan.problems import Problem, ProblemError, quoted
from netplan.rollout.pace import LEAST_TIMER_S, LONGEST_TIMER_S, USUAL_TIMER_S

if TYPE_CHECKING:
    from netplan.rollout.record.journal import ClusterState

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

HTML = click.option(
    "--html", "page_file", type=click.Path(path_type=Path), help="Write a page for a browser, too, without scripts."
)
PLAN = click.argument("plan", type=click.Path(path_type=Path), default="plan.yaml", shell_complete=complete.plans)
JSON = click.option("--json", "json_", is_flag=True, help="Print one JSON object.")


BUNDLE = click.argument("bundle", type=click.Path(path_type=Path), default="bundle", shell_complete=complete.bundles)


def INVENTORY(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb that reaches nodes ``inventory``, and the options that `opened` takes workers and passwords from."""
    for option in (WORKERS, *reversed(PASSWORDS), _OTHER_INVENTORY):
        command = option(command)
    return command


_OTHER_INVENTORY = click.option(
    "--inventory", type=click.Path(path_type=Path), help="Inventory to use instead of the recorded one."
)
STATE_DIR = click.option(
    "--state-dir", envvar="IPSECPLAN_STATE", help="State directory (journal, CA). [env: IPSECPLAN_STATE]"
)
YES = click.option("--yes", is_flag=True, help="Do not ask.")


class Finite(click.FloatRange):
    """A number within bounds: ``nan`` is in no order with them, so click lets it pass."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


def cluster_state(state_dir: str | None, cluster: str, verb: str = "") -> ClusterState:
    """Return the state of a cluster that was named. Raises ProblemError where no plan could be called so."""
    if not re.fullmatch(CLUSTER_NAME, cluster):
        hint = "the `name` of its plan: lower-case letters, digits and '-', at most 40"
        raise ProblemError(Problem("IPP401", f"{quoted(cluster)} is not a cluster name", hint=hint))
    from netplan.rollout.record.journal import ClusterState, state_root

    return ClusterState(state_root(state_dir), cluster, verb)


CLUSTER = click.argument("cluster")


def _seconds(context: click.Context, option: click.Parameter, value: str) -> int | None:
    """Return the seconds of a rollback timer, None for ``auto``."""
    del context, option
    if value == "auto":
        return None
    if value.isascii() and value.isdigit() and LEAST_TIMER_S <= int(value) <= LONGEST_TIMER_S:
        return int(value)
    raise click.BadParameter(f"{value!r} is neither auto nor {LEAST_TIMER_S} to {LONGEST_TIMER_S} (seconds)")


# From here on each option's name is that of a field of netplan.rollout.outcome.Options, so that a verb hands them on
# as they are.
ROLLBACK_TIMEOUT = click.option(
    "--rollback-timeout",
    "timer_s",
    callback=_seconds,
    default="auto",
    show_default=True,
    metavar="auto|SECONDS",
    help=f"Seconds ({LEAST_TIMER_S} to {LONGEST_TIMER_S}) a node waits for the next step before it rolls back by "
    f"itself. auto: {USUAL_TIMER_S}, or more where round trips are slow. A value too short for the measured round "
    "trips is refused.",
)
SOAK = click.option(
    "--soak",
    "soak_s",
    type=Finite(0, 86400),
    default=5,
    show_default=True,
    help="Seconds without a clear packet before clear packets are dropped.",
)
CONFIRM_TIMEOUT = click.option(
    "--confirm-timeout",
    "keep_s",
    type=click.IntRange(30, 86400),
    default=600,
    show_default=True,
    help="Roll back automatically unless confirmed within this many seconds after verification.",
)
FORKS = click.option(
    "--forks",
    metavar="N",
    type=click.IntRange(1, 1000),
    help="Nodes to talk to at the same time (default: by this machine's processors and the measured round trips).",
)
TAKE_OVER = click.option(
    "--take-over",
    "steal",
    is_flag=True,
    help="Take over nodes that a control process on another machine still holds.",
)
LIMIT = click.option(
    "--limit", metavar="PATTERN", shell_complete=complete.nodes, help="Only these nodes: names or groups, *, commas."
)
EXCLUDE = click.option(
    "--exclude",
    metavar="PATTERN",
    shell_complete=complete.nodes,
    default="",
    help="Not these nodes; their pairs stay as they are.",
)
RAISE_MTU = click.option(
    "--raise-mtu",
    "lift",
    is_flag=True,
    help="After the confirmation, raise MTUs that are below the planned one, on all nodes, receivers first.",
)
# which nodes take part, and in what order
NODE_SELECTION = (
    click.option(
        "--wave-size",
        "batch",
        metavar="N",
        type=click.IntRange(1),
        help="Largest number of nodes whose pairs switch in one wave (default: 2, 4, 8, ...).",
    ),
    LIMIT,
    EXCLUDE,
    click.option(
        "--skip-unreachable",
        "defer_away",
        is_flag=True,
        help="Leave out nodes that can't be reached; their pairs stay as they are.",
    ),
    RAISE_MTU,
    click.option(
        "--hold-mtu",
        "hold",
        is_flag=True,
        help="Let all nodes go down to the smallest live MTU, also below the one that was confirmed.",
    ),
    click.option(
        "--replace",
        metavar="NAMES",
        default="",
        help="These nodes were reinstalled: admit the new machines with new keys (names, commas).",
    ),
)

DETACH = click.option(
    "--detach", is_flag=True, help="Don't ask: end after verification, and leave the answer to `ipsecplan confirm`."
)


def rollout_options(*more: Decorator) -> Decorator:
    """Give a verb the options that apply, try, resume and confirm share, with ``more`` of its own between them.

    The verb gets ``bundle``, ``inventory``, ``state_dir`` and ``json_``, and every field of ``Options`` as a keyword.
    """

    options: tuple[Decorator, ...] = (BUNDLE, INVENTORY, ROLLBACK_TIMEOUT, *more, FORKS, STATE_DIR, JSON)

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add
