"""``ipsecplan schema``: the JSON Schemas of the plan file and of what verbs print, for editors, CI and programs."""

from __future__ import annotations

import json

import click

from netplan.cli.output import emit
from netplan.cli.result_schemas import RESULTS, schema_of
from netplan.model.planfile import json_schema


@click.command("schema", epilog="\b\nExamples:\n  ipsecplan schema > plan.schema.json\n  ipsecplan schema lint")
@click.argument("name", type=click.Choice(["plan-file", *RESULTS]), default="plan-file", metavar="[VERB]")
def command(name: str) -> None:
    """Print the JSON Schema of the plan file, or of the object that VERB prints with --json."""
    emit(json_schema().removesuffix("\n") if name == "plan-file" else json.dumps(schema_of(name), indent=2))
