"""Every assert about one direction of a pair: what was measured against what the plan says. Pure."""

from __future__ import annotations

from collections.abc import Callable

from netplan.agent.protocol.node_json import NodeJson, Peer
from netplan.agent.protocol.reply import ProbeRow


def wrong_in(node: NodeJson, peer: Peer, row: ProbeRow | None) -> dict[str, str]:
    """Return name of each assert that does not hold -> what is wrong; the words in it may be a node's."""
    if row is None:
        return dict.fromkeys(CHECKS, "not measured")
    return {name: said for name, check in CHECKS.items() if (said := check(node, peer, row)) is not None}


def over(peer: Peer) -> int | None:
    """Return the size in bytes that must be refused towards a peer; between hosts only where Linux refuses one."""
    return peer.get("host_over") if peer.get("network") else peer["inner_mtu"] + 1


def _full(_node: NodeJson, peer: Peer, row: ProbeRow) -> str | None:
    return None if row["passes"] else f"a DF packet of {peer['inner_mtu']} bytes does not arrive ({row['said']})"


def _more(_node: NodeJson, peer: Peer, row: ProbeRow) -> str | None:
    what, size = "arrives" if row["over_answers"] else "was not refused", over(peer)
    said = f"a DF packet of {size} bytes {what} ({row['said_over']})"
    return None if row["refused"] or size is None else said


def _esp(_node: NodeJson, peer: Peer, row: ProbeRow) -> str | None:
    outer, planned = row["outer"], peer["outer_packet"]
    if not row["esp"]:
        return "no ESP packet left the node"
    if not row["esp_full"]:
        return f"no ESP packet of {planned} bytes left the node, the largest has {outer}"
    if outer < planned or row["esp_full"] > row["esp"]:
        return f"the measurement contradicts itself: {row['esp_full']} of {row['esp']} ESP packets have {planned} bytes"
    most = max(planned, peer["link_mtu"] if "host_mtu" in peer else 0)  # packets between the hosts may be larger
    return f"an ESP packet of {outer} bytes left the node, planned are {most}" if outer > most else None


def _whole(_node: NodeJson, _peer: Peer, row: ProbeRow) -> str | None:
    return f"{row['fragments']} ESP packets are fragments" if row["fragments"] else None


def _clear(_node: NodeJson, peer: Peer, row: ProbeRow) -> str | None:
    return (
        f"{row['plaintext']} {'' if peer.get('network') else 'overlay '}packets left the node in clear"
        if row["plaintext"]
        else None
    )


def _sees(_node: NodeJson, _peer: Peer, row: ProbeRow) -> str | None:
    if row["planted_seen"] == row["planted"] == PLANTED:
        return None
    return "the leak probe did not see the plaintext packet planted for it, so it proves nothing"


def _flow(_node: NodeJson, peer: Peer, row: ProbeRow) -> str | None:
    if peer.get("network"):  # no pod sends there
        return None
    sent, gap = row.get("flow_sent", 0), row.get("flow_gap")
    if not sent or gap is None:
        return "no flow was measured"
    return f"a flow was interrupted: {gap} of {sent} pings lost in a row" if gap >= GAP else None


def _algorithms(node: NodeJson, _peer: Peer, row: ProbeRow) -> str | None:
    found, planned = set(row["algorithms"]), node["esp"]["negotiated"]
    if found and found <= set(planned):
        return None
    return f"negotiated {', '.join(sorted(found)) or 'nothing'}, planned {planned[0]}"


def _mode(node: NodeJson, _peer: Peer, row: ProbeRow) -> str | None:
    found = row["modes"]
    return None if set(found) == {node["esp"]["mode"]} else f"the SAs are in {', '.join(found) or 'no'} mode"


def _selectors(_node: NodeJson, _peer: Peer, row: ProbeRow) -> str | None:
    return "; ".join(f"CHILD_SA {text}" for text in row["unlike"]) or None


def _hosts(_node: NodeJson, peer: Peer, row: ProbeRow) -> str | None:
    """What is wrong with packets between the hosts themselves, where those are protected too."""
    if "host_mtu" not in peer or peer.get("network"):  # there they are all that is measured
        return None
    found, larger = row.get("host"), peer.get("host_over")
    if found is None:
        return "packets between the hosts were not measured"
    wrong = []
    if not found["passes"]:
        wrong.append(f"a DF packet of {peer['host_mtu']} bytes between the hosts does not arrive ({found['said']})")
    if larger is not None and not found["refused"]:
        wrong.append(f"a DF packet of {larger} bytes between the hosts was not refused")
    return "; ".join(wrong) or None


PLANTED = 1  # plaintext packets that a node sends on purpose to each peer
GAP = 2  # pings lost in a row that are an interruption; one may be the first packet after a rekey
# every assert about a direction, in the order of the packet's way
CHECKS: dict[str, Callable[[NodeJson, Peer, ProbeRow], str | None]] = {
    "a full packet arrives": _full,
    "one byte more is refused": _more,
    "ESP of the planned size": _esp,
    "no fragment": _whole,
    "nothing in clear": _clear,
    "the leak probe sees": _sees,
    "the flow is uninterrupted": _flow,
    "the planned algorithms": _algorithms,
    "the planned selectors": _selectors,
    "packets between the hosts": _hosts,
    "the planned mode": _mode,
}
