"""``ipsecplan lint``: report every error of a plan and its inventory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from netplan import pipeline
from netplan.audit.sarif import of_problems
from netplan.cli.options import JSON, PLAN
from netplan.cli.outcome import leave
from netplan.cli.output import as_json, emit, emit_json, report
from netplan.inputs.inventory import Host
from netplan.inputs.variable_names import VARIABLES
from netplan.problems import ExitCode, ProblemError, counted, printable, quoted


@click.command(
    "lint",
    epilog="\b\nExamples:\n  ipsecplan lint plan.yaml\n  ipsecplan lint --verbose\n  ipsecplan lint --json plan.yaml",
)
@PLAN
@click.option("--verbose", "-v", is_flag=True, help="List what was read of each host, and from where.")
@click.option("--sarif", "sarif_", is_flag=True, help="Print SARIF 2.1.0 for code scanning.")
@JSON
def command(plan: Path, verbose: bool, sarif_: bool, json_: bool) -> None:
    """Check PLAN (default: plan.yaml) and its inventory; exit 3 when something is wrong."""
    if sarif_:
        if json_ or verbose:
            raise click.UsageError("--sarif is an output of its own")
        leave(_as_sarif(plan))
        return
    with as_json(json_):
        made = pipeline.make(plan)
        read = [what_was_read(host) for host in made.inventory.hosts] if verbose else []
        if json_:
            more = {"hosts": read} if verbose else {}
            emit_json({"nodes": len(made.plan.nodes), "pod_mtu": made.plan.pod_mtu, **more}, made.warnings)
            return
        for host in read:
            emit(printable(f"{host['name']}: {', '.join(host['read']) or 'nothing'}"))
            if host["not_read"]:
                emit(printable(f"  not read: {', '.join(host['not_read'])}"))
        report(made.warnings)
        warned = f", {counted(len(made.warnings), 'warning')}" if made.warnings else ""
        emit(f"{plan}: ok, {counted(len(made.plan.nodes), 'node')}, pod MTU {made.plan.pod_mtu}{warned}")


def _as_sarif(plan: Path) -> ExitCode:
    code = ExitCode.OK
    try:
        problems = pipeline.make(plan).warnings
    except ProblemError as error:
        problems, code = error.problems, error.exit_code
    emit(json.dumps(of_problems(problems), indent=2))
    return code


def what_was_read(host: Host) -> dict[str, Any]:
    """Return the variables of a host that the plan reads, with their values, and the names of all others.

    Those that Ansible itself takes are left out, but for an ``ansible_host`` that stands for ``underlay_address``.
    """
    names = [*VARIABLES] if "underlay_address" in host.variables else ["ansible_host", *VARIABLES]
    read = [f"{name}={quoted(host.variables[name])}" for name in names if name in host.variables]
    facts = [f"{text} (by `ipsecplan facts`)" if text.split("=")[0] in host.collected else text for text in read]
    others = sorted(str(name) for name in host.variables if name not in names and not str(name).startswith("ansible_"))
    return {"name": host.name, "read": facts, "not_read": others}
