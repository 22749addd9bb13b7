"""Builds a bundle from a Plan: the exact files that people review and the rollout applies.

A bundle is a directory: ``manifest.json`` (digest, mode and owner of every file), ``plan.json`` (numbers and
ledgers), ``REVIEW.md`` and ``review/index.html`` (for people), ``nodes/<id>/<absolute path>``, and ``cluster/`` for the
container network. Same input, same bytes. It holds no secret.
"""

from __future__ import annotations

from netplan.bundle import review_page
from netplan.bundle.json_text import dump
from netplan.bundle.manifest import File
from netplan.bundle.node_files import NodeFiles
from netplan.bundle.review import review
from netplan.cni.render import network_plan
from netplan.model.node import Node
from netplan.plan.types import Plan


def build(plan: Plan) -> list[File]:
    """Return every file of the bundle but the manifest, in path order; all of it is in memory at once."""
    made = NodeFiles(plan)
    files = [*cluster_files(plan, made), *(file for node in plan.nodes for file in made.of(node))]
    return sorted(files, key=lambda f: f.path)


def cluster_files(plan: Plan, made: NodeFiles | None = None) -> list[File]:
    """Return the files that are about the whole cluster. ``made``: of some hosts, files are shown in the review."""
    network = network_plan(plan)
    return [
        File("plan.json", dump(plan.as_json())),
        *(File(f"cluster/{path}", text) for path, text in network.files.items()),
        File("REVIEW.md", review(plan, network)),
        File(review_page.PATH, review_page.review_page(plan, network, made or NodeFiles(plan))),
    ]


def node_files(plan: Plan, node: Node) -> list[File]:
    """Return the files of one host alone. For an unmanaged host: what its administrator needs to configure it."""
    return NodeFiles(plan).of(node)
