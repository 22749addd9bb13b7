"""Up to the release's MTU, once every node has confirmed it and the operator asks: receivers first, then senders.

Not a transaction: at every point in it each packet that is sent fits every device that it meets. What does not prove
itself goes back down, senders first.
"""

from __future__ import annotations

import glob
import json
import os

from ..system import core, links
from ..system.core import Stop, counted, finding, read, write
from ..transaction import release as release_module
from ..transaction import state
from . import overlay_mtu

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import Work
    from ..protocol.request import Request


def _confirmed(release: str) -> str:
    """Return the transaction that confirmed this release here; stop when another or none is in force."""
    now = state.load()
    if now["state"] != "confirmed" or now["release"] != release:
        raise Stop(finding("IPP603", "this release is not confirmed here", "apply it first"))
    return str(now["tx"])


def _files(release: str) -> list[str]:
    entries = json.loads(read(release_module.folder(release) + "/files.json") or "[]")
    return [entry["path"] for entry in entries if release_module.kind(entry["path"]) == "mtu"]


def raise_devices(request: Request) -> Work:
    """Phase ``raise-devices``: devices and pods can receive the release's size; pods go on sending the small one."""
    _confirmed(request["release"])
    node = request["node"]
    sizes = {device["name"]: device["mtu"] for device in node["overlay"]["devices"]}
    wanted = node["mtu"]["pod"]
    return overlay_mtu.raise_to(node, {**sizes, node["overlay"]["bridge"] or "": wanted, "pods": wanted})


def raise_senders(request: Request) -> Work:
    """Phase ``raise-senders``: pods send the release's size; files for the next boot and for new pods come."""
    node, release = request["node"], request["release"]
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
    return {
        "changed": True,
        "detail": f"{counted(len(running), 'pod')} at {node['mtu']['pod']}, {counted(freed, 'route')} freed",
    }


def lower_senders_again(request: Request) -> Work:
    """Phase ``lower-senders-again``: a raise that did not prove itself; pods send ``size`` again, the files go back."""
    tx, size = _confirmed(request["release"]), int(request["size"])
    write(overlay_mtu.RAISE, f"{size}\n")
    state.restore(state.tx_folder(tx), "mtu")
    running, _ = links.pods(request["node"]["overlay"]["bridge"])
    return {"changed": True, "detail": f"{counted(overlay_mtu.lower_routes(running, size), 'route')} lowered"}


def lower_devices_again(request: Request) -> Work:
    """Phase ``lower-devices-again``: and devices take no more than ``size`` again."""
    _confirmed(request["release"])
    changed, words = overlay_mtu.lower(overlay_mtu.at_size(request["node"], int(request["size"])))
    return {"changed": changed, "detail": words}
