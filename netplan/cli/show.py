"""``ipsecplan show``: one transaction, phase by phase."""

from __future__ import annotations

from collections.abc import Sequence

import click

from netplan.cli import complete
from netplan.cli.options import JSON, STATE_DIR
from netplan.cli.output import as_json, emit, emit_json
from netplan.cli.table import table_lines
from netplan.problems import Problem, ProblemError, closest, counted
from netplan.rollout.record.history import Past, Phase, matching, past
from netplan.rollout.record.journal import state_root

COLUMNS = 8  # nodes; above it only their number and the slowest one are shown


@click.command(
    "show", epilog="\b\nExamples:\n  ipsecplan show tx-20260102\n  ipsecplan show --json tx-20260102030405-ab12"
)
@click.argument("transaction", shell_complete=complete.transactions, metavar="TX")
@STATE_DIR
@JSON
def command(transaction: str, state_dir: str | None, json_: bool) -> None:
    """Show transaction TX (its beginning is enough) from its journal: phases by nodes with seconds, and problems."""
    with as_json(json_):
        root = state_root(state_dir)
        found = matching(root, transaction)
        if len(found) != 1:
            names = [path.stem for path in found or matching(root, "tx-")]
            near = names[:4] if found else [name for name in (closest(transaction, names),) if name]
            hint = f"did you mean {', '.join(near)}?" if near else "`ipsecplan history` lists them"
            said = "several transactions begin" if found else "no transaction begins"
            raise ProblemError(Problem(code="IPP666", message=f"{said} with {transaction!r}", hint=hint))
        one = past(found[0])
    if json_:
        emit_json({**one.as_json(), "runs": [run.as_json() for run in one.runs]})
        return
    for line in lines(one):
        emit(line)


def lines(one: Past) -> list[str]:
    """Return one transaction for people."""
    text = [f"{one.transaction}  cluster {one.cluster}  bundle {one.digest[:12]}  {counted(len(one.nodes), 'node')}"]
    for run in one.runs:
        until = f" until {run.until}" if run.outcome == "awaiting-confirm" else ""
        text += ["", f"{run.verb} at {run.at}: {run.outcome}{until}"]
        if run.phases:
            text += [f"  {line}" for line in _phases(run.phases, one.nodes)]
        if run.reason:
            text.append(f"  rolled back: {run.reason}")
        text += [f"  {p.get('severity')} {p.get('code')}: {p.get('message')}" for p in run.problems]
    return text


def _phases(phases: Sequence[Phase], nodes: Sequence[str]) -> list[str]:
    """Return seconds by phase and node; with many nodes only how many were ok, and the slowest one."""
    if len(nodes) <= COLUMNS:
        rows = [(p.name, f"{p.seconds:.1f}", *(_cell(p.nodes.get(name)) for name in nodes)) for p in phases]
        return table_lines(("", ">wall", *(f">{name}" for name in nodes)), rows)
    return table_lines(("", ">wall", ""), ((p.name, f"{p.seconds:.1f}", _summary(p)) for p in phases))


def _summary(phase: Phase) -> str:
    good = sum(1 for ok, _ in phase.nodes.values() if ok)
    slowest = max(phase.nodes, key=lambda name: phase.nodes[name][1], default="")
    seconds = f", slowest {slowest} {phase.nodes[slowest][1]:.1f} s" if slowest else ""
    return f"{good} of {len(phase.nodes)} ok{seconds}"


def _cell(result: tuple[bool, float] | None) -> str:
    if result is None:
        return "-"
    return f"{result[1]:.1f}" if result[0] else "FAILED"
