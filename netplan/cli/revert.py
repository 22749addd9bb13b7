"""``ipsecplan revert``: undo apply in reverse order, on all nodes in step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netplan.cli.ask import asking, need_yes
from netplan.cli.options import BUNDLE, FORKS, INVENTORY, JSON, LIMIT, STATE_DIR, TAKE_OVER, YES
from netplan.cli.outcome import leave, still_open
from netplan.cli.output import as_json, emit, emit_json, report
from netplan.cli.session import opened
from netplan.problems import counted
from netplan.rollout.outcome import Options, Outcome
from netplan.rollout.verbs.revert import revert


@click.command("revert", epilog="\b\nExamples:\n  ipsecplan revert bundle\n  ipsecplan revert bundle --yes --json")
@BUNDLE
@INVENTORY
@LIMIT
@YES
@TAKE_OVER
@FORKS
@STATE_DIR
@JSON
def command(bundle: Path, inventory: Path | None, yes: bool, state_dir: str | None, json_: bool, **chosen: Any) -> None:
    """Roll back BUNDLE on its nodes: an unconfirmed transaction, or, once confirmed, all encryption.

    All nodes accept clear and encrypted packets first, then SAs end, then files are removed, and MTUs rise last. With
    --limit, only nodes that the others have dropped already (they confirmed a bundle without them) are reverted.
    """
    need_yes(yes, bundle)
    with as_json(json_), opened(bundle, inventory, state_dir, Options(**chosen), quiet=json_) as engine:
        outcome = revert(engine, asking(yes, question))
    if json_:
        document: dict[str, object] = {
            "outcome": outcome.outcome,
            "transaction": outcome.transaction,
            "touched": outcome.changes,
        }
        document |= {"left_out": outcome.left_out, "still_open": outcome.still_open}
        emit_json(document, outcome.problems, outcome.exit_code)
    else:
        report(outcome.problems)
        emit(said(outcome))
        still_open(outcome)
    leave(outcome.exit_code)


def said(outcome: Outcome) -> str:
    """Return how it ended, in words."""
    are = "is" if len(outcome.nodes) == 1 else "are"
    return {
        "unchanged": "nothing to roll back",
        "declined": "nothing was changed",
        "removed": f"removed: {counted(len(outcome.nodes), 'node')} {are} as before ipsecplan, MTUs included",
        "rolled-back": "the open transaction was rolled back; the release before it is in force",
        "rollback-incomplete": "rollback incomplete: see the nodes listed above",
        "failed": "nothing was changed",
    }[outcome.outcome]


def question(outcome: Outcome) -> str:
    """Return the question before the first change."""
    encrypted = sum(1 for node in outcome.nodes.values() if node["state"]["state"] == "confirmed")
    warning = f"; {encrypted} of them will send overlay packets in CLEAR afterwards" if encrypted else ""
    return f"{outcome.changes} of {counted(len(outcome.nodes), 'node')} to roll back{warning}."
