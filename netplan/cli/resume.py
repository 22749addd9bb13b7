"""``ipsecplan resume``: finish, or roll back, what a control process that died left open."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from netplan.cli.ask import asking, asking_to_keep, need_yes
from netplan.cli.options import CONFIRM_TIMEOUT, DETACH, RAISE_MTU, SOAK, TAKE_OVER, YES, rollout_options
from netplan.cli.outcome import ended
from netplan.cli.output import as_json
from netplan.cli.session import opened
from netplan.rollout.outcome import Options
from netplan.rollout.verbs.resume import resume


@click.command("resume", epilog="\b\nExamples:\n  ipsecplan resume bundle\n  ipsecplan resume bundle --yes")
@rollout_options(SOAK, CONFIRM_TIMEOUT, DETACH, RAISE_MTU, YES, TAKE_OVER)
def command(
    bundle: Path,
    inventory: Path | None,
    detach: bool,
    yes: bool,
    state_dir: str | None,
    json_: bool,
    **chosen: Any,
) -> None:
    """Continue BUNDLE where a control process died; the nodes remember which steps they did.

    Open on all nodes: the first unfinished step is next. Confirmed on some: confirmed on the others. Rolled back on
    some: rolled back on the others. A try asks for its confirmation again. The nodes that take part were chosen at the
    start; the pairs that don't encrypt yet switch in one wave.
    """
    need_yes(yes, bundle)
    with as_json(json_), opened(bundle, inventory, state_dir, Options(**chosen), quiet=json_) as engine:
        keep = asking_to_keep(detach or not sys.stdin.isatty(), engine.cancelled)
        outcome = resume(engine, lambda found, words: asking(yes, lambda _: f"{words}.")(found), keep)
    ended(outcome, json_=json_)
