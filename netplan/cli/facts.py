"""``ipsecplan facts``: collect the strongSwan capabilities of each node for the next plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from netplan.bundle import reader
from netplan.cli.options import BUNDLE, INVENTORY, JSON, STATE_DIR
from netplan.cli.output import as_json, emit, emit_json
from netplan.cli.session import opened
from netplan.files import write_atomic
from netplan.inputs.inventory import facts_file
from netplan.problems import ProblemError
from netplan.refusals import refusals
from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Failed, Options


@click.command("facts", epilog="\b\nExamples:\n  ipsecplan facts bundle\n  ipsecplan plan")
@BUNDLE
@INVENTORY
@STATE_DIR
@JSON
def command(bundle: Path, inventory: Path | None, state_dir: str | None, json_: bool) -> None:
    """Ask the nodes of BUNDLE for strongSwan's version and algorithms, and write them beside the inventory.

    Each node also sends a packet through an IP-TFS SA and one through an SA for one processor, in throwaway namespaces.
    `plan` and `render` read that file: each pair is offered what both ends support. Inventory variables override it.
    Nothing is changed on any node.
    """
    with as_json(json_), opened(bundle, inventory, state_dir, Options(), quiet=True, reading=True) as engine:
        hosts = asked(engine)
    path = facts_file(inventory or Path(reader.read(bundle).manifest["inventory"]["path"]))
    with as_json(json_), refusals(path, "written"):
        write_atomic(path, text_of(hosts).encode(), 0o644)
    if json_:
        emit_json({"file": str(path), "hosts": hosts})
        return
    versions: dict[str, list[str]] = {}
    for name, found in hosts.items():
        versions.setdefault(str(found["strongswan_version"]), []).append(name)
    for version, names in sorted(versions.items()):
        emit(f"strongSwan {version}: {', '.join(sorted(names)[:8])}" + (" ..." if len(names) > 8 else ""))
    for line in tried(hosts):
        emit(line)
    emit(f"{path}: plan and render again to use it")


def asked(engine: Engine) -> dict[str, dict[str, object]]:
    """Ask every node; return its name with the variables that are written beside the inventory. Raises ProblemError."""
    engine.begin("facts", journal=False)
    try:
        engine.step(phases.FACTS)
    except Failed as failure:
        raise ProblemError(failure.problems) from None
    answers = {target.name: engine.run.results.facts[node] for node, target in engine.targets.items()}
    return {
        name: {
            "strongswan_version": found["version"],
            "strongswan_algorithms": sorted(found["algorithms"]),
            "kernel_iptfs": found["kernel"]["iptfs"],
            "kernel_per_cpu_sas": found["kernel"]["per_cpu_sas"],
        }
        for name, found in answers.items()
    }


def text_of(hosts: Mapping[str, Mapping[str, object]]) -> str:
    """Return the file that ``plan`` and ``render`` read."""
    return json.dumps({"schema": 1, "hosts": dict(sorted(hosts.items()))}, indent=1) + "\n"


def tried(hosts: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Return in words what became of a packet on which hosts."""
    lines = []
    for variable, what in (("kernel_iptfs", "an IP-TFS SA"), ("kernel_per_cpu_sas", "an SA for one processor")):
        words: dict[str, list[str]] = {}
        for name, found in sorted(hosts.items()):
            words.setdefault(str(found[variable]), []).append(name)
        for word, names in sorted(words.items()):
            lines.append(f"a packet in {what} {word}: {', '.join(names[:8])}" + (" ..." if len(names) > 8 else ""))
    return lines
