"""``ipsecplan history``: the transactions of this state directory."""

from __future__ import annotations

import click

from netplan.cli.options import JSON, STATE_DIR
from netplan.cli.output import as_json, emit, emit_json
from netplan.cli.table import table_lines
from netplan.rollout.record.history import Past, transactions
from netplan.rollout.record.journal import state_root

HEADS = ("TRANSACTION", "WHEN (UTC)", "CLUSTER", "VERBS", "OUTCOME", ">NODES", ">SECONDS")


@click.command("history", epilog="\b\nExamples:\n  ipsecplan history\n  ipsecplan history --cluster lab --json")
@click.option("--cluster", help="Only transactions of this cluster.")
@STATE_DIR
@JSON
def command(cluster: str | None, state_dir: str | None, json_: bool) -> None:
    """List the transactions that the journals know: when, what, how it ended, on how many nodes, for how long.

    `ipsecplan show TX` tells one of them phase by phase.
    """
    with as_json(json_):
        found = transactions(state_root(state_dir), cluster)
    if json_:
        emit_json([one.as_json() for one in found])
        return
    if not found:
        emit("no transaction yet")
    for line in lines(found):
        emit(line)


def lines(found: list[Past]) -> list[str]:
    """Return the table, its head first; empty for no transactions."""
    return table_lines(HEADS, map(_row, found)) if found else []


def _row(one: Past) -> tuple[object, ...]:
    when = one.runs[0].at.replace("T", " ").rstrip("Z") if one.runs else ""
    until = f" until {one.runs[-1].until[11:19]}" if one.outcome == "awaiting-confirm" else ""
    verbs = " ".join(run.verb for run in one.runs)
    return one.transaction, when, one.cluster, verbs, one.outcome + until, len(one.nodes), one.seconds
