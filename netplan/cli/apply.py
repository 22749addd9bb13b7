"""``ipsecplan apply``: exactly one bundle, phase by phase, taken back unless proven."""

from __future__ import annotations

from pathlib import Path

import click

from netplan.cli.lint import JSON
from netplan.cli.output import as_json, emit, emit_json, report
from netplan.cli.progress import BUNDLE, INVENTORY, STATE_DIR, YES, asking, leave, need_yes, opened
from netplan.problems import ExitCode
from netplan.rollout.engine import Options, Outcome


@click.command(
    "apply",
    epilog="\b\nExamples:\n  ipsecplan apply bundle\n  ipsecplan apply bundle --yes --timer 300 --soak 30",
)
@BUNDLE
@INVENTORY
@click.option("--timer", type=click.IntRange(15, 3600), default=180, show_default=True,
              help="Seconds a node waits for each step before it takes everything back by itself.")  # fmt: skip
@click.option("--soak", type=click.FloatRange(0, 86400), default=5, show_default=True,
              help="Seconds without a clear packet before clear packets are dropped.")  # fmt: skip
@YES
@STATE_DIR
@JSON
def command(
    bundle: Path, inventory: Path | None, timer: int, soak: float, yes: bool, state_dir: str | None, json_: bool
) -> None:
    """Apply BUNDLE (default: bundle) to its nodes, prove it on the wire, confirm it; or take it back.

    A second apply of the same bundle changes nothing. Exit 6: it was taken back; 7: not on every node.
    """
    need_yes(yes)
    options = Options(timer_s=timer, soak_s=soak)
    with as_json(json_), opened(bundle, inventory, state_dir, options, quiet=json_) as engine:
        outcome = engine.apply(asking(yes, _question))
    if json_:
        emit_json(_document(outcome), outcome.problems, outcome.exit_code)
    else:
        _print(outcome)
    leave(outcome.exit_code)


def _question(outcome: Outcome) -> str:
    return (
        f"{outcome.changes} of {len(outcome.nodes)} nodes to change; each reverts by itself unless this is confirmed."
    )


def _document(outcome: Outcome) -> dict[str, object]:
    return {
        "outcome": outcome.outcome, "transaction": outcome.transaction, "to_change": outcome.changes,
        "verdict": outcome.verdict.as_json() if outcome.verdict else None,
    }  # fmt: skip


def _print(outcome: Outcome) -> None:
    if outcome.verdict:
        for pair in outcome.verdict.pairs:
            emit(pair.line())
    report(outcome.problems)
    nodes = len(outcome.nodes)
    said = {
        "unchanged": f"0 to change: all {nodes} nodes have this release, confirmed and live",
        "declined": "nothing was changed",
        "confirmed": f"confirmed on {nodes} nodes: encrypted, measured, timers disarmed",
        "reverted": "every node is back in its old state (MTUs stay low; `ipsecplan revert` raises them)",
        "incomplete": "NOT every node was taken back",
        "failed": "nothing was changed",
    }
    if outcome.outcome == "reverted" and outcome.verdict and not outcome.verdict.ok:
        emit("verify failed, so it was taken back")
    emit(said[outcome.outcome])
    if outcome.exit_code == ExitCode.REVERT_INCOMPLETE:
        emit("see `ipsecplan status`; a node that is cut off reverts by its own timer")
