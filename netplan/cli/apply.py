"""``ipsecplan apply``: apply one bundle, phase by phase; roll back unless verified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netplan.cli.ask import asking, need_yes, older_than_plan, to_change
from netplan.cli.options import NODE_SELECTION, SOAK, YES, rollout_options
from netplan.cli.outcome import ended
from netplan.cli.output import as_json, report
from netplan.cli.session import opened
from netplan.rollout.outcome import Options
from netplan.rollout.verbs.apply import apply


@click.command(
    "apply",
    epilog="\b\nExamples:\n  ipsecplan apply bundle\n  ipsecplan apply bundle --yes --rollback-timeout 300 --soak 30",
)
@rollout_options(SOAK, *NODE_SELECTION, YES)
def command(bundle: Path, inventory: Path | None, yes: bool, state_dir: str | None, json_: bool, **chosen: Any) -> None:
    """Apply BUNDLE (default: bundle) to its nodes, verify it on the wire, then confirm it; or roll back.

    A second apply of the same bundle changes nothing. Exit 6: rolled back; 7: not on every node. A failure on one
    node rolls back every node, in every wave.
    """
    need_yes(yes, bundle)
    older = older_than_plan(bundle)
    if not json_:
        report(older)
    with as_json(json_), opened(bundle, inventory, state_dir, Options(**chosen), quiet=json_) as engine:
        outcome = apply(engine, asking(yes, to_change))
    outcome.problems += older if json_ else []
    ended(outcome, json_=json_)
