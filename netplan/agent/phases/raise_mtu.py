"""Up to the release's MTU, once every node has confirmed it and the operator asks: receivers first, then senders.

Not a transaction: at every point in it each packet that is sent fits every device that it meets. What does not prove
itself goes back down, senders first.
"""

from __future__ import annotations

import glob
import json
import os

from ..system import core, links
from ..system.core import Node, Stop, finding, read, write
from ..transaction import release as release_module
from ..transaction import state
from . import overlay_mtu


def _confirmed(release: str) -> str:
    """Return the transaction that confirmed this release here; stop when another or none is in force."""
    now = state.load()
    if now["state"] != "confirmed" or now["release"] != release:
        raise Stop(finding("IPP603", "this release is not confirmed here", "apply it first"))
    return str(now["tx"])


def _files(release: str) -> list[str]:
    entries = json.loads(read(release_module.folder(release) + "/files.json") or "[]")
    return [entry["path"] for entry in entries if release_module.kind(entry["path"]) == "mtu"]


def widen(node: Node, release: str) -> Node:
    """Phase ``widen``: every device and pod can receive the release's size; pods go on sending the small one."""
    _confirmed(release)
    sizes = {device["name"]: device["mtu"] for device in node["overlay"]["devices"]}
    wanted = node["mtu"]["pod"]
    return overlay_mtu.raise_to(node, {**sizes, node["overlay"]["bridge"]: wanted, "pods": wanted})


def lift(node: Node, release: str) -> Node:
    """Phase ``lift``: pods send the release's size; its files for the next boot and for new pods are installed."""
    tx = _confirmed(release)
    folder, names = state.tx_folder(tx), _files(release)
    os.makedirs(folder + "/tree", mode=0o700, exist_ok=True)
    old = [path for path in glob.glob("/etc/systemd/network/10-ipsecplan-*") if path not in names]
    for path in names + old:
        state.record(folder, "mtu", path)
    release_module.install(tx, release, ("mtu",))
    for path in old:
        core.remove(path)
    running, _ = links.pods(node["overlay"]["bridge"])
    freed = sum(overlay_mtu.route_mtu(pod, None) for pod in running)
    core.remove(overlay_mtu.RAISE)
    wrong = overlay_mtu.differences(node)
    if wrong:
        raise Stop(*[finding("IPP620", "after raising it, " + text) for text in wrong])
    return {"changed": True, "detail": f"{len(running)} pods send {node['mtu']['pod']}, {freed} routes freed"}


def narrow(node: Node, release: str, size: int) -> Node:
    """Phase ``narrow``: a raise that did not prove itself; pods send ``size`` again, the files go back."""
    tx = _confirmed(release)
    write(overlay_mtu.RAISE, f"{int(size)}\n")
    state.restore(state.tx_folder(tx), "mtu")
    running, _ = links.pods(node["overlay"]["bridge"])
    return {
        "changed": True,
        "detail": f"{sum(overlay_mtu.route_mtu(pod, int(size)) for pod in running)} routes lowered",
    }


def shrink(node: Node, release: str, size: int) -> Node:
    """Phase ``shrink``: and devices take no more than ``size`` again."""
    _confirmed(release)
    changed, words = overlay_mtu.lower(overlay_mtu.at_size(node, int(size)))
    return {"changed": changed, "detail": words}
