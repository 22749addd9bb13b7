"""How what runs here differs from the confirmed release: each difference with what was found, what was planned, and
what to do about it. Files equal is not state equal: a live SA keeps the cipher of the file before."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from ..system import addresses, paths, validity, vici, xfrm
from ..system import links as links_module
from ..system.core import counted, digest, finding, read, run_json
from ..transaction import deferred_pairs, state
from ..transaction import release as release_module
from . import guard as floor
from . import ike, leftovers, overlay_mtu, trap_any, xfrm_interfaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import FileEntry, NodeJson
    from ..protocol.reply import CertificateAge, DriftRow, Guard, State
    from ..protocol.words import Json, Severity

AGAIN = "`ipsecplan apply` puts it right"
LARGER = AGAIN + " where it is larger; where it is smaller, which harms nobody: ip link set dev NAME mtu N"
_WORDS = {"none": "nothing is applied", "open": "a transaction is unconfirmed"}


def differing(
    code: str,
    message: str,
    found: object = "",
    planned: object = "",
    hint: str | None = AGAIN,
    severity: Severity = "error",
) -> DriftRow:
    """Return one difference: a finding with what was found and what was planned."""
    return {**finding(code, message, hint, severity), "found": str(found), "planned": str(planned)}


def release(now: State, wanted: str) -> list[DriftRow]:
    """The confirmed release is another one, or none."""
    if now["state"] == "confirmed" and now["release"] == wanted:
        return []
    text = _WORDS.get(now["state"], "another release is applied")
    hint = "wait for it, or `ipsecplan revert`" if now["state"] == "open" else AGAIN
    return [differing("IPP680", text, (now["release"] or now["state"])[:12], wanted[:12], hint)]


def former(now: State, entries: Iterable[FileEntry], waits: int) -> list[DriftRow]:
    """Files of the release that is in force which this one does not have: installing it removes them.

    While the cluster ``waits`` for a larger MTU, those about MTUs stay.
    """
    if now["state"] != "confirmed":
        return []
    kept = {entry["path"] for entry in entries}
    gone = [path for path in release_module.paths(now["release"]) if path not in kept and digest(path) is not None]
    gone = [path for path in gone if not (waits and release_module.kind(path) == "mtu")]
    return [differing("IPP680", f"{path} is not in this bundle", "a file", "nothing") for path in gone]


def left_behind(now: State, node: NodeJson) -> list[DriftRow]:
    """What a rollback left, or has not done yet: where one has begun, and where nothing is applied."""
    if now["state"] == "confirmed":
        return []
    left: list[str] = []
    if now["state"] == "open":
        begun, left = state.rolling_back(now["tx"])
        if begun and not left:
            return [differing("IPP686", "its rollback is under way", hint="wait for it", severity="warning")]
    else:
        left = leftovers.look(node)[1]
    return [differing("IPP686", f"left by a rollback: {text}", text, "nothing", leftovers.HINT) for text in left]


def files(entries: Iterable[FileEntry], node: NodeJson) -> list[DriftRow]:
    """Files that were changed by hand, are missing, or have another mode."""
    out = []
    for entry in entries:
        path, found = entry["path"], digest(entry["path"])
        if found is None:
            out.append(differing("IPP680", f"{path} is missing", "nothing", "a file"))
        elif found != entry["sha256"]:
            out.append(differing("IPP680", f"{path} was changed", found[:12], entry["sha256"][:12]))
        elif os.stat(path).st_mode & 0o7777 != int(entry["mode"], 8):
            mode = oct(os.stat(path).st_mode & 0o7777)[2:]
            out.append(differing("IPP680", f"{path} has another mode", mode, entry["mode"].lstrip("0")))
    drop = read(paths.ETC + "/guard-drop.nft")
    copies = (
        (paths.START, "start-trap.conf", read(paths.ETC + "/start-trap.conf")),
        (paths.GUARD, "guard-drop.nft", deferred_pairs.guard(drop, node) if drop else None),
        (floor.FILE, "floor-all", floor.of_release(node)),
        *trap_any.copied(),
    )
    for path, source, planned in copies:
        if read(path) != planned:
            out.append(differing("IPP680", f"{path} is not the file of {source}", "another", source))
    if os.path.exists(paths.KEY) and os.stat(paths.KEY).st_mode & 0o077:
        hint = f"chmod 600 {paths.KEY}, then `ipsecplan rotate certificates`: others may have read it"
        out.append(differing("IPP606", f"{paths.KEY} is readable by others", "", "600", hint))
    return out


def mtus(node: NodeJson) -> list[DriftRow]:
    """Devices, bridge and pods; the underlay link; MTUs that routes carry or that the kernel learned for a path."""
    out = [differing("IPP681", text, hint=LARGER) for text in overlay_mtu.differences(node)]
    for station in addresses.stations(node):
        planned = station["mtu"]
        links = links_module.at(station["address"])
        if not links and station.get("name"):
            text = f"the address {station['address']} of the network {station['name']} is not on this node"
            out.append(differing("IPP681", text, "nothing", station["address"], "give it to its link again"))
        for link in links:
            carried, name = links_module.carries(link, station["address"])
            if carried < planned:
                text = f"the underlay link {name} has MTU {carried}, planned {planned}"
                hint = "raise it, or lower underlay.mtu in the plan"
                out.append(differing("IPP681", text, carried, planned, hint))
    for device in node["overlay"]["devices"]:
        for route in run_json("ip", "-j", "-d", "route", "show", "dev", device["name"]):
            found = addresses.route_mtu(route)
            if found and found != device["mtu"]:
                text = f"the route to {route['dst']} has MTU {found}, planned {device['mtu']}"
                out.append(differing("IPP681", text, found, device["mtu"], "somebody else set it: take it off"))
    for peer in node["peers"]:
        for route in run_json("ip", "-j", "route", "get", peer["address"]):
            found = addresses.route_mtu(route)
            if found and found < peer["link_mtu"]:
                text = f"the path to {peer['name']} has MTU {found}, planned {peer['link_mtu']}"
                hint = "a router on the way has a smaller MTU: mend it, or say it in underlay.paths"
                out.append(differing("IPP681", text, found, peer["link_mtu"], hint))
    return out


def ipsec(
    node: NodeJson, loaded: set[str], traps: set[str], found: dict[tuple[str, str], list[Json]]
) -> list[DriftRow]:
    """Connections, traps and what the SAs negotiated: algorithms, mode, selectors."""
    out = []
    for peer in node["peers"]:
        for name in peer["children"]:
            for child in found[(peer["pair"], name)]:
                text = ike.wrong_with(node, peer, name, child)
                if text:
                    hint = f"`swanctl --terminate --child {name}`: its trap makes it anew"
                    planned = f"{'/'.join(node['esp']['negotiated'])} {node['esp']['mode']}"
                    out.append(
                        differing("IPP682", f"{text} (with {peer['name']})", vici.algorithm(child), planned, hint)
                    )
    absent = {peer["pair"] for peer in node["peers"]} - loaded
    if absent:
        total = len(node["peers"])
        text = f"{len(absent)} of {total} connections are not loaded"
        out.append(differing("IPP682", text, total - len(absent), total, "swanctl --load-all --noprompt"))
    children = {name for peer in node["peers"] for name in peer["children"]}
    if children - traps:
        lacking = len(children - traps)
        text = f"{lacking} of {len(children)} trap policies are missing"
        out.append(differing("IPP682", text, len(children) - lacking, len(children), "swanctl --load-all --noprompt"))
    return out


def strangers(node: NodeJson) -> list[DriftRow]:
    """SAs of the wildcard with somebody who is not the planned peer of that address."""
    peers = {peer["address"]: peer for peer in node["peers"]}
    out = []
    for sa in trap_any.unplanned_sas(node, vici.sas()):
        peer = peers.get(sa.get("remote-host", ""))
        planned = peer["id"] if peer else "no peer"
        who = peer["name"] if peer else "no peer of this node"
        text = f"{sa.get('remote-host')} ({who}) has an SA with the identity {sa.get('remote-id')}"
        hint = "that host has another node's certificate: look there, then `swanctl --terminate --ike-id " + str(
            sa.get("uniqueid")
        )
        out.append(differing("IPP682", text, sa.get("remote-id", ""), planned, hint + "`"))
    return out


def deferrals(node: NodeJson) -> list[DriftRow]:
    """Pairs that wait for a node that was away when the release was applied."""
    late, hint = deferred_pairs.current(), "`ipsecplan apply` completes it when that node is there again"
    names = [peer["name"] for peer in node["peers"] if peer["pair"] in late]
    return [differing("IPP682", f"the pair with {n} is deferred: still clear", "clear", "ESP", hint) for n in names]


def closed(node: NodeJson, guard: Guard, timers: list[str], now: State) -> list[DriftRow]:
    """Guard, block policies, guard watchdog; the permissive policy; a timer that is armed though nothing is open."""
    out = []
    if guard["mode"] != "drop":
        out.append(differing("IPP683", f"the guard is in mode {guard['mode']}", guard["mode"], "drop"))
    if now["state"] == "confirmed":
        out += [differing("IPP683", text) for text in floor.gaps() if guard["mode"] == "drop" or "guard" not in text]
    if now["state"] == "confirmed" and xfrm_interfaces.enabled(node):
        out += [differing("IPP690", text) for text in xfrm_interfaces.missing(node)]
    if xfrm.open_to(node):
        out.append(differing("IPP683", "the permissive policy lets clear packets in", "there", "absent"))
    ways = {peer.get("network", ""): peer["address"] for peer in node["peers"]} if now["state"] == "confirmed" else {}
    for address in ways.values():  # one peer of each network tells the link
        for route in run_json("ip", "-j", "route", "get", address):
            for name, effect in xfrm.switched_off(str(route.get("dev")), six=":" in address):
                hint = f"sysctl -w {name}=0, and in what sets it"
                out.append(differing("IPP683", f"{name} is on: {effect}", "1", "0", hint))
    if timers and now["state"] == "confirmed":
        out.append(differing("IPP683", "a rollback timer is armed", timers[0], "none", f"systemctl stop {timers[0]}"))
    return out


def certificates(node: NodeJson) -> tuple[list[DriftRow], dict[str, CertificateAge]]:
    """Return (what is due or over, name -> age in percent of its life and days left)."""
    out: list[DriftRow] = []
    seen: dict[str, CertificateAge] = {}
    if node["auth"] == "psk":
        return out, seen
    for name, path, verb in (("certificate", paths.CERTIFICATE, "rotate certificates"), ("CA", paths.CA, "rotate ca")):
        times = validity.lifetime(read(path) or "")
        if times is None:
            continue
        used, left = validity.age(*times, time.time())
        seen[name] = {"used_percent": round(used * 100), "days_left": round(left, 1)}
        hint = f"`ipsecplan {verb}` renews it under live SAs"
        if name == "CA" and used > 1:  # it signs nothing any more, not even for the change to the next one
            hint = "move its folder on the control machine away and apply again: docs/runbook.md has the steps"
        if used > 1 or used < 0:
            word = "expired" if used > 1 else "is not valid yet"
            out.append(
                differing(
                    "IPP684",
                    f"the {name} {word}: no new IKE_SA is made",
                    f"{counted(round(left), 'day')} left",
                    "valid",
                    hint if used > 1 else "set the clock right",
                )
            )
        elif used > 2 / 3:
            text = f"the {name} has used {used:.0%} of its life, {counted(round(left), 'day')} left"
            out.append(differing("IPP684", text, f"{used:.0%}", "below 67%", hint, "warning"))
    return out, seen
