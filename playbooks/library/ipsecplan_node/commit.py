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
    address = node["overlay"]["address"]
    last = {"tx": tx, "result": "confirmed", "by": "witness", "at": "@AT@"}
    future = {**state.load(), "state": "confirmed", "tx": tx, "release": release, "cluster": node["cluster"]}
    write(folder + "/confirmed.json", json.dumps({**future, "at": "@AT@", "last": last}, sort_keys=True) + "\n")
    write(folder + "/token", token(tx, address) + "\n")
    if witness is None:
        return {"changed": True, "detail": "prepared; decides for the others"}
    peer = next(p for p in node["peers"] if p["id"] == witness)
    via = peer["overlay_address"]
    words = run("ip", "route", "get", via).out.split()
    device = words[words.index("dev") + 1] if "dev" in words else node["overlay"]["devices"][0]["name"]
    write(folder + "/witness", f"{token(tx, address)} {via} {device}\n")
    answer: Node = {"changed": True, "detail": f"prepared; would ask {peer['name']}"}
    if run("ping", "-n", "-c", "1", "-W", "2", via, timeout=10).code != 0:
        hint = "confirm is not atomic on this node: were the controller killed within it, this node would revert alone"
        answer["notes"] = [finding("IPP667", f"the host of {peer['name']} does not answer a ping", hint, "warning")]
    return answer


def announce(tx: str) -> None:
    """Answer those who ask whether this transaction was confirmed."""
    address = (read(state.tx_folder(tx) + "/token") or "").strip()
    if address:
        run("ip", "addr", "replace", address + ("/128" if ":" in address else "/32"), "dev", "lo")


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
