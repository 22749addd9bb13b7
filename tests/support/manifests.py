"""A manifest of files in memory, as the reader takes it; and the hosts that a ``node.json`` refers to."""

from __future__ import annotations

from collections.abc import Sequence

from netplan.bundle.manifest import File, by_node, entries_digest, header
from netplan.bundle.peer_table import Hosts
from netplan.bundle.schema import Manifest, checked_manifest, parse_hosts
from netplan.pipeline import Planned


def manifest_of(made: Planned, files: Sequence[File]) -> Manifest:
    """Return the manifest of a plan's files. Raises ProblemError for what the reader would refuse."""
    entries = [{"path": f.path, "sha256": f.sha256, "mode": f.mode, "owner": f.owner} for f in files]
    rest, nodes = by_node(entries)
    head = header(made.plan, made.inventory, rest, {node: entries_digest(own) for node, own in nodes.items()})
    return checked_manifest({**head, "files": entries}, "manifest.json")


def hosts_of(files: Sequence[File]) -> Hosts:
    """Return the hosts of the plan.json among files."""
    return parse_hosts(next(f.text.encode() for f in files if f.path == "plan.json"), "plan.json")
