"""The phases that touch IPsec, played: what they ask of peers, what they leave loaded, and what they measure.

What remembers, arms, decides and rolls back is the agent's own code; these stand in for charon's and the kernel's part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netplan.agent.system import core
from netplan.agent.system.core import Stop, finding
from netplan.agent.transaction import lease, release, replaced, state
from tests.support import replies

if TYPE_CHECKING:
    from tests.simulation.machine import Node

# phases whose own code runs; every other one is played here, or does nothing
REAL = frozenset(
    (
        "arm",
        "await-confirm",
        "prepare",
        "confirm",
        "release-lease",
        "accept-both",
        "send-clear",
        "roll-back",
        "read-back",
    )
)
FILES = ("/etc/ipsecplan/guard-drop.nft", "/etc/ipsecplan/start-none.conf", "/etc/swanctl/conf.d/ipsecplan.conf")
SECONDS = {"probe": 3.0, "preflight": 2.0, "ike-check": 1.5, "encrypt": 1.0}  # of work; else half a second


def work(node: Node, phase: str, request: dict[str, Any]) -> dict[str, Any]:
    """Do a phase on a node; return what it adds to its result. Raises Stop."""
    serve = globals().get("_" + phase.replace("-", "_"))
    said = {"changed": True, "detail": "", **replies.added(phase, request["node"])}
    return {**said, **(serve(node, request) or {})} if serve else said


def _status(node: Node, request: dict[str, Any]) -> dict[str, Any]:
    now = state.load()
    same = now["state"] == "confirmed" and now["release"] == request["release"]
    return {
        "state": now,
        "transaction": state.progress(now),
        "lease": lease.load(),
        "held": replaced.held(now),
        "timers": state.armed(),
        "differs": [] if same else ["not as the bundle says"],
    }


def _preflight(node: Node, request: dict[str, Any]) -> None:
    if node.charon_hangs:
        raise Stop(finding("IPP611", "charon does not answer"))
    if node.disk.free < 2**20:
        raise Stop(finding("IPP635", "no room"))
    if request["skew"] < -60:  # who is ahead may only have waited for its turn: the controller judges that
        raise Stop(finding("IPP632", "the clock is wrong"))


def _stage(node: Node, request: dict[str, Any]) -> None:
    for path in FILES:
        release.put(request["tx"], path, f"{request['release']} {path}\n", 0o600)
    core.write(f"{release.folder(request['release'])}/files.json", "[]")
    if node.guard == "absent":
        node.guard = "count"


def _credentials(node: Node, request: dict[str, Any]) -> None:
    _asked(node)
    node.loaded, node.traps = request["release"], False


def _asked(node: Node) -> None:
    if node.charon_hangs:
        raise Stop(finding("IPP611", "charon does not answer"))


def _peers(node: Node, request: dict[str, Any]) -> list[tuple[str, Node]]:
    return [(peer["pair"], node.world.nodes[peer["id"]]) for peer in request["node"]["peers"]]


def _lacking(node: Node, request: dict[str, Any], pairs: list[tuple[str, Node]]) -> list[Node]:
    """Return the peers that don't answer as they should, now or once what is on its way to them has arrived."""
    wanted = request["release"]
    return [
        other
        for _, other in pairs
        if not other.reachable
        or other.charon_hangs
        or not (node.world.same_bundle(other.loaded, wanted) or other.id in node.world.under_way)
    ]


def _without(request: dict[str, Any], missing: list[Node], code: str, words: str) -> Exception:
    """Return what ends a phase that lacks peers; an agent that may be asked again says so instead."""
    if request.get("more") and hasattr(core, "Waiting"):
        return core.Waiting([other.id for other in missing])  # type: ignore[no-any-return]
    return Stop(*[finding(code, f"{words} {other.name}") for other in missing])


def _ike_check(node: Node, request: dict[str, Any]) -> None:
    _asked(node)
    if missing := _lacking(node, request, _peers(node, request)):
        raise _without(request, missing, "IPP614", "no IKE_SA with")


def _permissive(node: Node, request: dict[str, Any]) -> None:
    node.wide = True


def _encrypt(node: Node, request: dict[str, Any]) -> None:
    _asked(node)
    wanted = set(request["pairs"]) if "pairs" in request else None  # None: of every pair
    pairs = [(pair, other) for pair, other in _peers(node, request) if wanted is None or pair in wanted]
    if missing := _lacking(node, request, pairs):
        raise _without(request, missing, "IPP617", "no CHILD_SA with")
    for pair, other in pairs:
        if other.loaded is not None:
            node.sas[pair] = other.sas[pair] = node.world.group(request["release"])


def _trap(node: Node, request: dict[str, Any]) -> None:
    _asked(node)
    node.traps = True


def _soak(node: Node, request: dict[str, Any]) -> None:
    node.work += request["soak"]
    clear = [other.name for pair, other in _peers(node, request) if not node.world.esp(node, other)]
    if clear:
        raise Stop(finding("IPP619", f"clear packets, of {len(clear)} peers"))


def _enforce(node: Node, request: dict[str, Any]) -> None:
    release.put(request["tx"], "/etc/ipsecplan/guard.nft", f"{request['release']} drops\n", 0o640)
    node.guard, node.wide = "drop", False


def _probe(node: Node, request: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for peer in request["node"]["peers"]:
        other = node.world.nodes[peer["id"]]
        passes = other.reachable and node.world.esp(node, other) and node.world.esp(other, node)
        size = peer["outer_packet"]
        rows.append(replies.row(peer=peer["id"], passes=passes, outer=size, outer_planned=size))
    return {"rows": rows}
