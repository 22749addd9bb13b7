"""Builds a bundle from a Plan: the exact files that people review and the rollout applies.

A bundle is a directory: ``manifest.json`` (digest, mode and owner of every file), ``plan.json`` (numbers and
ledgers), ``REVIEW.md`` (for people), ``nodes/<id>/<absolute path>``, and ``cluster/`` for the container network. Same
input, same bytes. It holds no secret.
"""

from __future__ import annotations

from collections.abc import Callable

from netplan.bundle.manifest import File, dump
from netplan.bundle.node_files import firewall_files, managed_files, unmanaged_files
from netplan.bundle.parallel import each
from netplan.bundle.review import review
from netplan.cni.render import network_plan
from netplan.model.node import Node
from netplan.plan.types import Plan


def build(plan: Plan, tell: Callable[[int], object] = lambda _: None) -> list[File]:
    """Return every file of the bundle but the manifest, in path order. ``tell`` is called with the hosts done."""
    files = cluster_files(plan)
    for done, made in enumerate(each(node_files, plan, plan.nodes), 1):
        files += made
        tell(done)
    return sorted(files, key=lambda f: f.path)


def cluster_files(plan: Plan) -> list[File]:
    """Return the files that are about the whole cluster."""
    network = network_plan(plan)
    return [
        File("plan.json", dump(plan.as_json())),
        *(File(f"cluster/{path}", text) for path, text in network.files.items()),
        File("REVIEW.md", review(plan, network)),
    ]


def node_files(plan: Plan, node: Node) -> list[File]:
    """Return the files of one host. For an unmanaged host: what its administrator needs to configure it."""
    return [*managed_files(plan, node), *firewall_files(plan, node)] if node.managed else unmanaged_files(plan, node)
