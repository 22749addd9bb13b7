"""``REVIEW.md``: a bundle for people."""

from __future__ import annotations

from netplan import __version__
from netplan.cni.render import NetworkPlan
from netplan.plan.notes import consequences
from netplan.plan.types import Plan
from netplan.templates.render import markdown_cell, render


def review(plan: Plan, network: NetworkPlan) -> str:
    """Return ``REVIEW.md``."""
    return render(
        "review/REVIEW.md.j2",
        {"cell": markdown_cell},
        plan=plan,
        network=network,
        consequences=consequences(plan),
        tool=__version__,
    )
