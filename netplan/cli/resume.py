"""``ipsecplan resume``: what a control process that died left behind is finished, or taken back."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from netplan.cli.ask import asking, asking_to_keep, need_yes
from netplan.cli.options import BUNDLE, DETACH, INVENTORY, JSON, KEEP_FOR, RAISE, SOAK, STATE_DIR, STEAL, TIMER, YES
from netplan.cli.outcome import ended
from netplan.cli.output import as_json
from netplan.cli.session import opened
from netplan.rollout.outcome import Options
from netplan.rollout.verbs.resume import resume


@click.command("resume", epilog="\b\nExamples:\n  ipsecplan resume bundle\n  ipsecplan resume bundle --yes")
@BUNDLE
@INVENTORY
@TIMER
@SOAK
@KEEP_FOR
@DETACH
@RAISE
@YES
@STEAL
@STATE_DIR
@JSON
def command(
    bundle: Path,
    inventory: Path | None,
    timer: int | None,
    soak: float,
    keep_for: int,
    detach: bool,
    lift: bool,
    yes: bool,
    steal: bool,
    state_dir: str | None,
    json_: bool,
) -> None:
    """Go on with BUNDLE where a control process died: the nodes know what they have done.

    Open everywhere: the first unfinished step is next. Confirmed on some: confirmed on the others. Taken back on
    some: taken back on the others. A try asks for its yes again. Which nodes take part was chosen when it began, and
    what is left of the switch is one wave.
    """
    need_yes(yes, bundle)
    options = Options(timer_s=timer, soak_s=soak, keep_s=keep_for, steal=steal, lift=lift)
    with as_json(json_), opened(bundle, inventory, state_dir, options, quiet=json_) as engine:
        keep = asking_to_keep(detach or not sys.stdin.isatty(), engine.cancelled)
        outcome = resume(engine, lambda found, words: asking(yes, lambda _: f"{words}.")(found), keep)
    ended(outcome, json_=json_)
