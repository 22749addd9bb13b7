"""``ipsecplan history``: the transactions of this state directory."""

from __future__ import annotations

import click

from netplan.cli.options import JSON, STATE_DIR
from netplan.cli.output import as_json, emit, emit_json
from netplan.problems import printable
from netplan.rollout.record.history import Past, transactions
from netplan.rollout.record.journal import state_root


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
        emit(printable(line))


def lines(found: list[Past]) -> list[str]:
    """Return the table, its head first; empty for no transactions."""
    rows = [("TRANSACTION", "WHEN (UTC)", "CLUSTER", "VERBS", "OUTCOME", "NODES", "SECONDS")]
    for one in found:
        verbs = " ".join(run.verb for run in one.runs)
        when = one.runs[0].at.replace("T", " ").rstrip("Z") if one.runs else ""
        until = f" until {one.runs[-1].until[11:19]}" if one.outcome == "awaiting" else ""
        rows.append(
            (one.transaction, when, one.cluster, verbs, one.outcome + until, str(len(one.nodes)), str(one.seconds))
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return text if found else []
