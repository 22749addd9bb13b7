"""``ipsecplan schema``: the JSON Schema of the plan file, for editors and CI."""

from __future__ import annotations

import click

from netplan.cli.output import emit
from netplan.model.planfile import json_schema


@click.command("schema", epilog="\b\nExamples:\n  ipsecplan schema\n  ipsecplan schema > plan.schema.json")
def command() -> None:
    """Print the JSON Schema of the plan file."""
    emit(json_schema().removesuffix("\n"))
