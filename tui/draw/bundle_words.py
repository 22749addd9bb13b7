"""A bundle in words, for the question before it is applied: what it is, and whether the open plan still is."""

from __future__ import annotations

from pathlib import Path

from netplan.bundle.reader import Bundle
from netplan.inputs.inventory import Inventory
from netplan.inputs.path_kinds import newer_plan, plan_digest
from netplan.model.planfile import PlanFile
from netplan.problems import counted

COUNTED = 100  # nodes; of a larger bundle the pairs are not counted, which takes seconds


def about(bundle: Bundle) -> list[str]:
    """Return size, cipher and pairs of a bundle. Raises ProblemError where a node.json is no good."""
    ids = list(bundle.nodes)
    nodes = [bundle.node(node) for node in (ids if len(ids) <= COUNTED else ids[:1])]
    if not nodes:
        return []
    esp = list(dict.fromkeys(name for node in nodes for name in node["esp"]["negotiated"]))
    pairs = len({peer["pair"] for node in nodes for peer in node["peers"]})
    words = [f"pod MTU {nodes[0]['mtu']['pod']}", " or ".join(esp), f"{nodes[0]['esp']['mode'].lower()} mode"]
    return [", ".join(words + ([counted(pairs, "pair")] if len(ids) <= COUNTED else []))]


def unlike_plan(
    bundle: Bundle, plan: PlanFile | None, path: Path | None, inventory: Inventory | None = None
) -> list[str]:
    """Return a warning where a bundle is not what the plan that is open now, or the one beside the bundle, renders.

    ``inventory``: what the open plan was read with, None where that is not known yet.
    """
    if plan is None or path is None:
        beside = newer_plan(bundle.directory)
        return [f"! OLDER than {beside}: render it anew, or apply what was rendered"] if beside else []
    if plan.name != bundle.cluster:
        return [f"! This is NOT the open plan {path}, whose cluster is {plan.name}"]
    if plan_digest(plan) != bundle.manifest["plan_digest"]:
        return [f"! OLDER than the open plan {path}: R on the screen Files renders it; this applies what was rendered"]
    recorded = bundle.manifest["inventory"]["hosts"]
    if inventory is not None and inventory.digests != recorded:
        names = sorted(
            name
            for name in inventory.digests.keys() | recorded.keys()
            if inventory.digests.get(name) != recorded.get(name)
        )
        some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        return [f"! OLDER than {inventory.shown}, where {some} changed: R on the screen Files renders it anew"]
    return []
