"""``ipsecplan try``: apply and prove, then wait for a yes; without one it is taken back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from netplan.cli.ask import asking, asking_to_keep, need_yes, to_change
from netplan.cli.options import BUNDLE, DETACH, INVENTORY, JSON, KEEP_FOR, SOAK, STATE_DIR, TIMER, YES, choosing
from netplan.cli.outcome import ended
from netplan.cli.output import as_json
from netplan.cli.session import opened
from netplan.rollout.outcome import Options
from netplan.rollout.verbs.apply import apply


@click.command(
    "try",
    epilog="\b\nExamples:\n  ipsecplan try bundle\n  ipsecplan try bundle --yes --detach --keep-for 1800",
)
@BUNDLE
@INVENTORY
@TIMER
@SOAK
@KEEP_FOR
@DETACH
@choosing
@YES
@STATE_DIR
@JSON
def command(
    bundle: Path,
    inventory: Path | None,
    timer: int | None,
    soak: float,
    keep_for: int,
    detach: bool,
    yes: bool,
    state_dir: str | None,
    json_: bool,
    **chosen: Any,
) -> None:
    """Apply BUNDLE (default: bundle) and prove it; keep it only when somebody says yes within --keep-for seconds.

    No, Ctrl-C and silence take it back on every node. --yes answers the first question (may it begin?), never the
    second one (keep it?). With --detach the verb exits 0 after the proof, and `ipsecplan confirm` is the yes.
    """
    need_yes(yes, bundle)
    if not detach and not sys.stdin.isatty():
        raise click.UsageError("nobody can say yes here: give --detach, and say it with `ipsecplan confirm`")
    if detach and chosen["lift"]:
        raise click.UsageError(
            "a raise comes after the yes, and --detach ends before it: `ipsecplan apply --raise` then"
        )
    options = Options(timer_s=timer, soak_s=soak, keep_s=keep_for, **chosen)
    with as_json(json_), opened(bundle, inventory, state_dir, options, quiet=json_) as engine:
        outcome = apply(engine, asking(yes, to_change), keep=asking_to_keep(detach, engine.cancelled))
    ended(outcome, json_=json_)
