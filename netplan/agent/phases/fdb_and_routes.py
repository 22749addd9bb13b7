"""Peers that come and go in an overlay that lives: what networkd would do at the next boot, done now, without a flap.

The release's ``.network`` files say it: forwarding entries and routes of each peer. What only the new release has is
added before the switch, what only the old one had is removed after it. Nothing else on the devices is touched.
A large overlay has a table instead, which its script loads, in the same two steps; see overlay.sh.
"""

from __future__ import annotations

import glob
import ipaddress
import os
import re

from ..system import addresses, links
from ..system.core import Done, Stop, finding, read, run, run_json
from ..transaction import release as release_module
from ..transaction import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson

TABLE, SCRIPT = "/etc/ipsecplan/overlay", "/usr/local/lib/ipsecplan/overlay.sh"
TABLE_S = 300  # for thousands of entries; a batch of 10,000 routes took 9 s (Linux 6.18)
FLOOD = "00:00:00:00:00:00"
MOST = 5  # addresses that a message names
_DEVICE = re.compile(r"^[A-Za-z0-9_.-]{1,15}$")


def _address(text: str) -> str:
    """Return an address or network as Python writes it; stop on anything else."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise Stop(finding("IPP601", "a .network file of the release is not ours")) from None


def entries(text: str) -> set[tuple[str, ...]]:
    """Return ("fdb", underlay address) and ("route", destination, gateway or nothing) of a ``.network`` file."""
    found: set[tuple[str, ...]] = set()
    for part in re.split(r"(?m)^\[", text)[1:]:
        section, _, body = part.partition("]")
        values = dict(re.findall(r"(?m)^(\w+)=(.*)$", body))
        if section == "BridgeFDB":
            found.add(("fdb", _address(values["Destination"]).partition("/")[0]))
        elif section == "Route":
            gateway = _address(values["Gateway"]).partition("/")[0] if "Gateway" in values else ""
            found.add(("route", _address(values["Destination"]), gateway))
    return found


def _of_release(release: str) -> dict[str, set[tuple[str, ...]]]:
    """Return device -> entries of the ``.network`` files of a release; empty without one."""
    found = {}
    for path in glob.glob(release_module.folder(release) + "/files/etc/systemd/network/*.network") if release else ():
        text = read(path) or ""
        name = re.search(r"(?m)^Name=(.*)$", text)
        if name and _DEVICE.fullmatch(name[1]):
            found[name[1]] = entries(text) | _routes_of_table(release, name[1])
    return found


def _table(release: str) -> str:
    """Return the folder of a release that has a table of the overlay's hosts; nothing without one."""
    folder = release_module.folder(release) + "/files" if release else ""
    return folder if folder and os.path.exists(folder + TABLE + "/device") else ""


def _routes_of_table(release: str, device: str) -> set[tuple[str, ...]]:
    """Return the routes that a release's table makes on its device, in the form of :func:`entries`."""
    folder = _table(release)
    name, _, own = (read(folder + TABLE + "/device") or "").partition(" ") if folder else ("", "", "")
    found: set[tuple[str, ...]] = set()
    if name == device:
        for line in (read(folder + TABLE + "/hosts") or "").splitlines():
            network = _address(line.split()[1])
            gateway = network.partition("/")[0]
            if gateway != own.strip():
                found |= {("route", gateway + "/32", ""), ("route", network, gateway)}
    return found


def _script(release: str, word: str) -> Done:
    """Run a release's own script on its table."""
    folder = _table(release)
    return run("/bin/sh", folder + SCRIPT, word, folder + TABLE, timeout=TABLE_S)


def _load(release: str, word: str) -> None:
    """Have the device take a release's table (``add`` or ``load``); stops when it doesn't."""
    done = _script(release, word)
    if done.code != 0 or _script(release, "check").code != 0:
        raise Stop(finding("IPP622", f"the overlay did not take every host of its table: {done.said}"))


def _live(device: str) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for row in run_json("bridge", "-j", "fdb", "show", "dev", device):
        if row.get("mac") == FLOOD and row.get("dst"):
            found.add(("fdb", row["dst"]))
    for family in ("-4", "-6"):
        for row in run_json("ip", "-j", family, "route", "show", "dev", device):
            if row.get("dst", "default") != "default":
                found.add(("route", _address(row["dst"]), row.get("gateway", "")))
    return found


def _is_group(end: str) -> bool:
    """Tell whether a far end is a multicast group, which an underlay with multicast has for all hosts."""
    try:
        return ipaddress.ip_address(end.partition("%")[0]).is_multicast
    except ValueError:
        return False


def outside(node: NodeJson) -> str:
    """Say where else the overlay leads: far ends of VXLAN devices of its port that are no peers of this node.

    Packets to them are in clear: while there are any, the soak ends an apply, and the guard drops them afterwards.
    Peers of the release in force don't count, because this apply may be what removes them.
    """
    planned = {peer["address"] for peer in addresses.carriers(node)} | set(state.former_peers(state.load()))
    said = []
    for device in run_json("ip", "-j", "-d", "link", "show", "type", "vxlan"):
        if device.get("linkinfo", {}).get("info_data", {}).get("port") != node["overlay"]["port"]:
            continue
        rows = run_json("bridge", "-j", "fdb", "show", "dev", device["ifname"])
        far = {row["dst"] for row in rows if row.get("dst")} - planned
        others = sorted(end for end in far if not _is_group(end))
        if others:
            more = f" and {len(others) - MOST} more" if len(others) > MOST else ""
            said.append(f"{device['ifname']} also leads to {', '.join(others[:MOST])}{more}")
    return "; ".join(said)


def _change(verb: str, device: str, entry: tuple[str, ...]) -> None:
    if entry[0] == "fdb":
        word = {"add": "append", "delete": "delete"}[verb]
        done = run("bridge", "fdb", word, FLOOD, "dev", device, "dst", entry[1], "self")
    else:
        way = ("via", entry[2], "dev", device, "onlink") if entry[2] else ("dev", device, "scope", "link")
        done = run("ip", "-6" if ":" in entry[1] else "-4", "route", verb, entry[1], *way)
    if done.code != 0 and verb == "add":
        raise Stop(finding("IPP622", f"{device} took no {entry[0]} to {entry[1]}: {done.said}"))


def add(release: str) -> int:
    """Add what the release has and the live devices lack; devices that don't exist yet come with all of it."""
    changed = int(bool(_table(release)) and _script(release, "check").code != 0)
    if changed:
        _load(release, "add")
    here = links.links()
    for device, wanted in _of_release(release).items():
        live = _live(device) if device in here else wanted
        for entry in sorted(wanted - live, key=lambda e: (e[0], len(e[-1]), e)):  # a gateway before its routes
            _change("add", device, entry)
            changed += 1
    return changed


def remove(old: str, new: str) -> int:
    """Remove what only the ``old`` release had: a peer that is gone. Devices of its own, too."""
    before, after, here, changed = _of_release(old), _of_release(new), links.links(), 0
    if _table(new):
        _load(new, "load")
    elif _table(old):
        _script(old, "leave")
    for device, entries_of in before.items():
        if device not in here:
            continue
        if device not in after and len(before) > 1:  # one device a peer
            run("ip", "link", "delete", device)
            changed += 1
            continue
        gone = (entries_of - after.get(device, set())) & _live(device)
        for entry in sorted(gone, key=lambda e: (e[0], -len(e[-1]), e)):
            _change("delete", device, entry)
            changed += 1
    return changed
