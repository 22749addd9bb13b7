"""Op ``status``: what the node really has, compared with the bundle. Files equal is not state equal."""

from __future__ import annotations

import os

from . import core, deferred, ike, lease, mtu, stage, state, vici, xfrm
from .core import Node, Stop


def status(node: Node, release: str, files: list[Node]) -> Node:
    """Return the live state and, in words, every difference from the confirmed release of this bundle."""
    now = state.load()
    guard = xfrm.guard()
    differs = []
    if now["state"] != "confirmed" or now["release"] != release:
        said = {"none": "nothing is applied", "open": "a transaction is unconfirmed"}
        differs.append(said.get(now["state"], "another release is applied"))
    waits = mtu.to_raise(node)
    differs += _files([f for f in files if not (waits and stage.kind(f["path"]) == "mtu")], node)
    differs += mtu.differences(node)
    late = deferred.current()
    differs += [f"the pair with {p['name']} is deferred: still clear" for p in node["peers"] if p["pair"] in late]
    node = deferred.without(node)
    loaded, traps, pairs, ike_up = set(), set(), [], 0
    children = sum(len(peer["children"]) for peer in node["peers"])
    try:
        loaded, traps = set(vici.connections()), vici.traps()
        found = ike.child_sas(node)
        ike_up = sum(1 for sas in ike.ike_sas(node).values() if sas)
        for peer in node["peers"]:
            row = {"peer": peer["id"], "name": peer["name"], "children": {}}
            for name in peer["children"]:
                sas = found[(peer["pair"], name)]
                row["children"][name] = sorted({ike.algorithm(c) for c in sas})
                differs += [w for w in (ike.wrong_with(node, peer, name, c) for c in sas) if w]
            pairs.append(row)
        absent = {peer["pair"] for peer in node["peers"]} - loaded
        if absent:
            differs.append(f"{len(absent)} of {len(node['peers'])} connections are not loaded")
        untrapped = {name for peer in node["peers"] for name in peer["children"]} - traps
        if untrapped:
            differs.append(f"{len(untrapped)} of {children} trap policies are missing")
    except Stop as stop:
        differs.append(stop.findings[0]["message"])
    if guard["mode"] != "drop":
        differs.append(f"the guard is in mode {guard['mode']}")
    if xfrm.permissive(node):
        differs.append("the permissive policy lets clear packets in")
    timers = state.armed()
    if timers and now["state"] == "confirmed":
        differs.append("a dead-man timer is armed")
    return {
        "changed": False,
        "state": now, "transaction": state.progress(now), "lease": lease.load(),
        "guard": guard, "mtu": mtu.live(node), "timers": timers, "pairs": pairs,
        "ike_sas": ike_up, "connections": len(loaded), "traps": len(traps), "permissive": xfrm.permissive(node),
        "policies": sum(xfrm.ours(p, node) for p in xfrm.policies()),
        "states": len(xfrm.states()),
        "deferred": [words[0] for words in late.values()], "to_raise": waits,
        "xfrm_errors": xfrm.errors(), "mtu_before": mtu.remembered(), "differs": differs,
        "detail": now["state"] + (": " + differs[0] if differs else ""),
    }  # fmt: skip


def _files(files: list[Node], node: Node) -> list[str]:
    words = []
    for entry in files:
        found = core.digest(entry["path"])
        if found is None:
            words.append(f"{entry['path']} is missing")
        elif found != entry["sha256"]:
            words.append(f"{entry['path']} was changed")
        elif os.stat(entry["path"]).st_mode & 0o7777 != int(entry["mode"], 8):
            words.append(f"{entry['path']} has another mode")
    if core.digest(stage.START) != core.digest(stage.ETC + "/start-trap.conf"):
        words.append(f"{stage.START} is not the file of start-trap.conf")
    drop = core.read(stage.ETC + "/guard-drop.nft")
    if core.read(stage.GUARD) != (deferred.guard(drop, node) if drop else None):
        words.append(f"{stage.GUARD} is not the file of guard-drop.nft")
    if os.path.exists(stage.KEY) and os.stat(stage.KEY).st_mode & 0o077:
        words.append(f"{stage.KEY} is readable by others")
    return words
