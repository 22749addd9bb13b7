"""``ipsecplan ui``: the planner in the terminal."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from pathlib import Path

import click

SMALLEST = (40, 12)  # columns and rows with which every screen can still be read
SCREENS = ("overview", "calc", "plan", "pairs", "files", "rollout", "verify", "history", "audit", "trace")
PLAN = Path("plan.yaml")


@click.command(
    "ui",
    epilog="\b\nExamples:\n  ipsecplan ui plan.yaml\n  ipsecplan ui --readonly --screen pairs plan.yaml",
)
@click.argument("plan", type=click.Path(path_type=Path), required=False)
@click.option("--readonly", is_flag=True, help="Change no file and no node.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    default="bundle",
    show_default=True,
    help="Bundle that Rollout and Verify work with.",
)
@click.option("--against", type=click.Path(path_type=Path), help="Bundle or directory that Files compares with.")
@click.option("--screen", type=click.Choice(SCREENS), help="Screen to start with: overview, or calc without a plan.")
@click.option("--config", type=click.Path(path_type=Path), help="Theme and keys, instead of ipsecplan/ui.toml.")
@click.option("--state-dir", envvar="IPSECPLAN_STATE", help="State directory (journal, CA). [env: IPSECPLAN_STATE]")
def command(
    plan: Path | None,
    readonly: bool,
    bundle: Path,
    against: Path | None,
    screen: str | None,
    config: Path | None,
    state_dir: str | None,
) -> int:
    """Open the planner with PLAN (default: plan.yaml, where there is one).

    It begins with an overview: whether plan, bundle and cluster are the same, what is encrypted and proven, and the
    next step. It asks no node before a key is pressed that does.

    If it ends by an error (exit code 1), by a signal N (128 + N) or with its terminal, what was not saved is kept in
    PLAN.draft, and offered when PLAN is opened next.
    """
    _check_terminal()
    if plan is None and os.path.lexists(PLAN):
        plan = PLAN
    screen = screen or ("overview" if plan is not None or bundle.is_dir() else "calc")
    # the one place that starts the planner; by name, because nothing in netplan may depend on it
    return int(
        importlib.import_module("tui.start").start(
            plan, readonly=readonly, bundle=bundle, against=against, config=config, mode=screen, state_dir=state_dir
        )
    )


def _check_terminal() -> None:
    """Say what is wrong with the terminal before anything is drawn on it."""
    instead = "`ipsecplan plan` prints the same numbers"
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.UsageError(f"ui needs a terminal; {instead}")
    term = os.environ.get("TERM", "")
    if not term:
        raise click.UsageError(
            f"ui needs to know the terminal: set TERM (most understand TERM=xterm-256color); {instead}"
        )
    if term in ("dumb", "unknown"):
        raise click.UsageError(f"ui needs a terminal that can move its cursor, and TERM is {term}; {instead}")
    columns, rows = shutil.get_terminal_size()
    if columns < SMALLEST[0] or rows < SMALLEST[1]:
        raise click.UsageError(
            f"ui needs a terminal of at least {SMALLEST[0]}x{SMALLEST[1]}, and this one has {columns}x{rows}: "
            f"enlarge it, or take COLUMNS and LINES away if they are set; {instead}"
        )
