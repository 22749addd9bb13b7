"""``ipsecplan confirm``: keep what `ipsecplan try` applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netplan.cli.options import TAKE_OVER, rollout_options
from netplan.cli.outcome import ended
from netplan.cli.output import as_json
from netplan.cli.session import opened
from netplan.rollout.outcome import Options
from netplan.rollout.verbs.confirm import confirm


@click.command("confirm", epilog="\b\nExamples:\n  ipsecplan confirm bundle\n  ipsecplan confirm bundle --json")
@rollout_options(TAKE_OVER)
def command(bundle: Path, inventory: Path | None, state_dir: str | None, json_: bool, **chosen: Any) -> None:
    """Keep what `ipsecplan try` applied of BUNDLE: verify it once more, then stop every node's rollback timer.

    Refused when a node's timer has fired already (exit 1; the others roll back too). If verification fails now, all
    nodes roll back at once (exit 6; 7: not on every node).
    """
    with as_json(json_), opened(bundle, inventory, state_dir, Options(**chosen), quiet=json_) as engine:
        outcome = confirm(engine)
    ended(outcome, json_=json_)
