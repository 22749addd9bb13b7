"""``ipsecplan apply``: exactly one bundle, phase by phase, taken back unless proven."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netplan.cli.ask import asking, need_yes, to_change
from netplan.cli.options import BUNDLE, INVENTORY, JSON, SOAK, STATE_DIR, TIMER, YES, choosing
from netplan.cli.outcome import ended
from netplan.cli.output import as_json
from netplan.cli.session import opened
from netplan.rollout.outcome import Options
from netplan.rollout.verbs.apply import apply


@click.command(
    "apply",
    epilog="\b\nExamples:\n  ipsecplan apply bundle\n  ipsecplan apply bundle --yes --timer 300 --soak 30",
)
@BUNDLE
@INVENTORY
@TIMER
@SOAK
@choosing
@YES
@STATE_DIR
@JSON
def command(
    bundle: Path,
    inventory: Path | None,
    timer: int | None,
    soak: float,
    yes: bool,
    state_dir: str | None,
    json_: bool,
    **chosen: Any,
) -> None:
    """Apply BUNDLE (default: bundle) to its nodes, prove it on the wire, confirm it; or take it back.

    A second apply of the same bundle changes nothing. Exit 6: it was taken back; 7: not on every node. A failure on
    one node takes every node back, in every wave.
    """
    need_yes(yes, bundle)
    options = Options(timer_s=timer, soak_s=soak, **chosen)
    with as_json(json_), opened(bundle, inventory, state_dir, options, quiet=json_) as engine:
        outcome = apply(engine, asking(yes, to_change))
    ended(outcome, json_=json_)
