"""Route-based tunnels: the XFRM interfaces of this node, the rule, and the ways into the interfaces (route.sh).

Interfaces are there from ``stage`` on and lead nowhere. A pair is led into its interface once both its SAs are
installed here, which is the same moment as in the other modes: the other end can receive before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from ..system import paths
from ..system.core import Stop, counted, finding, read, run, run_json
from ..transaction import deferred_pairs, release, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson, Peer
    from ..protocol.reply import Finding
    from ..protocol.words import Json

FILE = paths.ETC + "/routes"  # what is in force; ``ALL`` is the release's
ALL = FILE + "-all"
SCRIPT = "/usr/local/lib/ipsecplan/route.sh"
TABLE, RULE = 40505, 45  # as in route.sh


def enabled(node: NodeJson) -> bool:
    """Tell whether the plan has route-based tunnels."""
    return bool(node["esp"].get("route"))


def _family(node: NodeJson) -> str:
    return "-6" if ":" in node["underlay"]["address"] else "-4"


def _script(*words: str) -> None:
    done = run("/bin/sh", SCRIPT, *words)
    if done.code != 0:
        raise Stop(finding("IPP690", f"route.sh {words[0]}: {done.said}"))


def interfaces() -> dict[str, Json]:
    """Return name -> link of the XFRM interfaces here."""
    return {link["ifname"]: link for link in run_json("ip", "-d", "-j", "link", "show", "type", "xfrm")}


def routed_peers(node: NodeJson) -> set[str]:
    """Return the peers (addresses) whose overlay packets a route leads into an interface."""
    devices = {peer["address"]: peer["device"] for peer in node["peers"]}
    routes = run_json("ip", "-j", _family(node), "route", "show", "table", TABLE)
    return {r["dst"] for r in routes if r.get("type", "unicast") == "unicast" and devices.get(r["dst"]) == r.get("dev")}


def prohibited(node: NodeJson) -> set[str]:
    """Return the peers (addresses) whose overlay packets may go nowhere else."""
    routes = run_json("ip", "-j", _family(node), "route", "show", "table", TABLE, "type", "prohibit")
    return {route["dst"] for route in routes}


def rule_present(node: NodeJson) -> bool:
    """Tell whether the rule leads packets to the overlay's port into our table."""
    return any(
        rule.get("priority") == RULE
        and str(rule.get("table")) == str(TABLE)
        and str(rule.get("dport")) == str(node["overlay"]["port"])
        for rule in run_json("ip", "-j", _family(node), "rule", "show")
    )


def wrong(node: NodeJson) -> list[str]:
    """Return what is not as planned with the interfaces themselves, in words."""
    here, words = interfaces(), []
    for peer in node["peers"]:
        link = here.get(peer["device"])
        if link is None:
            words.append(f"the XFRM interface {peer['device']} towards {peer['name']} is missing")
            continue
        number = link.get("linkinfo", {}).get("info_data", {}).get("if_id")
        if int(str(number), 0) != peer["if_id"]:
            words.append(f"{peer['device']} has if_id {number}, planned {peer['if_id']:#x}")
        if link["mtu"] != peer["device_mtu"]:
            words.append(f"{peer['device']} has MTU {link['mtu']}, planned {peer['device_mtu']}")
        if "UP" not in link["flags"]:
            words.append(f"{peer['device']} is down")
    return words


def missing(node: NodeJson) -> list[str]:
    """Return what is missing of interfaces, rule and routes, in words; ``node`` without deferred peers."""
    words = wrong(node)
    if not rule_present(node):
        words.append(f"the rule for UDP port {node['overlay']['port']} is missing: nothing goes into the interfaces")
    there = routed_peers(node)
    lacking = [p for p in node["peers"] if p["address"] not in there]
    words += [f"no route leads to {p['name']} into {p['device']}: its packets are dropped" for p in lacking]
    open_to = sorted({p["address"] for p in node["peers"]} - prohibited(node))
    if open_to:
        words.append(
            f"{counted(len(open_to), 'address', 'addresses')} without a prohibition "
            f"beside the interface, first {open_to[0]}"
        )
    return words


def make(node: NodeJson) -> bool:
    """Phase ``stage``: every interface is there, and nothing is led into it. True when one was made."""
    if not enabled(node):
        return False
    before = set(interfaces())
    _script("make", ALL)
    words = wrong(node)
    if words:
        raise Stop(*[finding("IPP690", text, "ip link delete it, then apply again") for text in words])
    return bool({peer["device"] for peer in node["peers"]} - before)


def route_peers(node: NodeJson, peers: Iterable[Peer]) -> bool:
    """Phase ``encrypt``: overlay packets to these peers go into their interfaces. True when any did not yet."""
    there = routed_peers(node) if enabled(node) and rule_present(node) else set()
    lacking = [peer for peer in peers if peer["address"] not in there] if enabled(node) else []
    if not lacking:
        return False
    _script("enter", ALL, *[peer["device"] for peer in lacking])
    there = routed_peers(node)
    missing = [peer for peer in lacking if peer["address"] not in there]
    if missing or not rule_present(node):
        names = ", ".join(peer["name"] for peer in missing) or "any peer"
        raise Stop(finding("IPP690", f"the kernel took no route into the interface towards {names}"))
    return True


def enforce(node: NodeJson, tx: str) -> bool:
    """Phase ``enforce``: what is in force is what the release says, but for deferred pairs; others' ways go."""
    if not enabled(node):
        return False
    changed = release.put(tx, FILE, deferred_pairs.routes(read(ALL) or ""), 0o644)
    _script("load")
    words = missing(node)
    if words:
        raise Stop(*[finding("IPP690", text) for text in words])
    return changed


def preflight(node: NodeJson) -> list[Finding]:
    """Look for what stands in the way: the other mode in force, or a table and names that somebody else uses."""
    in_force = os.path.exists(FILE)
    if state.load()["state"] != "none" and in_force != enabled(node):
        text = f"ipsec.mode would change {'to' if enabled(node) else 'from'} route"
        return [finding("IPP642", text, "ways into interfaces can't come or go under way: revert first, then apply")]
    if not enabled(node):
        return []
    found = []
    for device in node["overlay"]["devices"]:
        for link in run_json("ip", "-d", "-j", "link", "show", "dev", device["name"]):
            bound = link.get("linkinfo", {}).get("info_data", {}).get("link")
            if bound:
                text = f"{device['name']} is bound to {bound}: its packets go there whatever the routes say"
                found.append(finding("IPP638", text, "mode: tunnel; or make it without a lower device"))
    if not in_force:
        taken = (
            [f"routing table {TABLE}"] if run_json("ip", "-j", _family(node), "route", "show", "table", TABLE) else []
        )
        taken += sorted(set(interfaces()) & {peer["device"] for peer in node["peers"]})
        found += [finding("IPP691", f"{what} is in use already", "free it, or take mode: tunnel") for what in taken]
    return found


def kernel_supports(namespace: str, node: NodeJson) -> list[Finding]:
    """Make an interface, a rule and the guard's set in a throwaway namespace: can this kernel do it?"""
    if not enabled(node):
        return []
    six = _family(node) == "-6"
    guard = f"table inet t {{ set s {{ type ipv{'6' if six else '4'}_addr . ifname; }}\n}}\n"
    port, where = node["overlay"]["port"], ("ip", "-n", namespace)
    rule = ("iif", "lo", "ipproto", "udp", "dport", port, "lookup", TABLE, "protocol", "kernel")
    for what, done in (
        ("an XFRM interface", run(*where, "link", "add", "xi-test", "type", "xfrm", "if_id", "1")),
        ("a rule by UDP port", run(*where, _family(node), "rule", "add", "priority", RULE, *rule)),
        (
            "a set of addresses and interfaces",
            run("nsenter", "--net=/run/netns/" + namespace, "nft", "-f", "-", stdin=guard.encode()),
        ),
    ):
        if done.code != 0:
            hint = "modprobe xfrm_interface; or take ipsec.mode: tunnel"
            return [finding("IPP636", f"the kernel refuses {what}, which xfrm_interface needs: {done.said}", hint)]
    return []
