"""Plan to swanctl.conf, and back: what is rendered is read by an independent reader and compared before it is kept.

Sources: swanctl.opt and the settings grammar of strongSwan 5.9.8; section references need 5.7 or later.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from netplan.ipsec.reader import Settings, read
from netplan.model import Node
from netplan.plan import Pair, Plan
from netplan.render import render

START_ACTIONS = ("none", "trap")


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


def connection_file(plan: Plan, node: Node) -> str:
    """Return ``ipsecplan.conf`` of one node. Raises AssertionError if it does not read back as the plan says."""
    connections = [
        {
            "pair": pair.id,
            "peer": peer.id,
            "address": peer.address,
            "role": "initiator" if pair.initiator.id == node.id else "responder",
            "nat_t": pair.pair_class.nat_t,
        }
        for peer, pair in plan.peers(node)
    ]
    text = render(
        "swanctl/ipsecplan.conf.j2",
        {"q": quote},
        cluster=plan.file.name,
        ike=",".join(plan.file.ipsec.ike),
        esp=",".join(plan.file.ipsec.esp),
        mode=plan.file.ipsec.mode,
        port=plan.file.overlay.udp_port,
        local=node,
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
    life = "1h" if initiator else "75m"
    child = {
        "mode": plan.file.ipsec.mode,
        "esp_proposals": list(plan.file.ipsec.esp),
        "rekey_time": life,
        "start_action": "none",
    }
    return {
        "version": "2",
        "mobike": "no",
        "encap": "yes" if pair.pair_class.nat_t else "no",
        "proposals": list(plan.file.ipsec.ike),
        "local_addrs": node.address,
        "remote_addrs": peer.address,
        "local": {"auth": "pubkey", "id": node.id, "certs": "ipsecplan.pem"},
        "remote": {"auth": "pubkey", "id": peer.id, "cacerts": "ipsecplan-ca.pem"},
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
                "start_action": child.get("start_action", "none"),
                "local_ts": child.get("local_ts", "dynamic"),
                "remote_ts": child.get("remote_ts", "dynamic"),
            }
        out[name] = {
            "version": conn.get("version", "0"),
            "mobike": conn.get("mobike", "yes"),
            "encap": conn.get("encap", "no"),
            "proposals": conn.get("proposals", "default").split(","),
            "local_addrs": conn.get("local_addrs", "%any"),
            "remote_addrs": conn.get("remote_addrs", "%any"),
            "local": {key: conn.section("local").get(key, "") for key in ("auth", "id", "certs")},
            "remote": {key: conn.section("remote").get(key, "") for key in ("auth", "id", "cacerts")},
            "children": children,
        }
    return out
