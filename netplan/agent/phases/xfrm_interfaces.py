"""Route-based tunnels: the XFRM interfaces of this node, the rule, and the ways into the interfaces (route.sh).

Interfaces are there from ``stage`` on and lead nowhere. A pair is led into its interface once both its SAs are
installed here, which is the same moment as in the other modes: the other end can receive before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

from ..system import paths
from ..system.core import Node, Stop, finding, read, run
from ..transaction import deferred_pairs, release, state

FILE = paths.ETC + "/routes"  # what is in force; ``ALL`` is the release's
ALL = FILE + "-all"
SCRIPT = "/usr/local/lib/ipsecplan/route.sh"
TABLE, RULE = 40505, 45  # as in route.sh


def used(node: Node) -> bool:
    """Tell whether the plan has route-based tunnels."""
    return bool(node["esp"].get("route"))


def _json(*argv: object) -> list[Node]:
    try:
        found: list[Node] = json.loads(run(*argv).out or "[]")
    except ValueError:
        return []
    return [entry for entry in found if isinstance(entry, dict)]


def _family(node: Node) -> str:
    return "-6" if ":" in node["underlay"]["address"] else "-4"


def _script(*words: str) -> None:
    done = run("/bin/sh", SCRIPT, *words)
    if done.code != 0:
        raise Stop(finding("IPP690", f"route.sh {words[0]}: {done.said}"))


def interfaces() -> dict[str, Node]:
    """Return name -> link of the XFRM interfaces here."""
    return {link["ifname"]: link for link in _json("ip", "-d", "-j", "link", "show", "type", "xfrm")}


def entered(node: Node) -> set[str]:
    """Return the peers (addresses) whose overlay packets a route leads into an interface."""
    devices = {peer["address"]: peer["device"] for peer in node["peers"]}
    routes = _json("ip", "-j", _family(node), "route", "show", "table", TABLE)
    return {r["dst"] for r in routes if r.get("type", "unicast") == "unicast" and devices.get(r["dst"]) == r.get("dev")}


def prohibited(node: Node) -> set[str]:
    """Return the peers (addresses) whose overlay packets may go nowhere else."""
    routes = _json("ip", "-j", _family(node), "route", "show", "table", TABLE, "type", "prohibit")
    return {route["dst"] for route in routes}


def ruled(node: Node) -> bool:
    """Tell whether the rule leads packets to the overlay's port into our table."""
    return any(
        rule.get("priority") == RULE
        and str(rule.get("table")) == str(TABLE)
        and str(rule.get("dport")) == str(node["overlay"]["port"])
        for rule in _json("ip", "-j", _family(node), "rule", "show")
    )


def wrong(node: Node) -> list[str]:
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


def gaps(node: Node) -> list[str]:
    """Return what is missing of interfaces, rule and routes, in words; ``node`` without deferred peers."""
    words = wrong(node)
    if not ruled(node):
        words.append(f"the rule for UDP port {node['overlay']['port']} is missing: nothing goes into the interfaces")
    there = entered(node)
    lacking = [p for p in node["peers"] if p["address"] not in there]
    words += [f"no route leads to {p['name']} into {p['device']}: its packets are dropped" for p in lacking]
    open_to = sorted({p["address"] for p in node["peers"]} - prohibited(node))
    if open_to:
        words.append(f"{len(open_to)} addresses are not prohibited beside their interface, first {open_to[0]}")
    return words


def make(node: Node) -> bool:
    """Phase ``stage``: every interface is there, and nothing is led into it. True when one was made."""
    if not used(node):
        return False
    before = set(interfaces())
    _script("make", ALL)
    words = wrong(node)
    if words:
        raise Stop(*[finding("IPP690", text, "ip link delete it, then apply again") for text in words])
    return bool({peer["device"] for peer in node["peers"]} - before)


def enter(node: Node, peers: Iterable[Node]) -> bool:
    """Phase ``switch``: overlay packets to these peers go into their interfaces. True when any did not yet."""
    there = entered(node) if used(node) and ruled(node) else set()
    lacking = [peer for peer in peers if peer["address"] not in there] if used(node) else []
    if not lacking:
        return False
    _script("enter", ALL, *[peer["device"] for peer in lacking])
    there = entered(node)
    missing = [peer for peer in lacking if peer["address"] not in there]
    if missing or not ruled(node):
        names = ", ".join(peer["name"] for peer in missing) or "any peer"
        raise Stop(finding("IPP690", f"the kernel took no route into the interface towards {names}"))
    return True


def close(node: Node, tx: str) -> bool:
    """Phase ``enforce``: what is in force is what the release says, but for deferred pairs; others' ways go."""
    if not used(node):
        return False
    changed = release.put(tx, FILE, deferred_pairs.routes(read(ALL) or ""), 0o644)
    _script("load")
    words = gaps(node)
    if words:
        raise Stop(*[finding("IPP690", text) for text in words])
    return changed


def preflight(node: Node) -> list[Node]:
    """Look for what stands in the way: the other mode in force, or a table and names that somebody else uses."""
    in_force = os.path.exists(FILE)
    if state.load()["state"] != "none" and in_force != used(node):
        text = f"ipsec.mode would change {'to' if used(node) else 'from'} route"
        return [finding("IPP642", text, "ways into interfaces can't come or go under way: revert first, then apply")]
    if not used(node):
        return []
    found = []
    for device in node["overlay"]["devices"]:
        for link in _json("ip", "-d", "-j", "link", "show", "dev", device["name"]):
            bound = link.get("linkinfo", {}).get("info_data", {}).get("link")
            if bound:
                text = f"{device['name']} is bound to {bound}: its packets go there whatever the routes say"
                found.append(finding("IPP638", text, "mode: tunnel; or make it without a lower device"))
    if not in_force:
        taken = [f"routing table {TABLE}"] if _json("ip", "-j", _family(node), "route", "show", "table", TABLE) else []
        taken += sorted(set(interfaces()) & {peer["device"] for peer in node["peers"]})
        found += [finding("IPP691", f"{what} is in use already", "free it, or take mode: tunnel") for what in taken]
    return found


def trial(namespace: str, node: Node) -> list[Node]:
    """Make an interface, a rule and the guard's set in a throwaway namespace: can this kernel do it?"""
    if not used(node):
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
