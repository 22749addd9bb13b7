"""``ipsecplan graph``: hosts and pairs for D2 or Graphviz, or as SVG."""

from __future__ import annotations

from pathlib import Path

import click

from netplan import pipeline
from netplan.cli.options import JSON, PLAN
from netplan.cli.output import as_json, emit, emit_json, report
from netplan.cli.steps import write_page
from netplan.plan.graph import FORMATS, graph


@click.command(
    "graph",
    epilog="\b\nExamples:\n  ipsecplan graph --format svg --to graph.svg\n  ipsecplan graph plan.yaml --format dot",
)
@PLAN
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), default="d2", show_default=True)
@click.option("--to", type=click.Path(path_type=Path), help="Write it to this file.")
@JSON
def command(plan: Path, kind: str, to: Path | None, json_: bool) -> None:
    """Draw the hosts and pairs of PLAN (default: plan.yaml) with the largest inner packet of each.

    Above 24 hosts, hosts that are alike for the arithmetic are one. Pairs that stay clear are dashed.
    """
    with as_json(json_):
        made = pipeline.make(plan)
        drawn = graph(made.plan)
        text = FORMATS[kind](drawn)
        if to is not None:
            write_page(to, text)
        if json_:
            edges = [{"from": e.one, "to": e.other, "label": e.label, "protected": e.protected} for e in drawn.edges]
            vertices = [{"id": v.id, "label": v.label} for v in drawn.vertices]
            emit_json({"title": drawn.title, "hosts": vertices, "pairs": edges}, made.warnings)
            return
        report(made.warnings)
        if to is None:
            emit(text.rstrip("\n"))
        else:
            emit(f"{to}: {kind} written")
