"""``REVIEW.md``: a bundle for people."""

from __future__ import annotations

from netplan import __version__
from netplan.cni.render import NetworkPlan
from netplan.plan.notes import consequences
from netplan.plan.types import Plan
from netplan.templates.render import render


def review(plan: Plan, network: NetworkPlan) -> str:
    """Return ``REVIEW.md``."""
    return render(
        "review/REVIEW.md.j2",
        {"cell": _cell},
        plan=plan,
        network=network,
        consequences=consequences(plan),
        tool=__version__,
    )


def _cell(value: object) -> str:
    """Text that can't break a Markdown table or start markup in it."""
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    for c in "\\|`*_<>[]":
        text = text.replace(c, "\\" + c)
    return text
