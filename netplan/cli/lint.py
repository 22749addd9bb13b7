"""``ipsecplan lint``: report every error of a plan and its inventory."""

from __future__ import annotations

from pathlib import Path

import click

from netplan import pipeline
from netplan.cli.options import JSON, PLAN
from netplan.cli.output import as_json, emit, emit_json, report


@click.command(
    "lint",
    epilog="\b\nExamples:\n  ipsecplan lint plan.yaml\n  ipsecplan lint --json plan.yaml",
)
@PLAN
@JSON
def command(plan: Path, json_: bool) -> None:
    """Check PLAN (default: plan.yaml) and its inventory; exit 3 when something is wrong."""
    with as_json(json_):
        made = pipeline.make(plan)
        if json_:
            emit_json({"nodes": len(made.plan.nodes), "pod_mtu": made.plan.pod_mtu}, made.warnings)
            return
        report(made.warnings)
        warned = f", {len(made.warnings)} warnings" if made.warnings else ""
        emit(f"{plan}: ok, {len(made.plan.nodes)} nodes, pod MTU {made.plan.pod_mtu}{warned}")
