"""Phase ``status``: what the node really has, compared with the bundle."""

from __future__ import annotations

from ..system import vici, xfrm
from ..system.core import Stop, read
from ..transaction import deferred_pairs, lease, replaced, state
from ..transaction import release as release_module
from . import close_up, drift, ike, live_sas, overlay_mtu, trap_any, xfrm_interfaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import PairSas, StatusWork
    from ..protocol.request import Request

# what `ipsecplan diff --live` compares; a bundle's files hold no secret
SWANCTL, GUARD = "/etc/swanctl/conf.d/ipsecplan.conf", "/etc/ipsecplan/guard-drop.nft"


def status(request: Request) -> StatusWork:
    """Return the live state and every difference from the confirmed release of this bundle."""
    node, release, files = request["node"], request["release"], request["files"]
    now, guard, timers = state.load(), xfrm.guard(), state.armed()
    waits = overlay_mtu.to_raise(node)
    entries = [f for f in files if not (waits and release_module.kind(f["path"]) == "mtu")]
    found = (
        drift.release(now, release)
        + drift.former(now, files, waits)
        + drift.files(entries, node)
        + drift.mtus(node)
        + drift.deferrals(node)
    )
    late, node = deferred_pairs.current(), deferred_pairs.without(node)
    loaded, traps, ike_up = set(), set(), 0
    pairs: list[PairSas] = []
    try:
        connections, traps = vici.connections(), vici.traps()
        loaded = set(connections)
        children = ike.child_sas(node)
        ike_up = sum(1 for sas in ike.ike_sas(node).values() if sas)
        for peer in node["peers"]:
            names = {n: sorted({vici.algorithm(c) for c in children[(peer["pair"], n)]}) for n in peer["children"]}
            pairs.append({"peer": peer["id"], "name": peer["name"], "children": names})
        here = trap_any.loaded(node, loaded), trap_any.traps(node, traps)
        found += drift.ipsec(node, *here, children) + drift.strangers(node)
        if now["state"] == "confirmed":
            found += live_sas.unlike_the_kernel(node) + live_sas.overdue(node, children)
            found += [
                drift.differing(f["code"], f["message"], hint=f["hint"])
                for f in live_sas.reauthenticating(node, connections)
            ]
        found += drift.left_behind(now, node)
    except Stop as stop:
        found += [
            drift.differing(f["code"], f["message"], hint=f["hint"], severity=f["severity"]) for f in stop.findings
        ]
    certificates, ages = drift.certificates(node)
    found += drift.closed(node, guard, timers, now) + certificates
    differs = [d["message"] for d in found if d["severity"] == "error"]
    policies = xfrm.policies()
    answer: StatusWork = {
        "changed": False,
        "state": now,
        "transaction": state.progress(now),
        "lease": lease.load(),
        "guard": guard,
        "mtu": overlay_mtu.live(node),
        "timers": timers,
        "pairs": pairs,
        "ike_sas": ike_up,
        "connections": len(loaded),
        "traps": len(traps),
        "permissive": bool(xfrm.open_to(node)),
        "policies": sum(xfrm.ours(p, node) and not xfrm.is_floor(p) for p in policies),
        "interfaces": len(xfrm_interfaces.routed_peers(node)) if xfrm_interfaces.enabled(node) else None,
        "floor": sum(map(xfrm.is_floor, policies)),
        "states": len(xfrm.states()),
        "certificates": ages,
        "held": replaced.held(now),
        "deferred": [words[0] for words in late.values()],
        "to_raise": waits,
        "xfrm_errors": xfrm.errors(),
        "mtu_before": overlay_mtu.remembered(),
        "drift": found,
        "differs": differs,
        "detail": now["state"] + (": " + differs[0] if differs else ""),
    }
    if request.get("close"):
        answer["close"] = close_up.close_ups(request["node"], request["close"])
    if request.get("texts"):
        wildcard = read(trap_any.WILDCARD)
        answer["texts"] = {
            "swanctl": read(trap_any.PAIRS if wildcard else SWANCTL),
            "guard": read(GUARD),
            "wildcard": wildcard,
            "files": {entry["path"]: read(entry["path"]) for entry in files},
        }
    return answer
