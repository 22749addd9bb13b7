"""Phase ``preflight``: everything that could make the change fail, looked for before anything is changed."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterable, Sequence

from ..system import addresses, core, vici, xfrm
from ..system import links as links_module
from ..system.core import Stop, counted, finding, read, remove, run, run_json, which
from ..transaction import disk_reserve, state
from . import (
    advisories,
    cni_mtu,
    facts,
    fdb_and_routes,
    kernel_trial,
    leftovers,
    live_sas,
    overlay_mtu,
    reachability,
    surroundings,
    trap_any,
    xfrm_interfaces,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson, Peer, Station
    from ..protocol.reply import Finding, HeardWork, PreflightWork, Strongswan
    from ..protocol.request import Request

TOOLS = {
    "swanctl": "strongswan-swanctl",
    "nft": "nftables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "ping": "iputils-ping",
    "systemd-run": "systemd",
    "timeout": "coreutils",
    "ss": "iproute2",
}
SKEW_S = 60
CLEAR = "ipsecplan-clear"  # the connection without a peer that says what stays clear between hosts
FIRED_S = 60  # a busy systemd takes its time to begin a unit; preflight does much else meanwhile


def preflight(request: Request) -> PreflightWork:
    """Look at everything and report all findings at once."""
    node = request["node"]
    if os.geteuid() != 0:
        raise Stop(finding("IPP630", "the login is not root", "set ansible_user=root or ansible_become=true"))
    missing = sorted(name for name in TOOLS if not which(name))
    if not which("openssl") and not which("pki"):
        missing.append("openssl")
    if missing:
        packages = " ".join(sorted({TOOLS.get(name, name) for name in missing}))
        hint = surroundings.install() or f"install {packages}"
        raise Stop(finding("IPP631", f"programs are missing: {' '.join(missing)}", hint))
    wrong = _names() + _underlay(node)
    life = request.get("life", 0.0)
    talk = reachability.start(node, request["run"], life) if not wrong and request.get("run") else None
    test = _timer_start(request.get("script"))
    running, about = _strongswan(node)
    wrong += (
        _clock(request["skew"])
        + _charon()
        + disk_reserve.check([entry["path"] for entry in request["files"]], request["payload_bytes"])
    )
    wrong += (
        kernel_trial.trial(node, request.get("watchdog"))
        + _overlay(node)
        + _outside(node)
        + _other(node, request["tx"])
        + xfrm_interfaces.preflight(node)
        + surroundings.findings()
        + about
    )
    devices = _devices(node)
    for device in sorted({device for device, _ in devices}):
        wrong += kernel_trial.bypasses(device)
    wrong += _switched_off(devices)
    wrong += _paths(node, request.get("replaced", ()))
    if not _timer_fired(test):
        text = f"a systemd-run timer of 1 s did not run the revert script within {FIRED_S} s: no rollback timer here"
        wrong.append(finding("IPP633", text, "`systemctl status` and the journal say why"))
    heard = reachability.wait(talk, request["patience"]) if talk else []
    if any(f["severity"] == "error" for f in wrong):
        raise Stop(*wrong)
    answer: PreflightWork = {
        "changed": False,
        "notes": wrong,
        "heard": heard,
        "detail": f"ready; {node['underlay']['mtu']} bytes reach {counted(len(addresses.carriers(node)), 'peer')}"
        + "".join(f", {at['mtu']} on {at['name']}" for at in node.get("networks", ()))
        + (f"; strongSwan {running['version']}" if running and running["version"] else ""),
    }
    if running:
        answer["strongswan"] = running
    return answer


def _clock(skew: float) -> list[Finding]:
    """Judge ``skew``: this clock when the request came minus the controller's when it left, in seconds.

    The way here may have taken minutes, so only a clock that is behind shows here. One that is ahead shows to the
    controller when the answer comes.
    """
    if skew >= -SKEW_S:
        return []
    text = f"the clock is {round(skew):+d} s off the controller's"
    return [finding("IPP632", text, "certificates need true time: set NTP up")]


def collect(request: Request) -> HeardWork:
    """Phase ``reachability``: what was heard since preflight, for nodes that some peers had not reached by then."""
    heard = reachability.wait(reachability.results(request["node"], request["run"]), request["patience"])
    return {"changed": False, "heard": heard, "detail": "heard again"}


def _strongswan(node: NodeJson) -> tuple[Strongswan | None, list[Finding]]:
    """Return (version and algorithms of the running charon, what is known against it or lacks for this bundle)."""
    try:
        running = facts.strongswan()
        with vici.Vici() as link:
            stats = link.call("stats")
    except Stop as stop:
        return None, stop.findings
    plugins = [str(plugin) for plugin in stats.get("plugins", [])]
    return running, advisories.warnings(running["version"], plugins) + facts.lacking(node, running)


def _switched_off(devices: Iterable[tuple[str, bool]]) -> list[Finding]:
    wrong = []
    for device, six in sorted(devices):
        for name, effect in xfrm.switched_off(device, six=six):
            hint = f"sysctl -w {name}=0, and in what sets it; a VPN that needs it has to do without"
            if name.endswith("disable_xfrm"):
                wrong.append(finding("IPP636", f"{name} is on: {effect}", hint))
            else:
                wrong.append(finding("IPP646", f"{name} is on: {effect}", hint, "warning"))
    return wrong


def _devices(node: NodeJson) -> set[tuple[str, bool]]:
    """Return the devices by which packets leave to peers, and whether they do so over IPv6."""
    return {(links_module.underlay_device(peer["address"])[0], ":" in peer["address"]) for peer in node["peers"]}


def _names() -> list[Finding]:
    """charon reads `udp` in a selector by /etc/protocols; without it a whole connection is discarded."""
    try:
        socket.getprotobyname("udp")
    except OSError:
        return [finding("IPP631", "/etc/protocols is missing or has no udp", "install netbase")]
    return []


def _timer_start(script: str | None) -> tuple[str, str]:
    """Arm a timer of a second that runs the revert script itself, with its word for this; return (mark, script)."""
    mark = f"{state.RUN}/self-test-{os.getpid()}"
    core.write(mark + ".sh", script or "echo passed >$2\n", 0o700)
    unit = f"ipsecplan-self-test-{os.getpid()}"
    run(
        "systemd-run",
        "--quiet",
        "--collect",
        "--unit=" + unit,
        "--on-active=1s",
        "--timer-property=AccuracySec=100ms",
        "/bin/sh",
        mark + ".sh",
        "self-test",
        mark,
    )
    return mark, mark + ".sh"


def _timer_fired(test: tuple[str, str]) -> bool:
    fired = core.wait(lambda: (read(test[0]) or "").strip() == "passed", FIRED_S)
    remove(test[1])
    remove(test[0])
    return bool(fired)


def _charon() -> list[Finding]:
    wrong, everything = [], run("ss", "-Hlunp").out.splitlines()
    for port in (500, 4500):
        lines = [line for line in everything if re.search(f":{port}\\s", line)]
        owners = {(name, pid) for line in lines for name, pid in re.findall(r'\("([^"]+)",pid=(\d+)', line)}
        if not owners:
            wrong.append(
                finding("IPP634", f"nothing listens on UDP {port}", "start strongSwan: systemctl start strongswan")
            )
        elif len({pid for _, pid in owners}) > 1 or not all("charon" in name for name, _ in owners):
            names = ", ".join("{} ({})".format(*owner) for owner in sorted(owners))
            wrong.append(finding("IPP634", f"UDP {port} is held by {names}", "one charon must own it alone"))
    return wrong


def _underlay(node: NodeJson) -> list[Finding]:
    wrong: list[Finding] = []
    for station in addresses.stations(node):
        peers = [peer for peer in node["peers"] if peer.get("network", "") == station.get("name", "")]
        wrong += _station(station, peers)
    return wrong


def _station(station: Station, peers: Sequence[Peer]) -> list[Finding]:
    address, planned = station["address"], station["mtu"]
    what = (
        f"the address {address} of the network {station['name']}"
        if "name" in station
        else f"the underlay address {address}"
    )
    links = links_module.at(address)
    if not links:
        return [finding("IPP637", f"{what} is not on this node")]
    carried, name = links_module.carries(links[0], address)
    if carried < planned:
        text = f"{name} has MTU {carried}, the plan says {planned}"
        return [finding("IPP637", text, "correct underlay.mtu in the plan and render again")]
    return _small_routes(links[0]["ifname"], station, peers)


def _small_routes(device: str, station: Station, peers: Sequence[Peer]) -> list[Finding]:
    """Find routes to peers whose own MTU is below what the plan says of the way: larger packets of ours are fragmented,
    or refused. dhcpcd, for one, puts the MTU that DHCP says on the routes, and leaves the link as it is.

    Of a thousand peers behind one route one is asked for.
    """
    family = "-6" if ":" in station["address"] else "-4"
    everywhere = "::/0" if family == "-6" else "0.0.0.0/0"
    small = {
        ipaddress.ip_network(everywhere if route["dst"] == "default" else route["dst"], strict=False): str(route["dst"])
        for route in run_json("ip", family, "-j", "route", "show", "table", "all", "dev", device)
        if 0 < addresses.route_mtu(route) < station["mtu"]
    }
    asked: dict[str, Peer] = {}
    for peer in peers if small else ():
        holding = [net for net in small if ipaddress.ip_address(peer["address"]) in net]
        if holding:
            dst = small[max(holding, key=lambda net: net.prefixlen)]
            asked[dst] = max(asked.get(dst, peer), peer, key=lambda one: one["link_mtu"])
    wrong = []
    for dst, peer in sorted(asked.items()):
        for route in run_json("ip", "-j", "route", "get", peer["address"], "from", station["address"]):
            mtu = addresses.route_mtu(route)
            if 0 < mtu < peer["link_mtu"]:
                text = f"the route to {dst} over {device} has MTU {mtu}, the plan says {peer['link_mtu']}"
                hint = "correct underlay.mtu in the plan and render again, or what sets the MTU of that route"
                wrong.append(finding("IPP637", text, hint))
    return wrong


def _overlay(node: NodeJson) -> list[Finding]:
    if cni_mtu.made_by(node):
        return cni_mtu.findings(node)
    wrong, overlay = [], node["overlay"]
    kind = overlay["kind"]
    here = links_module.links(extra=("type", kind))
    far = {peer["id"]: peer["address"] for peer in addresses.carriers(node)}
    everything = links_module.links()
    for device in overlay["devices"]:
        name = device["name"]
        link = everything.get(name)
        if link is None:
            if run("systemctl", "is-active", "systemd-networkd").out.strip() != "active":
                wrong.append(
                    finding(
                        "IPP638",
                        f"{device['name']} is missing and systemd-networkd, which would make it, is not active",
                    )
                )
            continue
        if device["name"] not in here:
            wrong.append(finding("IPP638", f"{name} exists and is no {kind} device"))
            continue
        found_now = run_json("ip", "-d", "-j", "link", "show", "dev", name)
        data = found_now[0].get("linkinfo", {}).get("info_data", {}) if found_now else {}
        found = (data.get("id"), data.get("port"))
        if not overlay["port"]:
            if data.get("remote") != far.get(device.get("peer", ""), data.get("remote")):
                text = f"{name} leads to {data.get('remote')}, not to the peer that the plan says"
                wrong.append(finding("IPP638", text))
        elif found != (overlay["vni"], overlay["port"]):
            planned = f"the plan says {overlay['vni']} and {overlay['port']}"
            hint = "the kernel can't change either of a live device: revert, change it on all nodes, then apply"
            wrong.append(finding("IPP638", f"{name} has VNI {found[0]} and port {found[1]}, {planned}", hint))
        if link["mtu"] < device["mtu"]:
            wrong.append(_smaller(name, link["mtu"], device["mtu"]))
    return wrong


def _outside(node: NodeJson) -> list[Finding]:
    """Hosts of the overlay that are no peers of this node."""
    said = fdb_and_routes.outside(node)
    if not said:
        return []
    text = f"{said}, which the plan doesn't have as peers of this node: nothing reaches them in clear from enforce on"
    hint = "add them to the plan, or take them out of the overlay first: traffic with them ends the apply in the soak"
    return [finding("IPP638", text, hint, "warning")]


def _smaller(name: str, now: int, planned: int) -> Finding:
    """A device that is smaller than planned: nothing raises it by the way."""
    if os.path.exists(overlay_mtu.CONFLIST):
        text = f"{name} has MTU {now}, planned {planned}: every node stays at the smallest until `apply --raise-mtu`"
        return finding("IPP639", text, severity="warning")
    hint = "no bundle was ever applied here: give the device the planned MTU by hand, then apply"
    return finding("IPP639", f"{name} has MTU {now}, the plan says {planned}", hint)


def _other(node: NodeJson, tx: str) -> list[Finding]:
    """Other transactions, other IPsec on this node."""
    now = state.load()
    wrong: list[Finding] = []
    if now["state"] == "open" and now["tx"] != tx:
        hint = "wait for its timer, or `ipsecplan revert` it"
        wrong.append(finding("IPP602", f"another transaction is open on this node: {now['tx']}", hint))
    ours = now["state"] != "none"
    # a peer that the new release has no more is still ours
    former = state.former_peers(now)
    policies, memory = xfrm.policies(), leftovers.Memory()
    mine = [p for p in policies if (xfrm.ours(p, node, former) if ours else leftovers.policy(p, node, memory))]
    foreign = len(policies) - len(mine)
    peers = {*addresses.addresses(node), *(peer["address"] for peer in node["peers"]), *former}
    states = xfrm.states()
    strange = [s for s in states if not (s[0] in peers and s[1] in peers if ours else memory.between(s[0], s[1]))]
    if foreign or strange:
        hint = "another IPsec program is at work; ipsecplan does not share a host with it yet"
        wrong.append(
            finding("IPP640", f"{foreign} IPsec policies and {counted(len(strange), 'state')} here are not ours", hint)
        )
    try:
        loaded = vici.connections()
    except Stop as stop:
        return wrong + stop.findings
    old = set((read(state.tx_folder(now["tx"]) + "/pairs") or "").split()) if now["tx"] else set()
    known = {*(peer["pair"] for peer in node["peers"]), *old, CLEAR, trap_any.NAME} if ours else set()
    left = leftovers.connections(loaded, known, memory)
    alien = sorted(set(loaded) - known - set(left))
    if alien:
        wrong.append(finding("IPP640", f"charon has connections that are not ours: {', '.join(alien)}"))
    wrong += live_sas.reauthenticating(node, loaded)
    if not wrong and (left or not ours):
        wrong += _left(node, left, ours=ours)
    for peer in node["peers"]:
        found = trap_any.protected(peer, loaded)
        if found and found != set(peer["children"]):
            text = f"what is protected with {peer['name']} would change from {' '.join(sorted(found))}"
            hint = "ipsec.protect can't change under way: revert first, then apply"
            return [*wrong, finding("IPP642", text, hint)]
    return wrong


def _left(node: NodeJson, names: Sequence[str], *, ours: bool) -> list[Finding]:
    """Name what an earlier rollback left; where it is all of what is here, ``arm`` takes it away."""
    said = [f"charon has the connection {name}" for name in names] if ours else leftovers.look(node)[1]
    hint = "it goes with the first change, before anything else"
    return [finding("IPP686", f"left by an earlier rollback: {'; '.join(said)}", hint, "warning")] if said else []


def _paths(node: NodeJson, replaced: Sequence[str] = ()) -> list[Finding]:
    """DF pings of the whole underlay MTU through the real path to every peer.

    Not where everything between the two is encrypted, with a machine that is gone: the new one can't answer yet.
    """
    encrypted = {
        (p["src"].partition("/")[0], p["dst"].partition("/")[0])
        for p in xfrm.policies()
        if p["dir"] == "out" and p["template"]
    }

    def one(peer: Peer) -> list[Finding]:
        if xfrm.hosts(node) and {node["id"], peer["id"]} & set(replaced):
            return []
        mtu_here = peer["link_mtu"]
        if "host_mtu" in peer and (addresses.local(node, peer), peer["address"]) in encrypted:
            mtu_here = peer["host_mtu"]  # between these two everything is encrypted already
        answers, refused, said = links_module.ping((), peer["address"], mtu_here, 2, 3)
        if answers:
            return addresses.way_out(node, peer)
        small = links_module.ping((), peer["address"], 500, 1, 2)[0]
        if not small:
            return [finding("IPP641", f"{peer['name']} ({peer['address']}) does not answer a ping", said)]
        why = said if refused else "a larger packet vanishes on the way"
        return [
            finding(
                "IPP641",
                f"a DF packet of {mtu_here} bytes does not reach {peer['name']}: {why}",
                "the path MTU is smaller than the plan says: set underlay.mtu or underlay.paths",
            )
        ]

    return [f for found in core.each(one, node["peers"]) for f in found]
