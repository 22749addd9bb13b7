"""Print how a rollout ended, as text or JSON, and leave with its exit code."""

from __future__ import annotations

import click

from netplan.cli.output import emit, emit_json, report
from netplan.problems import ExitCode, counted
from netplan.rollout.outcome import Outcome


def ended(outcome: Outcome, *, json_: bool) -> None:
    """Print how a run ended that applied or confirmed something, and leave with its exit code."""
    verdict = outcome.verdict
    if json_:
        document = {
            "outcome": outcome.outcome,
            "transaction": outcome.transaction,
            "to_change": outcome.changes,
            "awaiting_until": outcome.until or None,
            "verdict": verdict.as_json() if verdict else None,
            "left_out": outcome.left_out,
            "still_open": outcome.still_open,
            "timer_s": outcome.timer_s,
            "held": _held(outcome),
            "to_raise": outcome.to_raise,
            "raised": outcome.raised,
        }
        emit_json(document, outcome.problems, outcome.exit_code)
        leave(outcome.exit_code)
        return
    for line in verdict.lines() if verdict else ():
        emit(line)
    report(outcome.problems)
    for line in words(outcome):
        emit(line)
    leave(outcome.exit_code)


def words(outcome: Outcome) -> list[str]:
    """Return how a run ended that applied or confirmed something, as lines for people; problems and proof apart."""
    nodes, before = len(outcome.nodes), f"{outcome.until[11:19]} UTC"
    failed = outcome.outcome == "rolled-back" and outcome.verdict is not None and not outcome.verdict.ok
    out = ["verification failed, so every node was rolled back"] if failed else []
    out.append(
        {
            "unchanged": f"0 to change: all {nodes} nodes have this release, confirmed and live",
            "declined": "nothing was changed",
            "confirmed": f"confirmed on {counted(nodes, 'node')}: encrypted, measured, timers disarmed",
            "awaiting-confirm": f"verified on {counted(nodes, 'node')}; run `ipsecplan confirm` before {before}, "
            "or every node rolls back",
            "rolled-back": "rolled back: all nodes as before (MTUs stay low; `ipsecplan revert` raises them)",
            "rollback-incomplete": "rollback incomplete: see the nodes listed above",
            "failed": "nothing was changed",
        }[outcome.outcome]
    )
    still_open(outcome)
    if outcome.outcome in ("unchanged", "confirmed", "awaiting-confirm"):
        out += _left(outcome)
    elif outcome.left_out:
        out.append(f"left out: {', '.join(outcome.left_out)}")
    if outcome.exit_code == ExitCode.REVERT_INCOMPLETE:
        out.append("see `ipsecplan status`; an unreachable node rolls back by its own timer")
    return out


def still_open(outcome: Outcome) -> None:
    """Print which nodes are left to their timers, and what can be done before these end."""
    if not outcome.still_open:
        return
    first = min(outcome.still_open.values())
    when = f"within {first:.0f} s" if first else "now"
    who = "rolls back by itself" if len(outcome.still_open) == 1 else "each rolls back by itself, the first"
    emit(f"still open on {', '.join(outcome.still_open)}: {who} {when}")
    emit("before that, `ipsecplan resume` goes on with it, and `ipsecplan revert` rolls it back at once")


def _held(outcome: Outcome) -> dict[str, int | str] | None:
    return dict(zip(("mtu", "planned", "because"), outcome.held, strict=True)) if outcome.held else None


def _left(outcome: Outcome) -> list[str]:
    """Return what this bundle has still to do, as lines."""
    out = [
        f"{name} deferred: {' '.join(pairs) or 'no pair'} as before; `ipsecplan apply` again completes it"
        for name, pairs in outcome.left_out.items()
    ]
    if outcome.raised:
        out.append(f"raised: {outcome.raised[0]} -> {outcome.raised[1]}, receivers first, measured")
    if outcome.to_raise:
        size, planned = outcome.to_raise
        out.append(f"to raise: {size} -> {planned}, only on request: `ipsecplan apply --raise-mtu`")
    return out


def leave(code: ExitCode) -> None:
    """End the verb with an exit code."""
    if code != ExitCode.OK:
        raise click.exceptions.Exit(int(code))
