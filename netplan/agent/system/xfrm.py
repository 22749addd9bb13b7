"""The kernel's IPsec policies, states and error counters, and the guard's counters, read as data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from . import addresses, preflight_packets
from .core import Stop, finding, read, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson
    from ..protocol.reply import Guard
    from ..protocol.words import Json

FLOOR_PRIORITY = 4_000_050
_HEAD = re.compile(r"^src (\S+) dst (\S+)(.*)$")


def policies() -> list[Json]:
    """Return the policies that are not charon's own sockets: dicts src, dst, sport, dport, dir, priority, action."""
    found = []
    for line in run("ip", "xfrm", "policy", "list", "nosock").out.splitlines():
        head = _HEAD.match(line)
        if head:
            ports = dict(re.findall(r"(sport|dport) (\d+)", head[3]))
            found.append(
                {
                    "src": head[1],
                    "dst": head[2],
                    "sport": int(ports.get("sport", 0)),
                    "dport": int(ports.get("dport", 0)),
                    "dir": "",
                    "priority": 0,
                    "action": "allow",
                    "template": False,
                }
            )
        elif found and line.strip().startswith(("dir ", "socket ")):
            words = line.split()
            found[-1]["dir"] = words[1]
            if "priority" in words:
                found[-1]["priority"] = int(words[words.index("priority") + 1])
            if "action" in words:
                found[-1]["action"] = words[words.index("action") + 1]
        elif found and line.strip().startswith("tmpl"):
            found[-1]["template"] = True
    return found


def hosts(node: NodeJson) -> bool:
    """Tell whether the plan protects everything between the hosts, not only the overlay."""
    return node["protect"] == "hosts"


def is_floor(policy: Json) -> bool:
    """Tell a block policy of ours by its direction, action and priority."""
    return bool(policy["dir"] == "out" and policy["action"] == "block" and policy["priority"] == FLOOR_PRIORITY)


def ours(policy: Json, node: NodeJson, former: Sequence[str] = ()) -> bool:
    """Tell whether a policy is ours by its selector: it names the overlay port, or this node's address and, where
    the hosts themselves are protected, the address of a peer (or of a ``former`` one) or a service that stays clear."""
    if is_floor(policy):
        return True
    if not hosts(node):
        return node["overlay"]["port"] in (policy["sport"], policy["dport"])
    own = {_alone(address) for address in addresses.addresses(node)}
    peers = {_alone(address) for address in [*(peer["address"] for peer in node["peers"]), *former]}
    pair = bool(own & {policy["src"], policy["dst"]}) and bool(peers & {policy["src"], policy["dst"]})
    services = {int(service.partition("/")[2]) for service in node["clear"]}
    exempt = not policy["template"] and bool(services & {policy["sport"], policy["dport"]})
    return pair or exempt or (not policy["template"] and policy["src"] == policy["dst"] == "::/0")


def _alone(address: str) -> str:
    return address + ("/128" if ":" in address else "/32")


def states() -> list[tuple[str, ...]]:
    """Return the ESP states as (source, destination, SPI)."""
    done = run("ip", "xfrm", "state", "list", "nokeys")
    found = []
    for line in done.out.splitlines():
        head = _HEAD.match(line)
        if head:
            found.append([head[1], head[2], ""])
        elif found and line.strip().startswith("proto"):
            words = line.split()
            found[-1][2] = words[words.index("spi") + 1] if "spi" in words else ""
    return [tuple(state) for state in found]


def errors() -> dict[str, int]:
    """Return the kernel's XFRM error counters that are not zero, without what preflights sent here.

    Packets of a preflight that were lost on the way are taken off, too, so the number may be too small by as many.
    """
    counters = {}
    for line in (read("/proc/net/xfrm_stat") or "").splitlines():
        name, _, value = line.partition(" ")
        if value.strip().isdigit():
            counters[name.strip()] = int(value)
    if counters.get("XfrmInNoStates"):
        counters["XfrmInNoStates"] = max(0, counters["XfrmInNoStates"] - preflight_packets.came())
    return {name: number for name, number in counters.items() if number}


def switched_off(device: str, *, six: bool) -> Iterator[tuple[str, str]]:
    """Yield (sysctl name, what it does) for each setting that takes IPsec off the packets of a device.

    One for the device is enough, or one for ``all``. IPv6 has no ``disable_xfrm`` (measured, Linux 6.18). Scripts for
    VPNs of clouds set both on the link under their tunnel.
    """
    effects = {
        "disable_xfrm": f"packets leave {device} without IPsec, whatever the policies say",
        "disable_policy": f"what comes in by {device} is held against no policy: the guard alone drops clear packets",
    }
    family = "ipv6" if six else "ipv4"
    for word, effect in effects.items():
        for where in ("all", device):
            if (read(f"/proc/sys/net/{family}/conf/{where}/{word}") or "0").strip() != "0":
                yield f"net.{family}.conf.{where.replace('.', '/')}.{word}", effect


def selector(node: NodeJson, own: str = "") -> list[str]:
    """Return the words of the permissive policy's selector: any source to this node, or to its overlay port.

    ``own``: the address of this node, when it is not the main one; there is a policy for each.
    """
    address = own or node["underlay"]["address"]
    any_source, width = ("::/0", "128") if ":" in address else ("0.0.0.0/0", "32")
    words = ["src", any_source, "dst", f"{address}/{width}"]
    return words if hosts(node) else [*words, "proto", "udp", "dport", str(node["overlay"]["port"])]


def both(node: NodeJson, own: str = "") -> list[str]:
    """Return the words that make the permissive policy take clear packets and ESP of both modes.

    Without a template the kernel refuses what came through an SA in tunnel mode; an optional one in tunnel mode lets
    everything pass (measured, Linux 6.1).
    """
    address = own or node["underlay"]["address"]
    anybody = "::" if ":" in address else "0.0.0.0"  # noqa: S104  a wildcard in a policy, nothing listens
    return [
        "action",
        "allow",
        "priority",
        "1",
        "tmpl",
        "src",
        anybody,
        "dst",
        address,
        "proto",
        "esp",
        "mode",
        "iptfs" if node["esp"]["mode"] == "IPTFS" else "tunnel",
        "level",
        "use",
    ]


def permissive(node: NodeJson) -> bool:
    """Tell whether the wide inbound allow policies are in place: one for each of this node's addresses."""
    return not lacking(node)


def open_to(node: NodeJson) -> list[str]:
    """Return this node's addresses for which there is one."""
    missing = lacking(node)
    return [address for address in addresses.addresses(node) if address not in missing]


def lacking(node: NodeJson) -> list[str]:
    """Return this node's addresses for which there is no wide inbound allow policy."""
    port = 0 if hosts(node) else node["overlay"]["port"]
    wide = {
        (p["src"], p["dst"])
        for p in policies()
        if p["dir"] == "in" and p["priority"] == 1 and p["dport"] == port and not p["sport"]
    }
    own = {address: selector(node, address) for address in addresses.addresses(node)}
    return [address for address, words in own.items() if (words[1], words[3]) not in wide]


def guard() -> Guard:
    """Return the guard: mode (absent, count, drop) and the packets its rules matched, by rule text."""
    done = run("nft", "-j", "list", "table", "inet", "ipsecplan")
    if done.code != 0:
        return {"mode": "absent", "clear": {}}
    clear: dict[str, int] = {}
    drops = False
    for item in json.loads(done.out).get("nftables", []):
        if "rule" in item:
            rule = item["rule"]
            for part in rule.get("expr", []):
                if "counter" in part and isinstance(part["counter"], dict):
                    name = rule.get("comment") or f"{rule['chain']}/{rule['handle']}"
                    clear[name] = clear.get(name, 0) + part["counter"]["packets"]
                drops = drops or "drop" in part
        elif "counter" in item:
            clear[item["counter"]["name"]] = item["counter"]["packets"]
    return {"mode": "drop" if drops else "count", "clear": clear}


def load_guard(path: str) -> None:
    """Load a guard file in one nft transaction."""
    done = run("nft", "-f", path)
    if done.code != 0:
        raise Stop(finding("IPP612", f"nft refused the guard {path}: {done.said}"))
