"""``ipsecplan ui``: the planner in the terminal."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from netplan.problems import ExitCode

SCREENS = ("calc", "plan", "pairs", "files", "rollout", "verify", "history", "audit")


@click.command(
    "ui",
    epilog="\b\nExamples:\n  ipsecplan ui plan.yaml\n  ipsecplan ui --readonly --screen pairs plan.yaml",
)
@click.argument("plan", type=click.Path(path_type=Path), required=False)
@click.option("--readonly", is_flag=True, help="Change no file and no node.")
@click.option("--bundle", type=click.Path(path_type=Path), default="bundle", show_default=True,
              help="Bundle that Rollout and Verify work with.")  # fmt: skip
@click.option("--against", type=click.Path(path_type=Path), help="Bundle or directory that Files compares with.")
@click.option("--screen", type=click.Choice(SCREENS), default="calc", show_default=True, help="Screen to start with.")
@click.option("--config", type=click.Path(path_type=Path), help="Theme and keys, instead of ipsecplan/ui.toml.")
@click.option("--state-dir", envvar="IPSECPLAN_STATE", help="State directory (journal, CA). [env: IPSECPLAN_STATE]")
def command(
    plan: Path | None, readonly: bool, bundle: Path, against: Path | None, screen: str, config: Path | None,
    state_dir: str | None,
) -> int:  # fmt: skip
    """Open the planner, with PLAN if given: calculator, plan, pairs, files, rollout, verify, history, audit."""
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.UsageError("ui needs a terminal; `ipsecplan plan` prints the same numbers")
    # the one place that starts the planner; by name, because nothing in netplan may depend on it
    planner = importlib.import_module("tui.app").Planner(
        plan, readonly=readonly, bundle=bundle, against=against, config=config, mode=screen, state_dir=state_dir
    )
    result = planner.run()
    return int(result) if isinstance(result, int) else int(ExitCode.OK)
