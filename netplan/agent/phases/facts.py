"""Op ``facts``: which strongSwan runs here and what it can do, as charon itself says."""

from __future__ import annotations

from ..system import vici
from ..system.core import Node, finding


def facts() -> Node:
    """Return the version and the names of all algorithms, as `swanctl --version` and `--list-algs` print them."""
    with vici.Vici() as link:
        version = link.call("version").get("version", "")
        listed = link.call("get-algorithms")
    names = sorted({name for group in listed.values() if isinstance(group, dict) for name in group})
    return {
        "changed": False,
        "version": version,
        "algorithms": names,
        "detail": f"strongSwan {version}, {len(names)} algorithms",
    }


def lacking(node: Node, found: Node) -> list[Node]:
    """Return a finding when a charon (``found``, as :func:`facts` says) lacks an algorithm that our file offers."""
    missing = sorted(set(node.get("needs", ())) - set(found["algorithms"]))
    if not missing:
        return []
    text = f"strongSwan {found['version']} here has no {', '.join(missing)}, which the plan offers to peers"
    return [finding("IPP644", text, "`ipsecplan facts` tells the plan what each host has; then plan and render again")]
