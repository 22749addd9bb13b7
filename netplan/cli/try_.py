"""``ipsecplan try``: apply and verify, then wait for confirmation; without one, roll back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from netplan.cli.ask import asking, asking_to_keep, need_yes, older_than_plan, to_change
from netplan.cli.options import CONFIRM_TIMEOUT, DETACH, NODE_SELECTION, SOAK, YES, rollout_options
from netplan.cli.outcome import ended
from netplan.cli.output import as_json, report
from netplan.cli.session import opened
from netplan.rollout.outcome import Options
from netplan.rollout.verbs.apply import apply


@click.command(
    "try",
    epilog="\b\nExamples:\n  ipsecplan try bundle\n  ipsecplan try bundle --yes --detach --confirm-timeout 1800",
)
@rollout_options(SOAK, CONFIRM_TIMEOUT, DETACH, *NODE_SELECTION, YES)
def command(
    bundle: Path,
    inventory: Path | None,
    detach: bool,
    yes: bool,
    state_dir: str | None,
    json_: bool,
    **chosen: Any,
) -> None:
    """Apply BUNDLE (default: bundle) and verify it; roll back unless confirmed within --confirm-timeout seconds.

    The answer no, Ctrl-C and no answer roll back every node. --yes answers the first question (start?), never the
    second one (keep?). With --detach the verb exits 0 after verification, and `ipsecplan confirm` keeps the change.
    """
    need_yes(yes, bundle)
    if not detach and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to confirm on: give --detach, then run `ipsecplan confirm`")
    if detach and chosen["lift"]:
        raise click.UsageError(
            "--raise-mtu works after the confirmation, and --detach ends before it: `ipsecplan apply --raise-mtu` then"
        )
    older = older_than_plan(bundle)
    if not json_:
        report(older)
    with as_json(json_), opened(bundle, inventory, state_dir, Options(**chosen), quiet=json_) as engine:
        outcome = apply(engine, asking(yes, to_change), keep=asking_to_keep(detach, engine.cancelled))
    outcome.problems += older if json_ else []
    ended(outcome, json_=json_)
