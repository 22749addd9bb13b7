"""Plan to swanctl.conf, and back: what is rendered is read by an independent reader and compared before it is kept.

Sources: swanctl.opt and the settings grammar of strongSwan 5.9.8; section references need 5.7 or later.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

from netplan.ipsec.reader import Settings, read
from netplan.lifetimes import duration, responder, seconds
from netplan.model import Node
from netplan.pairing import Offer
from netplan.plan import Pair, Plan
from netplan.render import render

START_ACTIONS = ("none", "trap")
CA_FILES = "ipsecplan-ca.pem, ipsecplan-ca-next.pem"  # the second is the first unless a new CA takes over
AUTH = {"certificates": "pubkey", "psk": "psk"}
# Half of the 32-bit sequence numbers: with the tenth that strongSwan adds, an SA ends before they wrap (RFC 4303 3.3.3)
REKEY_PACKETS = 2**31


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """What many connections of a node share, rendered once: role, proposals, encapsulation. ``name`` is its section."""

    name: str
    role: str
    ike: str
    esp: str
    nat_t: bool
    ike_life: str
    child_life: str
    packets: int


def flavours(plan: Plan, node: Node) -> tuple[dict[tuple[bool, str], Flavour], list[dict[str, str]]]:
    """Return the flavours of a node's connections by (initiator, class name), and the connections in peer order."""
    made: dict[tuple[bool, str], Flavour] = {}
    same: dict[tuple[bool, Offer, bool], Flavour] = {}
    connections = []
    for peer, pair in plan.peers(node):
        initiator, found = pair.initiator.id == node.id, pair.pair_class
        flavour = same.get((initiator, found.offer, found.nat_t))
        if flavour is None:
            ike, child = (_life(plan, kind, initiator) for kind in ("ike", "child"))
            flavour = Flavour(
                name=f"ipsecplan-{len(same) + 1}", role="initiator" if initiator else "responder",
                ike=",".join(found.offer.ike), esp=",".join(found.offer.esp), nat_t=found.nat_t,
                ike_life=duration(ike), child_life=duration(child),
                packets=REKEY_PACKETS if initiator else responder(REKEY_PACKETS),
            )  # fmt: skip
            same[initiator, found.offer, found.nat_t] = flavour
        made[initiator, found.name] = flavour
        connections.append({"pair": pair.id, "peer": peer.id, "address": peer.address, "flavour": flavour.name})
    return made, connections


def _life(plan: Plan, kind: str, initiator: bool) -> int:
    life = seconds(getattr(plan.file.ipsec.lifetimes, kind))
    assert life is not None  # noqa: S101 - validate refuses what is no time
    return life if initiator else responder(life)


def connection_file(plan: Plan, node: Node) -> str:
    """Return ``ipsecplan.conf`` of one node. Raises AssertionError if it does not read back as the plan says."""
    shared, connections = flavours(plan, node)
    text = render(
        "swanctl/ipsecplan.conf.j2",
        {"q": quote},
        cluster=plan.file.name,
        mode=plan.file.ipsec.mode,
        port=plan.file.overlay.udp_port,
        local=node,
        auth=AUTH[plan.file.ipsec.auth],
        flavours=list(dict.fromkeys(shared.values())),
        connections=connections,
    )
    found = meaning(read(text + start_file("none")))
    wanted = {pair.id: expected(plan, node, peer, pair) for peer, pair in plan.peers(node)}
    assert found == wanted, "rendered swanctl.conf does not read back as planned"  # noqa: S101
    return text


def start_file(action: str) -> str:
    """Return the file that sets ``start_action`` of every child: ``none`` while staging, ``trap`` at the end."""
    assert action in START_ACTIONS  # noqa: S101
    return f"# ipsecplan: what children do when they are loaded\nipsecplan-start {{\n    start_action = {action}\n}}\n"


def expected(plan: Plan, node: Node, peer: Node, pair: Pair) -> dict[str, Any]:
    """What one connection must mean, said directly from the plan and not through the template."""
    port = plan.file.overlay.udp_port
    initiator = pair.initiator.id == node.id
    psk = plan.file.ipsec.auth == "psk"
    child = {
        "mode": plan.file.ipsec.mode,
        "esp_proposals": list(pair.pair_class.offer.esp),
        "rekey_time": duration(_life(plan, "child", initiator)),
        "rekey_packets": str(2**31 if initiator else 2**31 * 5 // 4),
        "start_action": "none",
    }
    return {
        "version": "2",
        "mobike": "no",
        "encap": "yes" if pair.pair_class.nat_t else "no",
        "proposals": list(pair.pair_class.offer.ike),
        "rekey_time": duration(_life(plan, "ike", initiator)),
        "local_addrs": node.address,
        "remote_addrs": peer.address,
        "local": {"auth": "psk" if psk else "pubkey", "id": node.id, "certs": "" if psk else "ipsecplan.pem"},
        "remote": {
            "auth": "psk" if psk else "pubkey",
            "id": peer.id,
            "cacerts": "" if psk else CA_FILES,
        },
        "children": {
            f"{pair.id}-out": {**child, "local_ts": "dynamic[udp]", "remote_ts": f"dynamic[udp/{port}]"},
            f"{pair.id}-in": {**child, "local_ts": f"dynamic[udp/{port}]", "remote_ts": "dynamic[udp]"},
        },
    }


def meaning(settings: Settings) -> dict[str, dict[str, Any]]:
    """Reduce a parsed swanctl.conf to what matters of each connection, in the form of :func:`expected`."""
    out: dict[str, dict[str, Any]] = {}
    for name, conn in settings.section("connections").sections.items():
        children = {}
        for child_name, child in conn.section("children").sections.items():
            children[child_name] = {
                "mode": child.get("mode", "tunnel"),
                "esp_proposals": child.get("esp_proposals", "default").split(","),
                "rekey_time": child.get("rekey_time", "1h"),
                "rekey_packets": child.get("rekey_packets", "0"),
                "start_action": child.get("start_action", "none"),
                "local_ts": child.get("local_ts", "dynamic"),
                "remote_ts": child.get("remote_ts", "dynamic"),
            }
        out[name] = {
            "version": conn.get("version", "0"),
            "mobike": conn.get("mobike", "yes"),
            "encap": conn.get("encap", "no"),
            "proposals": conn.get("proposals", "default").split(","),
            "rekey_time": conn.get("rekey_time", "4h"),
            "local_addrs": conn.get("local_addrs", "%any"),
            "remote_addrs": conn.get("remote_addrs", "%any"),
            "local": {key: conn.section("local").get(key, "") for key in ("auth", "id", "certs")},
            "remote": {key: conn.section("remote").get(key, "") for key in ("auth", "id", "cacerts")},
            "children": children,
        }
    return out
