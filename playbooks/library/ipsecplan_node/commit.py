"""The end of a transaction: prepared on every node, decided by one, told to the rest, or asked for by them.

One node of each connected part of the mesh, the coordinator, decides: its ``confirm`` is the moment from which the
transaction is kept. A node that is prepared and hears nothing more asks its witness, one hop nearer to the coordinator,
before its timer takes it back (revert.sh). The question is a ping through the tunnel to an address that exists on a
node only once it has confirmed this very transaction.
"""

from __future__ import annotations

import json

from . import core, floor, lease, room, stage, state
from .core import Node, finding, read, run, write

BENCHMARK_4 = (198 << 24) + (18 << 16)  # 198.18.0.0/15, RFC 2544; 2001:2::/48, RFC 5180: addresses that nobody routes

LIFE_S = 7200  # of the address; revert.sh says the same


def token(tx: str, overlay_address: str) -> str:
    """Return the address that says "confirmed" of a transaction, in the family of the overlay."""
    number = int(core.sha256(tx.encode())[:12], 16)
    if ":" in overlay_address:
        return f"2001:2:0:{number & 0xFFFF:x}::{(number >> 16) & 0xFFFF:x}:1"
    whole = BENCHMARK_4 + 1 + number % ((1 << 17) - 2)
    return ".".join(str(whole >> shift & 255) for shift in (24, 16, 8, 0))


def prepare(tx: str, release: str, node: Node, witness: str | None) -> Node:
    """Phase ``prepare``: everything that this node needs to confirm without its controller (``witness``: a peer)."""
    state.require_open(tx)
    floor.kept()
    folder = state.tx_folder(tx)
    address = node["overlay"]["address"] or str(node["overlay"].get("pod_cidr"))
    last = {"tx": tx, "result": "confirmed", "by": "witness", "at": "@AT@"}
    future = {**state.load(), "state": "confirmed", "tx": tx, "release": release, "cluster": node["cluster"]}
    write(folder + "/confirmed.json", json.dumps({**future, "at": "@AT@", "last": last}, sort_keys=True) + "\n")
    write(folder + "/token", token(tx, address) + "\n")
    if witness is None:
        return {"changed": True, "detail": "prepared; decides for the others"}
    peer = next(p for p in node["peers"] if p["id"] == witness)
    way = _way(node, peer)
    if way:
        write(folder + "/witness", f"{token(tx, address)} {way[0]} {way[1]}\n")
    answer: Node = {"changed": True, "detail": f"prepared; would ask {peer['name']}"}
    if way is None or run("ping", "-n", "-c", "1", "-W", "2", way[0]).code != 0:
        hint = "confirm is not atomic on this node: were the controller killed within it, this node would revert alone"
        said = f"the host of {peer['name']} can't be asked through the overlay"
        answer["notes"] = [finding("IPP667", said, hint, "warning")]
    return answer


def _way(node: Node, peer: Node) -> tuple[str, str] | None:
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


def announce(tx: str) -> None:
    """Answer those who ask whether this transaction was confirmed, for longer than any timer runs."""
    address = (read(state.tx_folder(tx) + "/token") or "").strip()
    if address:
        run("ip", "addr", "replace", address + ("/128" if ":" in address else "/32"), "dev", "lo",
            "valid_lft", LIFE_S, "preferred_lft", 0)  # fmt: skip


def withdraw(tx: str) -> None:
    """Answer no longer."""
    address = (read(state.tx_folder(tx) + "/token") or "").strip()
    if address:
        run("ip", "addr", "delete", address + ("/128" if ":" in address else "/32"), "dev", "lo")


def confirm(tx: str, release: str, node: Node) -> Node:
    """Phase ``confirm``: the act that the timer waits for. Removing the marker is the moment of it."""
    stage.folder(release)
    with state.deciding():
        now = state.load()
        if now["state"] == "confirmed" and now["tx"] == tx:
            lease.release()
            return {"changed": False, "detail": f"confirmed by {now['last'].get('by', 'operator')}"}
        state.require_open(tx)
        state.save(state="confirmed", tx=tx, release=release, cluster=node["cluster"],
                   last={"tx": tx, "result": "confirmed", "by": "operator", "at": core.now()})  # fmt: skip
        core.remove(state.OPEN)
        announce(tx)
    room.give_back()
    state.disarm()  # what it replaced is kept until the next transaction: another node may fail to confirm
    lease.release()
    return {"changed": True, "detail": "timer disarmed"}
