"""``ipsecplan confirm``: the yes to a try."""

from __future__ import annotations

from pathlib import Path

import click

from netplan.cli.options import BUNDLE, INVENTORY, JSON, STATE_DIR, STEAL, TIMER
from netplan.cli.outcome import ended
from netplan.cli.output import as_json
from netplan.cli.session import opened
from netplan.rollout.outcome import Options
from netplan.rollout.verbs.confirm import confirm


@click.command("confirm", epilog="\b\nExamples:\n  ipsecplan confirm bundle\n  ipsecplan confirm bundle --json")
@BUNDLE
@INVENTORY
@TIMER
@STEAL
@STATE_DIR
@JSON
def command(
    bundle: Path, inventory: Path | None, timer: int | None, steal: bool, state_dir: str | None, json_: bool
) -> None:
    """Keep what `ipsecplan try` proved for BUNDLE: measure it once more, then end every node's timer.

    Refused when one node's timer has fired already (exit 1; the others follow it). What can't be proven any more is
    taken back at once (exit 6; 7: not on every node).
    """
    with (
        as_json(json_),
        opened(bundle, inventory, state_dir, Options(timer_s=timer, steal=steal), quiet=json_) as engine,
    ):
        outcome = confirm(engine)
    ended(outcome, json_=json_)
