"""From proven IKE to enforced encryption: each phase with its exit test, read from charon and the kernel as data."""

from __future__ import annotations

import contextlib
import glob
import socket
import time
from collections.abc import Callable, Collection, Sequence

from ..system import addresses, core, paths, swanctl, vici, xfrm
from ..system.core import Stop, Waiting, counted, finding, run
from ..transaction import deferred_pairs, replaced, state, sysctl
from ..transaction import release as release_module
from . import fdb_and_routes, monitoring, trap_any, xfrm_interfaces
from . import guard as floor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..protocol.node_json import Later, NodeJson, Peer
    from ..protocol.reply import Finding, TrapWork, Work
    from ..protocol.request import Request
    from ..protocol.words import Json

AT_ONCE = 100  # negotiations that a node begins and has not finished: more of them only answer each other too late
TRAPS_S = 60  # charon installs them after it has answered that it loaded the connections
LOG_WORDS = ("failed", "error", "AUTH", "NO_PROP", "retransmit", "not found", "untrusted", "expired", "no matching")
# said of a slow negotiation, whose SA is made all the same: no reason for anything
HARMLESS = "allocated SPI not found anymore, try to add SAD entry"


def log_of_charon() -> list[str]:
    """Return charon's last telling lines, for messages (its log level prints no keys)."""
    lines = run("journalctl", "-u", "strongswan*", "-n", "60", "--no-pager", "-o", "cat").out.splitlines()
    return [line for line in lines if telling(line)]


def telling(line: str) -> bool:
    """Tell whether a line of charon's log may be why something failed."""
    return HARMLESS not in line and any(word in line for word in LOG_WORDS)


def reason(pair: str, log: Sequence[str]) -> str:
    """Return the last of these lines that is about a pair, or else the last one."""
    own = [line for line in log if pair in line] or log
    return own[-1][:160] if own else "charon logged no reason"


def ike_sas(node: NodeJson, listed: list[tuple[str, Json]] | None = None) -> dict[str, list[Json]]:
    """Return pair -> its ESTABLISHED IKE_SAs with the expected remote identity."""
    expected = {peer["pair"]: peer.get("identity", peer["id"]) for peer in node["peers"]}
    found: dict[str, list[Json]] = {pair: [] for pair in expected}
    for name, body in trap_any.sas(node, listed):
        if name in expected and body.get("state") == "ESTABLISHED" and body.get("remote-id") == expected[name]:
            found[name].append(body)
    return found


def initiate(**what: str) -> None:
    with vici.Vici() as link:
        link.call("initiate", timeout=-1, loglevel=0, **what)


def _lacks(request: Request, peers: Sequence[str], findings: Callable[[], list[Finding]]) -> Stop:
    """Return what ends a phase that lacks these peers (ids): it is asked again, or that is why it fails."""
    return Waiting(peers) if request.get("more") else Stop(*findings())


def ike_check(request: Request) -> Work:
    """Phase ``ike-check``: an authenticated IKE_SA with every peer and no CHILD_SA: no risk yet.

    Asks for the IKE_SAs of which this end is the initiator. A peer that has not loaded its connections yet refuses, and
    is asked once more with the next request. With the last request it asks for the others as well: an initiator that
    had its answer may have lost the IKE_SA since, and nobody asks it again.
    """
    node, tx, seconds = request["node"], request["tx"], request["patience"]
    mine = [peer for peer in node["peers"] if peer["initiator"] or not request.get("more")]
    last: dict[str, float] = {}

    def all_up() -> bool:
        listed = trap_any.sas(node)
        up, trying = ike_sas(node, listed), {name for name, _ in listed}
        room = AT_ONCE - sum(not up[pair] for pair in up.keys() & trying)
        for peer in mine:  # again when the peer refused: it may not have loaded its connections yet
            pair = peer["pair"]
            if room > 0 and not up[pair] and pair not in trying and time.monotonic() - last.get(pair, -99) > 1.5:
                last[pair], room = time.monotonic(), room - 1
                initiate(ike=pair)
        return all(up.values())

    if not core.wait(all_up, seconds):
        up = ike_sas(node)
        missing = [peer for peer in node["peers"] if not up[peer["pair"]]]

        def said() -> list[Finding]:
            log, hint = log_of_charon(), "check the clock, UDP 500/4500 and the certificates on both nodes"
            return [finding("IPP614", f"no IKE_SA with {p['name']}: {reason(p['pair'], log)}", hint) for p in missing]

        if missing:
            raise _lacks(request, [peer["id"] for peer in missing], said)
    up = ike_sas(node)
    fresh = (core.read(state.tx_folder(tx) + "/before") or "").startswith("none")
    children = sum(len(sa.get("child-sas", {})) for found in up.values() for sa in found)
    # what lets a service pass in the clear has no template, protects nothing, and may be there from the beginning
    ours = [p for p in xfrm.policies() if xfrm.ours(p, node) and p["template"] and p["priority"] != 1]
    if fresh and (children or ours) and not replaced.here(tx):
        raise Stop(
            finding(
                "IPP615",
                (
                    f"{counted(children, 'CHILD_SA')} and {counted(len(ours), 'policy', 'policies')} "
                    "exist before anything is encrypted"
                ),
            )
        )
    return {"changed": bool(last), "detail": f"{len(up)} of {len(node['peers'])} IKE_SAs established"}


def permissive(request: Request) -> Work:
    """Phase ``permissive``: encrypted and clear packets are both accepted; packets wait while an SA is negotiated.

    They don't wait under a guard that drops: it would drop what waits, and the overlay device would keep that route.
    """
    node, waits = request["node"], xfrm.guard()["mode"] != "drop"
    changed = waits and sysctl.sysctl(request["tx"], "net.core.xfrm_larval_drop", "0")
    for own in xfrm.lacking(node):
        core.must("ip", "xfrm", "policy", "add", "dir", "in", *xfrm.selector(node, own), *xfrm.both(node, own))
        changed = True
    if not xfrm.permissive(node):
        raise Stop(finding("IPP616", "the kernel did not keep the permissive policy"))
    return {"changed": changed, "detail": "inbound accepts clear and ESP"}


def _port_words(port: int) -> set[str]:
    words = {str(port)}
    with contextlib.suppress(OSError):
        words.add(socket.getservbyport(port, "udp"))
    return words


def wrong_with(node: NodeJson, peer: Peer, name: str, child: Json) -> str | None:
    """Return what is not as planned in a CHILD_SA, in words, or None."""
    if child.get("state") not in ("INSTALLED", "REKEYED", "REKEYING"):
        return f"{name} is {child.get('state')}"
    if child.get("mode") != node["esp"]["mode"]:
        return f"{name} is in {child.get('mode')} mode"
    if vici.algorithm(child) not in node["esp"]["negotiated"]:
        return f"{name} negotiated {vici.algorithm(child)}"
    numbers = {int(child.get(side) or "0", 16) for side in ("if-id-in", "if-id-out")}
    if numbers != {peer.get("if_id", 0)}:
        return f"{name} is bound to the XFRM interfaces {sorted(numbers)}, planned {peer.get('if_id', 0)}"
    if xfrm.hosts(node):
        for side, address in (("local-ts", addresses.local(node, peer)), ("remote-ts", peer["address"])):
            if child.get(side) not in ([f"{address}/32"], [f"{address}/128"]):
                return f"{name} protects {' '.join(child.get(side, []))}"
        return None
    side = "remote-ts" if name == peer["children"][0] else "local-ts"
    address = peer["address"] if side == "remote-ts" else node["underlay"]["address"]
    ports = [f"{udp}/{word}" for udp in ("udp", "17") for word in _port_words(node["overlay"]["port"])]
    good = {f"{address}/{width}[{port}]" for width in (32, 128) for port in ports}  # 17 without /etc/protocols
    if not good.intersection(child.get(side, [])):
        return f"{name} protects {' '.join(child.get(side, []))}"
    return None


def child_sas(node: NodeJson) -> dict[tuple[str, str], list[Json]]:
    """Return (peer, child name) -> CHILD_SAs of every pair."""
    peers = {peer["pair"]: peer for peer in node["peers"]}
    found: dict[tuple[str, str], list[Json]] = {
        (peer["pair"], name): [] for peer in node["peers"] for name in peer["children"]
    }
    for name, body in trap_any.sas(node):
        for child in body.get("child-sas", {}).values() if name in peers else ():
            if (name, child.get("name")) in found and child.get("state") not in ("DELETING", "DELETED"):
                found[(name, child["name"])].append(child)
    return found


def encrypt(request: Request) -> Work:
    """Phase ``encrypt``: both CHILD_SAs of each given pair installed, with algorithm, mode and selectors as planned.

    Each end asks for the CHILD_SA that it will send on: who asks installs last, when the other end can already
    receive, so no packet meets an end without the SA. The pair's initiator asks first, and the other end once it has
    what was asked for: then both find one IKE_SA. Were both to make one at the same time, charon would take one for the
    other's duplicate and end it ten seconds later, CHILD_SAs and all. Pairs in ``alone`` have nobody at the other end
    to ask.
    """
    node, alone = request["node"], set(request["alone"])
    turn_of = set(request["pairs"]) if "pairs" in request else None  # None: of every pair
    peers = [peer for peer in node["peers"] if turn_of is None or peer["pair"] in turn_of]
    last: dict[str, float] = {}
    looked: list[bool] = []

    def lacking() -> list[Any]:
        found, first = child_sas(node), not looked
        asking = _negotiating() if first else ()  # begun by the request before this one
        looked.append(True)
        out = []
        room = AT_ONCE
        for peer in peers:
            own = {name: found[(peer["pair"], name)] for name in peer["children"]}
            there = {
                name for name, seen in own.items() if any(wrong_with(node, peer, name, child) is None for child in seen)
            }
            for name in (name for name in own if name not in there):
                out.append((peer, name, own[name]))
                turn = peer["initiator"] or there or peer["pair"] in alone
                if first and peer["pair"] in asking:
                    last[name] = time.monotonic()
                if room > 0 and turn and _asks(peer, name, alone) and time.monotonic() - last.get(name, -99) > 8:
                    last[name], room = time.monotonic(), room - 1
                    initiate(ike=peer["pair"], child=name)
        return out

    core.wait(lambda: not lacking(), request["patience"])
    missing = lacking()
    if missing:

        def said() -> list[Finding]:
            log, reasons = log_of_charon(), []
            for peer, name, seen in missing:
                words = [wrong_with(node, peer, name, child) for child in seen] or [reason(peer["pair"], log)]
                reasons.append(finding("IPP617", f"no CHILD_SA as planned with {peer['name']}: {words[-1]}"))
            return reasons

        raise _lacks(request, [peer["id"] for peer, _, _ in missing], said)
    entered = xfrm_interfaces.route_peers(node, peers)
    _end_others(node, peers, alone)
    return {"changed": bool(last) or entered, "detail": f"{counted(len(peers), 'pair')} encrypted"}


def _negotiating() -> set[str]:
    """Return the names of IKE_SAs on which this end has asked for a CHILD_SA and has no answer yet."""
    busy = ("tasks-active", "tasks-queued")
    return {name for name, body in vici.sas() if any("CHILD_CREATE" in body.get(key, ()) for key in busy)}


def _asks(peer: Peer, name: str, alone: Collection[str]) -> bool:
    """Tell whether this end asks for a CHILD_SA, which is the one that it sends on, and ends what that replaces."""
    sender = name == peer["children"][0] if len(peer["children"]) > 1 else peer["initiator"]
    return bool(sender or (peer["initiator"] and peer["pair"] in alone))


def _end_others(node: NodeJson, peers: list[Peer], alone: Collection[str]) -> None:
    """End SAs of an older release whose parameters are not the planned ones, now that a right one carries traffic.

    By the end that asked for the new one: it has what the other end has. The other way round the peer could take up
    the end of the old SA before the answer that brings it the new one, and have none for a moment.
    """
    found = child_sas(node)
    for peer in peers:
        for name in (name for name in peer["children"] if _asks(peer, name, alone)):
            for child in found[(peer["pair"], name)]:
                if wrong_with(node, peer, name, child):
                    with vici.Vici() as link:
                        link.call("terminate", child_id=child["uniqueid"], timeout=5000)


def trap(request: Request) -> TrapWork:
    """Phase ``trap``: policies that ask for an SA, so that losing one never means clear traffic; live SAs stay."""
    node, tx = request["node"], request["tx"]
    before = {c["uniqueid"] for children in child_sas(node).values() for c in children}
    with open(paths.ETC + "/start-trap.conf", "rb") as file:
        changed = release_module.put(tx, paths.START, file.read(), 0o640)
    deferred_pairs.put(tx, deferred_pairs.OVERRIDE, deferred_pairs.override())
    changed = trap_any.install_wildcard(tx) or changed
    swanctl.load_connections()
    wanted = {name for peer in node["peers"] for name in peer["children"]}
    if not core.wait(lambda: wanted <= trap_any.traps(node, vici.traps()), TRAPS_S):
        there = wanted & trap_any.traps(node, vici.traps())
        raise Stop(finding("IPP618", f"charon installed {len(there)} of {len(wanted)} trap policies in {TRAPS_S} s"))
    after = child_sas(node)
    gone = before - {c["uniqueid"] for children in after.values() for c in children}
    extra = sum(len(children) - 1 for children in after.values() if len(children) > 1)
    if gone and not all(after.values()):
        raise Stop(finding("IPP618", f"{len(gone)} CHILD_SAs ended when the traps were loaded"))
    trap_any.end_idle_ike_sas(node)
    return {
        "changed": changed,
        "detail": f"{counted(len(wanted), 'trap')}, {counted(len(before - gone), 'SA')} kept",
        "duplicates": extra,
    }


def soak(request: Request) -> Work:
    """Phase ``soak``: for so many seconds no clear overlay packet is counted and no XFRM error rises."""
    seconds = request["soak"]
    before, errors = xfrm.guard(), xfrm.errors()
    guard = dict(before["clear"])
    time.sleep(seconds)
    clear = {name: n - guard.get(name, 0) for name, n in xfrm.guard()["clear"].items() if n > guard.get(name, 0)}
    if before["mode"] == "drop":  # what strangers send was dropped before and is dropped after: no sign of a fault
        clear.pop("clear_in", None)
    rising = {name: n - errors.get(name, 0) for name, n in xfrm.errors().items() if n > errors.get(name, 0)}
    elsewhere = fdb_and_routes.outside(request["node"]) if clear else ""
    hint = f"{elsewhere}: no peers of this node in the plan" if elsewhere else None
    wrong = [finding("IPP619", f"{n} clear overlay packets in {seconds} s ({k})", hint) for k, n in clear.items()]
    wrong += [finding("IPP619", f"{k} rose by {n} in {seconds} s") for k, n in rising.items()]
    if wrong:
        raise Stop(*wrong)
    return {"changed": False, "detail": f"{seconds:g} s: 0 clear packets, 0 XFRM errors"}


def retire(node: NodeJson, tx: str, later: Sequence[Later]) -> int:
    """End what an older release had with peers that this one has not: their connections are unloaded already."""
    word, old, _ = (core.read(state.tx_folder(tx) + "/before") or "none - -").split()
    if word != "confirmed":
        return 0
    trap_any.end_unplanned_sas(node, later)
    known = {peer["pair"] for peer in [*node["peers"], *later]}
    gone = set((core.read(state.tx_folder(old) + "/pairs") or "").split()) - known
    for name in sorted({name for name, _ in vici.sas()} & gone):
        with vici.Vici() as link:
            link.call("terminate", ike=name, force="yes", timeout=5000)
    return len(gone)


def enforce(request: Request) -> Work:
    """Phase ``enforce``: guard and block policies drop what is clear, also after a boot; the permissive policy goes."""
    node, tx = request["node"], request["tx"]
    text = deferred_pairs.guard(core.read(paths.ETC + "/guard-drop.nft") or "", node)
    changed = release_module.put(tx, paths.GUARD, text, 0o640)
    changed = release_module.put(tx, floor.FILE, floor.of_release(node) or "", 0o644) or changed
    changed = floor.close() or changed
    # a packet that waits for an SA has a route without IPsec, which the guard drops and an overlay device keeps
    changed = sysctl.sysctl(tx, "net.core.xfrm_larval_drop", "1") or changed
    changed = xfrm_interfaces.enforce(node, tx) or changed
    gone = retire(node, tx, request.get("deferred", ()))
    fdb_and_routes.remove(state.load()["release"], request["release"])
    for own in xfrm.open_to(node):
        core.must("ip", "xfrm", "policy", "delete", "dir", "in", *xfrm.selector(node, own))
        changed = True
    for unit in (paths.GUARD_UNIT, floor.WATCH_UNIT):
        state.enable(unit, tx)
    changed = monitoring.settle(tx, node) or changed
    if not glob.glob("/etc/systemd/system/*.wants/strongswan*.service"):
        run("systemctl", "enable", "strongswan.service")
    if xfrm.guard()["mode"] != "drop" or xfrm.open_to(node):
        raise Stop(finding("IPP619", "the guard does not drop clear packets"))
    words = f", {counted(gone, 'former peer')} ended" if gone else ""
    late = deferred_pairs.current()
    words += f", but for {counted(len(late), 'deferred pair')}" if late else ""
    return {"changed": changed, "detail": "clear overlay packets are dropped" + words}
