"""The end of a transaction: prepared on every node, decided by one, told to the rest, or asked for by them.

One node of each connected part of the mesh, the coordinator, decides: its ``confirm`` is the moment from which the
transaction is kept. A node that is prepared and hears nothing more asks its witness, one hop nearer to the coordinator,
before its timer rolls it back (revert.sh). The question is a ping through the tunnel to an address that exists on a
node only once it has confirmed this very transaction.
"""

from __future__ import annotations

import json

from ..system import core
from ..system.core import finding, run, write
from ..transaction import disk_reserve, lease, state
from ..transaction import release as release_module
from ..transaction.beacon import announce, token
from . import guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson, Peer
    from ..protocol.reply import Work
    from ..protocol.request import Request


def prepare(request: Request) -> Work:
    """Phase ``prepare``: everything that this node needs to confirm without its controller (``witness``: a peer)."""
    tx, node, witness = request["tx"], request["node"], request.get("witness")
    state.require_open(tx)
    guard.require_watchdog()
    folder = state.tx_folder(tx)
    address = node["overlay"]["address"] or str(node["overlay"]["pod_cidr"])
    last = {"tx": tx, "result": "confirmed", "by": "witness", "at": "@AT@"}
    future = {**state.load(), "state": "confirmed", "tx": tx, "release": request["release"], "cluster": node["cluster"]}
    write(folder + "/confirmed.json", json.dumps({**future, "at": "@AT@", "last": last}, sort_keys=True) + "\n")
    write(folder + "/token", token(tx, address) + "\n")
    if witness is None:
        return {"changed": True, "detail": "prepared; decides for the others"}
    peer = next(p for p in node["peers"] if p["id"] == witness)
    way = _way(node, peer)
    if way:
        write(folder + "/witness", f"{token(tx, address)} {way[0]} {way[1]}\n")
    answer: Work = {"changed": True, "detail": f"prepared; would ask {peer['name']}"}
    if way is None or run("ping", "-n", "-c", "1", "-W", "2", way[0]).code != 0:
        hint = "confirm is not atomic on this node: were the controller killed within it, this node would revert alone"
        said = f"the host of {peer['name']} can't be asked through the overlay"
        answer["notes"] = [finding("IPP667", said, hint, "warning")]
    return answer


def _way(node: NodeJson, peer: Peer) -> tuple[str, str] | None:
    """Return (next hop, device) to a peer's host; None when that is no device of the overlay.

    A ping outside it would not be encrypted, and anybody could answer.
    """
    overlay = node["overlay"]
    target = peer.get("overlay_address") or (peer.get("pod_cidr") or "").partition("/")[0]
    words = run("ip", "route", "get", target).out.split() if target else []
    if "dev" not in words:
        return None
    device = words[words.index("dev") + 1]
    via = words[words.index("via") + 1] if "via" in words else target
    return (via, device) if device in {*[d["name"] for d in overlay["devices"]], overlay.get("tunnel")} else None


def confirm(request: Request) -> Work:
    """Phase ``confirm``: the act that the timer waits for. Removing the marker is the moment of it."""
    tx, release = request["tx"], request["release"]
    release_module.folder(release)
    with state.deciding():
        now = state.load()
        if now["state"] == "confirmed" and now["tx"] == tx:
            lease.release()
            return {"changed": False, "detail": f"confirmed by {now['last'].get('by', 'operator')}"}
        state.require_open(tx)
        state.save(
            state="confirmed",
            tx=tx,
            release=release,
            cluster=request["node"]["cluster"],
            last={"tx": tx, "result": "confirmed", "by": "operator", "at": core.now()},
        )
        core.remove(state.OPEN)
        announce(tx)
    disk_reserve.release()
    state.disarm()  # what it replaced is kept until the next transaction: another node may fail to confirm
    lease.release()
    return {"changed": True, "detail": "timer disarmed"}
