"""``ipsecplan monitoring``: alert rules, dashboard and log inputs of one plan."""

from __future__ import annotations

import re
from pathlib import Path

import click

from netplan import pipeline
from netplan.cli.options import JSON, PLAN
from netplan.cli.output import as_json, emit, emit_json, note, report
from netplan.cli.steps import write_steps
from netplan.monitoring.render import files, steps
from netplan.problems import counted

_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&()*+,;=%-]{1,300}")  # a rule's texts are templates


@click.command(
    "monitoring",
    epilog="\b\nExamples:\n  ipsecplan monitoring --to watch plan.yaml\n"
    "  ipsecplan monitoring --to watch --docs https://wiki.example/ipsecplan/ plan.yaml",
)
@PLAN
@click.option("--to", "to", type=click.Path(path_type=Path), help="Write the files into this new directory.")
@click.option("--docs", default="", metavar="URL", help="What the addresses of runbooks begin with.")
@JSON
def command(plan: Path, to: Path | None, docs: str, json_: bool) -> None:
    """Write what watches the cluster of PLAN: Prometheus rules, a Grafana dashboard, inputs for Elastic."""
    if docs and not _ADDRESS.fullmatch(docs):
        raise click.UsageError(f"--docs {docs!r} is no address such as https://wiki.example/ipsecplan/")
    with as_json(json_):
        made = pipeline.make(plan)
        found = files(made.plan, docs)
        if to is not None:
            write_steps(to, found, steps(made.plan))
        if json_:
            rows = [{"path": path, "text": text} for path, text in found.items()]
            emit_json({"files": rows}, made.warnings)
            return
        report(made.warnings)
        if to is not None:
            note(f"{to}: {counted(len(found), 'file')} and STEPS.md")
            return
        for path, text in found.items():
            emit(f"# {path}")
            emit(text.rstrip("\n"))
