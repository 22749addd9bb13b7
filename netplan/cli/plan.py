"""``ipsecplan plan``: every number of a plan, with the ledger of the one that limits the cluster."""

from __future__ import annotations

from pathlib import Path

import click

from netplan import pipeline
from netplan.cli.options import JSON, PLAN
from netplan.cli.output import as_json, emit, emit_json, report
from netplan.explain.text import ledger_table
from netplan.plan.notes import consequences
from netplan.plan.types import Plan
from netplan.problems import printable

MAX_PAIRS_SHOWN = 24


@click.command(
    "plan",
    epilog="\b\nExamples:\n  ipsecplan plan plan.yaml\n  ipsecplan plan --json plan.yaml",
)
@PLAN
@JSON
def command(plan: Path, json_: bool) -> None:
    """Compute every number of PLAN (default: plan.yaml) and show why."""
    with as_json(json_):
        made = pipeline.make(plan)
        if json_:
            emit_json(made.plan.as_json(), made.warnings)
            return
        report(made.warnings)
        for line in describe(made.plan):
            emit(line)


def describe(plan: Plan) -> list[str]:
    """Return the plan as people read it in a terminal."""
    limiting = plan.limiting
    worst = limiting.worst
    overlay = plan.file.overlay
    lines = [
        f"cluster {plan.file.name}: {len(plan.nodes)} nodes, {sum(c.pairs for c in plan.classes)} pairs, "
        f"{overlay.type}{f' port {overlay.udp_port}' if overlay.udp_port else ''} over {plan.file.underlay.family}",
        "",
        f"pod MTU {plan.pod_mtu}   set by class {limiting.name}: link {limiting.link_mtu} "
        f"({printable(limiting.limited_by)}), {worst.proposal.text}",
        f"packet  {worst.stack.text}",
        "",
        *ledger_table(worst.solution),
        "",
        f"{'class':<6} {'pairs':>8} {'link':>6} {'NAT-T':>6} {'inner':>6} {'outer':>6}  ESP proposals",
    ]
    for c in plan.classes:
        mark = "  <- sets the pod MTU" if c is limiting and len(plan.classes) > 1 else ""
        lines.append(
            f"{c.name:<6} {c.pairs:>8} {c.link_mtu:>6} {'yes' if c.nat_t else 'no':>6} {c.inner_mtu:>6} "
            f"{plan.outer_packet(c):>6}  {','.join(s.proposal.text for s in c.sized)}{mark}"
        )
    for fabric in plan.additional:
        lines += ["", f"network {fabric.name} ({fabric.family}): {len(fabric.nodes)} nodes"]
        lines += [f"{'class':<6} {'pairs':>8} {'link':>6} {'NAT-T':>6} {'packet':>6}  ESP proposals"]
        lines += [
            f"{c.name:<6} {c.pairs:>8} {c.link_mtu:>6} {'yes' if c.nat_t else 'no':>6} "
            f"{fabric.host_packet_limit(c):>6}  {','.join(s.proposal.text for s in c.sized)}"
            for c in fabric.classes
        ]
    lines += ["", *(f"- {sentence}" for sentence in consequences(plan))]
    lines += ["", f"{'node':<20} {'id':<15} {'underlay address':<26} {'link':>6}  pods"]
    for n in plan.nodes[:MAX_PAIRS_SHOWN]:
        lines.append(f"{printable(n.name):<20} {n.id:<15} {n.address:<26} {n.link_mtu:>6}  {n.pod_cidr}")
        lines += [
            f"{'':<20} {printable(at.network):<15} {at.address:<26} {at.link_mtu:>6}" for at in n.network_addresses
        ]
    if len(plan.nodes) > MAX_PAIRS_SHOWN:
        lines.append(f"... and {len(plan.nodes) - MAX_PAIRS_SHOWN} more (--json has all)")
    return lines
