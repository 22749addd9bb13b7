"""The byte ledger as lines of a terminal; ``calc`` and ``plan`` print the same one."""

from __future__ import annotations

from netplan.stack import Solution


def ledger_lines(solution: Solution) -> list[str]:
    """Return the ledger of a solution, outermost header first: bytes, running offset, name, source."""
    rows = solution.ledger
    width = max(len(row.name) for row in rows)
    lines = [f"  {'bytes':>6} {'from':>6}  {'what':<{width}}  source"]
    for row in rows:
        note = f" ({row.note})" if row.note else ""
        lines.append(f"  {row.bytes:>6} {row.offset:>6}  {row.name:<{width}}  {row.source}{note}".rstrip())
    slack = f", {solution.slack} of the link unused" if solution.slack else ""
    lines.append(f"  {solution.outer_packet:>6} {'':>6}  outer packet{slack}")
    return lines
