"""One pair from near: its IKE_SA, its CHILD_SAs with their counters, the way to the peer, charon's last words.

Part of phase ``status``, for the peers that the controller names. Looks only.
"""

from __future__ import annotations

from ..system import vici, xfrm
from ..system.core import run
from . import trap_any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from ..protocol.node_json import NodeJson, Peer
    from ..protocol.reply import ChildCounters, CloseUp
    from ..protocol.words import Json

LINES = 12  # of charon's log about a pair
READ = 2000  # lines of it that are looked through
PACKETS = 2  # of them about a packet of IKE: who looks for a peer sends one every few seconds, and they say little
_PACKET = " packet: from "
WIDTH = 240  # characters of a line that are kept


def close_ups(node: NodeJson, peers: Collection[str]) -> list[CloseUp]:
    """Return what there is of the pairs with these peers (ids)."""
    listed = trap_any.sas(node)
    log = run("journalctl", "-u", "strongswan*", "-n", READ, "--no-pager", "-o", "short-iso").out.splitlines()
    return [
        _one(peer, [body for name, body in listed if name == peer["pair"]], log)
        for peer in node["peers"]
        if peer["id"] in peers
    ]


def _one(peer: Peer, sas: list[Json], log: list[str]) -> CloseUp:
    newest = max(sas, key=lambda sa: _number(sa, "uniqueid"), default={})
    children = [child for sa in sas for child in sa.get("child-sas", {}).values()]
    route = run("ip", "route", "get", peer["address"]).out.splitlines()
    own = [line[:WIDTH] for line in log if peer["pair"] in line or f" {peer['address']}[" in line]
    packets = [line for line in own if _PACKET in line][-PACKETS:]
    own = [line for line in own if _PACKET not in line or line in packets]
    return {
        "peer": peer["id"],
        "network": peer.get("network", ""),
        "ike": str(newest.get("state", "none")),
        "established_s": _number(newest, "established"),
        "rekey_s": _number(newest, "rekey-time"),
        "children": [_child(child) for child in children],
        "route": route[0].strip() if route else "",
        "xfrm_errors": xfrm.errors(),
        "words": own[-LINES:],
    }


def _child(child: Json) -> ChildCounters:
    return {
        "name": str(child.get("name", "")),
        "state": str(child.get("state", "")),
        "transform": vici.algorithm(child),
        "mode": str(child.get("mode", "")),
        "encap": str(child.get("encap", "no")) == "yes",
        "bytes_in": _number(child, "bytes-in"),
        "bytes_out": _number(child, "bytes-out"),
        "packets_in": _number(child, "packets-in"),
        "packets_out": _number(child, "packets-out"),
        "installed_s": _number(child, "install-time"),
        "rekey_s": _number(child, "rekey-time"),
    }


def _number(fields: Json, name: str) -> int:
    """Return a number that charon says in decimal digits; 0 where it says none."""
    text = str(fields.get(name, ""))
    return int(text) if text.isdigit() and len(text) < 19 else 0
