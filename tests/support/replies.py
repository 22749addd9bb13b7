"""Whole parts of the protocol with quiet values, for tests that play a node: say only what the test is about."""

from __future__ import annotations

from typing import Any


def status(**about: Any) -> dict[str, Any]:
    """What a status adds to its result, of a node on which nothing was ever applied."""
    return {
        "state": {"schema": 1, "state": "none", "tx": "", "release": "", "at": "", "last": {}},
        "transaction": {"kind": "", "release": "", "steps": [], "proven": False, "prepared": False, "left_s": None},
        "lease": {"owner": "", "who": "", "epoch": 0, "until": 0.0, "boot": "", "left_s": 0},
        "guard": {"mode": "absent", "clear": {}},
        "mtu": {"devices": {}, "bridge": None, "pods": [], "unknown_ports": []},
        "timers": [],
        "pairs": [],
        "ike_sas": 0,
        "connections": 0,
        "traps": 0,
        "permissive": False,
        "policies": 0,
        "interfaces": None,
        "floor": 0,
        "states": 0,
        "certificates": {},
        "held": [],
        "deferred": [],
        "to_raise": 0,
        "xfrm_errors": {},
        "mtu_before": {},
        "drift": [],
        "differs": [],
        **about,
    }


def row(**about: Any) -> dict[str, Any]:
    """What a probe measured towards one peer, as it should be."""
    return {
        "network": "",
        "n": 1416,
        "passes": True,
        "said": "",
        "refused": True,
        "over_answers": 0,
        "said_over": "",
        "esp": 1,
        "esp_full": 1,
        "outer": 1500,
        "outer_planned": 1500,
        "fragments": 0,
        "plaintext": 0,
        "planted": 1,
        "planted_seen": 1,
        "algorithms": ["A"],
        "unlike": [],
        "modes": ["TRANSPORT"],
        "flow_sent": 20,
        "flow_gap": 0,
        **about,
    }


def counters(node: dict[str, Any], **about: Any) -> dict[str, Any]:
    """What counters adds to its result: every pair has its SAs, and nothing was ever lost."""
    pair = {
        "network": "",
        "ike": "ESTABLISHED",
        "wanted": 2,
        "installed": 2,
        "suites": ["AES_GCM_16-256"],
        "age_s": 60,
        "due_s": 3400,
        "bytes_in": 1000,
        "bytes_out": 2000,
        "packets_in": 10,
        "packets_out": 20,
        "children": [{"id": 1, "bytes_in": 1000, "bytes_out": 2000, "packets_in": 10, "packets_out": 20}],
    }
    return {
        "at": 100.0,
        "charon": True,
        "ike_sas": len(node["peers"]),
        "half_open": 0,
        "pairs": [{"peer": peer["id"], **pair, "network": peer.get("network", "")} for peer in node["peers"]],
        "devices": [{"device": "ov0", "role": "overlay", "mtu": 1416, "counters": {"rx_bytes": 5, "tx_bytes": 6}}],
        "ip": {"IpFragCreates": 0, "IpFragFails": 0},
        "xfrm": {"XfrmInNoStates": 0},
        "preflight_packets": 0,
        "guard": {"mode": "drop", "clear": {"clear_in": 0}},
        "floor": 1,
        "floor_planned": 1,
        "watchdog": True,
        "path_mtu": {},
        **about,
    }


def added(phase: str, node: dict[str, Any]) -> dict[str, Any]:
    """What each phase adds to its result; ``node`` is the node.json of its request."""
    if phase == "status":
        return status()
    if phase == "probe":
        return {"rows": [row(peer=peer["id"]) for peer in node["peers"]], "family": 4, "xfrm": {}}
    if phase == "counters":
        return counters(node)
    if phase == "trap":
        return {"duplicates": 0}
    if phase == "facts":
        return {
            "version": "6.1.0",
            "algorithms": ["AES_GCM_16", "CURVE_25519"],
            "key_exchanges": ["CURVE_25519"],
            "kernel": {"iptfs": "drops", "per_cpu_sas": "works"},
            "surroundings": {"system": "debian", "unit": "strongswan.service", "confined": ""},
        }
    return {"heard": []} if phase in ("preflight", "reachability") else {}


def measured(node: dict[str, Any]) -> list[dict[str, Any]]:
    """What a node measures where all is as planned."""
    esp = node["esp"]
    return [
        row(
            peer=peer["id"],
            network=peer.get("network", ""),
            n=peer["inner_mtu"],
            outer=peer["outer_packet"],
            outer_planned=peer["outer_packet"],
            algorithms=esp["negotiated"][:1],
            modes=[esp["mode"]],
        )
        for peer in node["peers"]
    ]


def well(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of a node that has nothing yet and does all that it is asked for."""
    results = []
    for phase in request["phases"]:
        said: dict[str, Any] = {"phase": phase, "ok": True, "changed": True, "detail": "", "seconds": 0.1}
        if phase == "probe":
            said |= {"family": 4, "xfrm": {}, "rows": measured(request["node"])}
        else:
            said |= added(phase, request["node"])
        if phase == "status":
            said["differs"] = ["nothing is applied"]
        results.append({**said, "findings": []})
    return results


def node_json(node_id: str, peers: list[dict[str, Any]], **about: Any) -> dict[str, Any]:
    """node.json of a node with these peers, whose entries need no more than an id, a pair and a name."""
    usual = {
        "address": "192.0.2.9",
        "initiator": True,
        "encap": False,
        "link_mtu": 1500,
        "inner_mtu": 1416,
        "outer_packet": 1500,
        "packet": "ip4/esp:aes256gcm16/udp/vxlan/eth/ip4",
        "negotiated": ["A"],
    }
    return {
        "schema": 1,
        "id": node_id,
        "name": node_id,
        "cluster": "lab",
        "family": "ipv4",
        "underlay": {"address": "192.0.2.1", "mtu": 1500},
        "overlay": {
            "type": "vxlan",
            "kind": "vxlan",
            "port": 4789,
            "vni": 1,
            "address": None,
            "pod_cidr": None,
            "devices": [],
            "bridge": None,
        },
        "mtu": {"pod": 1416},
        "auth": "certificates",
        "needs": [],
        "protect": "overlay",
        "clear": [],
        "esp": {"negotiated": ["A"], "mode": "TRANSPORT"},
        "peers": [{**usual, "children": [f"{peer['pair']}-out", f"{peer['pair']}-in"], **peer} for peer in peers],
        **about,
    }
