"""Phase ``facts``: which strongSwan runs here and what it can do, as charon itself says."""

from __future__ import annotations

from ..system import vici
from ..system.core import finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson
    from ..protocol.reply import FactsWork, Finding, Strongswan
    from ..protocol.request import Request


def facts(_request: Request) -> FactsWork:
    """Phase ``facts``: what :func:`strongswan` returns."""
    found = strongswan()
    detail = f"strongSwan {found['version']}, {len(found['algorithms'])} algorithms"
    return {"changed": False, "detail": detail, "version": found["version"], "algorithms": found["algorithms"]}


def strongswan() -> Strongswan:
    """Return the version and the names of all algorithms, as `swanctl --version` and `--list-algs` print them."""
    with vici.Vici() as link:
        version = link.call("version").get("version", "")
        listed = link.call("get-algorithms")
    names = sorted({name for group in listed.values() if isinstance(group, dict) for name in group})
    return {"version": version, "algorithms": names}


def lacking(node: NodeJson, found: Strongswan) -> list[Finding]:
    """Return a finding when a charon (``found``, as :func:`strongswan` says) lacks an algorithm that our file has."""
    missing = sorted(set(node["needs"]) - set(found["algorithms"]))
    if not missing:
        return []
    text = f"strongSwan {found['version']} here has no {', '.join(missing)}, which the plan offers to peers"
    return [finding("IPP644", text, "`ipsecplan facts` tells the plan what each host has; then plan and render again")]
