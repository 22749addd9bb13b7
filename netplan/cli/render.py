"""``ipsecplan render``: write the bundle of files for review."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from netplan import pipeline
from netplan.bundle import write
from netplan.bundle.parallel import MANY
from netplan.cli.options import JSON, PLAN
from netplan.cli.output import as_json, emit, emit_json, report
from netplan.problems import counted


@click.command(
    "render",
    epilog="\b\nExamples:\n  ipsecplan render plan.yaml --to bundle\n  ipsecplan render --json --to out/bundle",
)
@PLAN
@click.option(
    "--to",
    "directory",
    type=click.Path(path_type=Path),
    default="bundle",
    show_default=True,
    help="Directory to write; an earlier bundle there is replaced as a whole.",
)
@JSON
def command(plan: Path, directory: Path, json_: bool) -> None:
    """Write the bundle of PLAN (default: plan.yaml): all files of all nodes, REVIEW.md and the manifest."""
    with as_json(json_):
        made = pipeline.make(plan)
        hosts = len(made.plan.nodes)
        # drawn on a terminal only, and only where it takes long enough to be seen
        hidden = json_ or hosts < MANY or not sys.stderr.isatty()
        with click.progressbar(
            length=hosts, label="hosts", show_pos=True, file=sys.stderr, hidden=hidden, update_min_steps=4
        ) as bar:
            written = write.write(directory, made.plan, made.inventory, lambda done: bar.update(done - bar.pos))
        files = len(written.manifest["files"])
        if json_:
            emit_json({"bundle": str(directory), "digest": written.digest, "files": files}, made.warnings)
            return
        report(made.warnings)
        emit(f"{directory}: {counted(files, 'file')} for {counted(hosts, 'node')}, digest {written.digest[:16]}")
        first = made.plan.file.overlay_facts is not None and any(
            file["path"] == "cluster/STEPS.md" for file in written.manifest["files"]
        )
        steps = f"take the steps of {directory}/cluster/STEPS.md, " if first else ""
        emit(f"read {directory}/REVIEW.md, {steps}then: ipsecplan apply {directory}")
