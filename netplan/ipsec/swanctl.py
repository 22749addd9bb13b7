"""What a swanctl.conf of ours means: said from the plan, and read from a parsed file, so that the two can be compared.
:mod:`.connections` writes the file.

Sources: swanctl.opt and the settings grammar of strongSwan 5.9.8; section references need 5.7 or later.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from netplan.ipsec.swanctl_parser import Settings
from netplan.model.lifetimes import duration, responder, seconds
from netplan.model.node import Node
from netplan.plan.fabric import Connection, Pair
from netplan.plan.types import Plan
from netplan.problems import DefectError, present, quoted

START_ACTIONS = ("none", "trap")
CA_FILES = "ipsecplan-ca.pem, ipsecplan-ca-next.pem"  # the second is the first unless a new CA takes over
CLEAR = "ipsecplan-clear"  # the connection that holds what stays clear with protect: hosts; it has no peer
# IANA's numbers: their names are in /etc/protocols, which a small system lacks, and charon then takes no connection
NUMBERS = {"tcp": 6, "udp": 17, "ipv6-icmp": 58, "sctp": 132}
UDP = NUMBERS["udp"]
ND = {"solicit": 135 << 8, "advert": 136 << 8}  # ICMPv6 type and code as a port: without them no IPv6 peer is found
AUTH = {"certificates": "pubkey", "psk": "psk", "raw-keys": "pubkey"}
_PROTOCOL = re.compile(r"\[(tcp|udp|sctp|ipv6-icmp)\b")


def quote(value: object) -> str:
    """Return a value as a quoted swanctl string. Raises ValueError on what no value of ours may hold.

    Quoted, only backslash and the double quote are special (settings_lexer.l); control characters are refused
    rather than escaped, because nothing legitimate has them.
    """
    text = str(value)
    if any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp") for c in text):
        raise ValueError("control character in a swanctl value")
    if unicodedata.normalize("NFC", text) != text:
        raise ValueError("a swanctl value must be in Unicode form NFC")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def life(plan: Plan, kind: str, initiator: bool) -> int:
    life = present(seconds(getattr(plan.file.ipsec.lifetimes, kind)), f"the lifetime of {kind}")
    return life if initiator else responder(life)


def start_file(action: str, *, per_cpu: bool = False) -> str:
    """Return the file that sets ``start_action`` of every child: ``none`` while staging, ``trap`` at the end.

    ``per_cpu``: with the traps, SAs for each processor, which charon makes by traps alone.
    Raises DefectError for any other: charon would start, or end, what nobody planned.
    """
    if action not in START_ACTIONS:
        raise DefectError(f"{quoted(action)} is no start_action of ours")
    more = "    per_cpu_sas = yes\n" if per_cpu and action == "trap" else ""
    head = "# ipsecplan: what children do when they are loaded\nipsecplan-start {\n"
    return f"{head}    start_action = {action}\n{more}}}\n"


def expected(plan: Plan, connection: Connection, number: int = 0) -> dict[str, Any]:
    """What one connection must mean, said directly from the plan and not through the template.

    ``number`` is that of its XFRM interface, 0 without one.
    """
    port = plan.file.overlay.udp_port
    local, remote, pair, initiator = connection.local, connection.remote, connection.pair, connection.initiates
    auth = plan.file.ipsec.auth
    child = {
        "mode": plan.file.ipsec.mode,
        "esp_proposals": list(pair.pair_class.offer.esp),
        "rekey_time": duration(life(plan, "child", initiator)),
        "rekey_packets": str(2**31 if initiator else 2**31 * 5 // 4),
        "replay_window": "256",
        "start_action": "none",
    }
    return {
        "version": "2",
        "mobike": "no",
        "encap": "yes" if pair.pair_class.nat_t else "no",
        "proposals": list(pair.pair_class.offer.ike),
        "rekey_time": duration(life(plan, "ike", initiator)),
        "reauth_time": "0",
        "local_addrs": local.address,
        "remote_addrs": remote.address,
        "if_id": (str(number), str(number)),
        "local": {
            "auth": AUTH[auth],
            "id": local.ike,
            "certs": "ipsecplan.pem" if auth == "certificates" else "",
            "pubkeys": "ipsecplan.pem" if auth == "raw-keys" else "",
        },
        "remote": {
            "auth": AUTH[auth],
            "id": remote.ike,
            "cacerts": CA_FILES if auth == "certificates" else "",
            "pubkeys": public_key_file(remote.id) if auth == "raw-keys" else "",
        },
        "children": {
            name: {**child, "local_ts": local_ts, "remote_ts": remote_ts}
            for name, (local_ts, remote_ts) in {
                f"{pair.id}-out": (f"dynamic[{UDP}]", f"dynamic[{UDP}/{port}]"),
                f"{pair.id}-in": (f"dynamic[{UDP}/{port}]", f"dynamic[{UDP}]"),
                f"{pair.id}-all": ("dynamic", "dynamic"),
            }.items()
            if name in children(plan, pair)
        },
    }


def public_key_file(peer: str) -> str:
    """Return the name of the file in ``/etc/swanctl/pubkey`` that pins a peer (an id) with ``auth: raw-keys``."""
    return f"ipsecplan-{peer}.pem"


def children(plan: Plan, pair: Pair) -> list[str]:
    """Return the names of a pair's children: one for each direction of the overlay, or one for everything."""
    return [pair.id + suffix for suffix in child_suffixes(plan)]


def child_suffixes(plan: Plan) -> tuple[str, ...]:
    """Return what the names of a pair's children have behind the pair's id; a node sends on the first."""
    return ("-all",) if plan.file.ipsec.protect == "hosts" else ("-out", "-in")


def bypass_selectors(plan: Plan, node: Node) -> dict[str, tuple[str, str]]:
    """Return what stays clear with ``protect: hosts``: child name -> (local, remote) selector; else nothing.

    IKE and ESP need no entry: charon's sockets bypass policies, and ESP is what policies make. IPv6 finds its
    neighbours by ICMPv6, which has to work before there is an SA.
    """
    if plan.file.ipsec.protect != "hosts":
        return {}
    found = {}
    addresses = [node.address, *(at.address for at in node.network_addresses)]
    for place, address in enumerate(addresses):
        own, anyone = (f"{address}/128", "::/0") if ":" in address else (f"{address}/32", "0.0.0.0/0")
        word = f"clear-{place}" if place else "clear"
        for service in plan.file.ipsec.clear:
            protocol, _, port = service.partition("/")
            number = NUMBERS[protocol]
            found[f"{word}-{protocol}-{port}-in"] = (f"{own}[{number}/{port}]", f"{anyone}[{number}]")
            found[f"{word}-{protocol}-{port}-out"] = (f"{own}[{number}]", f"{anyone}[{number}/{port}]")
    for name, number in ND.items() if any(":" in address for address in addresses) else ():
        found[f"clear-nd-{name}"] = (selector(f"::/0[ipv6-icmp/{number}]"),) * 2
    return found


def selector(text: str) -> str:
    """Return a traffic selector with the protocol as a number, whichever way a file says it."""
    return _PROTOCOL.sub(lambda match: f"[{NUMBERS[match[1]]}", text)


def bypassed(settings: Settings) -> dict[str, tuple[str, str]]:
    """Return what a parsed swanctl.conf leaves clear, in the form of :func:`bypass_selectors`."""
    found = settings.section("connections").sections.get(CLEAR)
    return {
        name: (selector(child.get("local_ts", "dynamic")), selector(child.get("remote_ts", "dynamic")))
        for name, child in (found.section("children").sections.items() if found is not None else ())
        if (child.get("mode", "tunnel"), child.get("start_action", "none")) == ("pass", "trap")
    }


def connections_of(settings: Settings) -> dict[str, dict[str, Any]]:
    """Reduce a parsed swanctl.conf to what matters of each connection, in the form of :func:`expected`."""
    out: dict[str, dict[str, Any]] = {}
    for name, conn in settings.section("connections").sections.items():
        if name == CLEAR:
            continue
        found = {}
        for child_name, child in conn.section("children").sections.items():
            found[child_name] = {
                "mode": child.get("mode", "tunnel"),
                "esp_proposals": child.get("esp_proposals", "default").split(","),
                "rekey_time": child.get("rekey_time", "1h"),
                "rekey_packets": child.get("rekey_packets", "0"),
                "replay_window": child.get("replay_window", "32"),
                "start_action": child.get("start_action", "none"),
                "local_ts": selector(child.get("local_ts", "dynamic")),
                "remote_ts": selector(child.get("remote_ts", "dynamic")),
            }
        out[name] = {
            "version": conn.get("version", "0"),
            "mobike": conn.get("mobike", "yes"),
            "encap": conn.get("encap", "no"),
            "proposals": conn.get("proposals", "default").split(","),
            "rekey_time": conn.get("rekey_time", "4h"),
            "reauth_time": conn.get("reauth_time", "0"),
            "local_addrs": conn.get("local_addrs", "%any"),
            "remote_addrs": conn.get("remote_addrs", "%any"),
            "if_id": (conn.get("if_id_in", "0"), conn.get("if_id_out", "0")),
            "local": {key: conn.section("local").get(key, "") for key in ("auth", "id", "certs", "pubkeys")},
            "remote": {key: conn.section("remote").get(key, "") for key in ("auth", "id", "cacerts", "pubkeys")},
            "children": found,
        }
    return out
