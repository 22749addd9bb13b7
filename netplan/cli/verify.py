"""``ipsecplan verify``: what the plan promises, measured on the wire between every two nodes."""

from __future__ import annotations

from pathlib import Path

import click

from netplan.cli.lint import JSON
from netplan.cli.output import as_json, emit, emit_json, report
from netplan.cli.progress import BUNDLE, INVENTORY, STATE_DIR, leave, opened
from netplan.rollout.engine import Options


@click.command("verify", epilog="\b\nExamples:\n  ipsecplan verify bundle\n  ipsecplan verify --json bundle")
@BUNDLE
@INVENTORY
@STATE_DIR
@JSON
def command(bundle: Path, inventory: Path | None, state_dir: str | None, json_: bool) -> None:
    """Measure every pair of BUNDLE's nodes in both directions; exit 5 when something is not as planned.

    From a pod made by the real CNI plugins: a DF packet of the planned size arrives, one byte more is refused; a
    capture on the underlay NIC sees ESP of the planned size and no plaintext, and does see one planted on purpose.
    """
    with as_json(json_), opened(bundle, inventory, state_dir, Options(), quiet=True) as engine:
        outcome = engine.verify()
    if json_:
        emit_json(outcome.verdict.as_json() if outcome.verdict else None, outcome.problems, outcome.exit_code)
        leave(outcome.exit_code)
        return
    if outcome.verdict:
        for pair in outcome.verdict.pairs:
            emit(pair.line())
    report(outcome.problems)
    if outcome.verdict and outcome.verdict.ok:
        emit(f"verified: {len(outcome.verdict.pairs)} directions measured")
    leave(outcome.exit_code)
