"""Checks which packets reached each node during preflight: protocol 50 and UDP 4500, small and full-size. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from netplan.agent.protocol.node_json import NodeJson
from netplan.agent.protocol.reply import HeardRow
from netplan.agent.protocol.words import Severity
from netplan.problems import Problem

ENCAPSULATE = "set ipsec.nat_traversal: always in the plan (8 bytes more a packet) and render again"


def judge(nodes: Sequence[NodeJson], heard: Mapping[str, Sequence[HeardRow]]) -> list[Problem]:
    """Return one Problem for each direction that what the plan needs does not pass.

    ``heard`` is by receiving node's id: rows with ``peer`` (the sender) and what of ``esp``, ``esp_full``, ``udp``,
    ``udp_full`` arrived; ``nodes`` are the ``node.json`` documents. UDP 4500 is needed where a pair encapsulates; one
    that doesn't gets a warning, because IKE moves there as soon as it believes in a NAT.
    """
    return [problem for _, problem in _found(nodes, heard)]


def receivers(nodes: Sequence[NodeJson], heard: Mapping[str, Sequence[HeardRow]]) -> list[str]:
    """Return the ids of the nodes that have not heard all that the plan needs, in order."""
    return list(dict.fromkeys(node_id for node_id, _ in _found(nodes, heard)))


def _found(nodes: Sequence[NodeJson], heard: Mapping[str, Sequence[HeardRow]]) -> Iterator[tuple[str, Problem]]:
    """Yield (receiving node's id, Problem) for each direction that what the plan needs does not pass."""
    names = {node["id"]: node["name"] for node in nodes}
    for node in nodes:
        rows = {(row["peer"], row.get("network", "")): row for row in heard.get(node["id"], ())}
        for peer in node["peers"]:
            row = rows.get((peer["id"], peer.get("network", "")))
            if row is not None and peer["id"] in names:
                found = _direction(row, peer["encap"], peer["link_mtu"])
                if found:
                    text, hint, severity = found
                    where = f"{names[peer['id']]} -> {names[node['id']]}"
                    where += f" ({peer['network']})" if peer.get("network") else ""
                    yield node["id"], Problem(code="IPP645", message=f"{where}: {text}", hint=hint, severity=severity)


def _direction(row: HeardRow, encap: bool, size: int) -> tuple[str, str, Severity] | None:
    """Return (what is wrong, what to do, severity) with one direction, or None."""
    esp, udp = bool(row["esp"] or row["esp_full"]), bool(row["udp"] or row["udp_full"])
    firewall = "open it in the firewall between them and on both nodes"
    if encap:
        if not udp:
            return "UDP 4500 does not pass", firewall, "error"
        if not row["udp_full"]:
            return _size("UDP 4500", size)
        return None
    if not esp and udp:
        return "protocol 50 does not pass, UDP 4500 does", ENCAPSULATE, "error"
    if not esp:
        return "neither protocol 50 nor UDP 4500 passes", firewall, "error"
    if not row["esp_full"]:
        return _size("protocol 50", size)
    if not udp:
        return "UDP 4500 does not pass: IKE could not move there behind a NAT", firewall, "warning"
    return None


def _size(what: str, size: int) -> tuple[str, str, Severity]:
    hint = "the path MTU is smaller than the plan says: set underlay.mtu or underlay.paths"
    return f"{what} passes, but no DF packet of {size} bytes of it", hint, "error"
