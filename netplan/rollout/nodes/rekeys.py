"""Which pairs prove that a rekey comes through: one of each kind of path and each two releases of strongSwan. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from netplan.agent.protocol.node_json import NodeJson, Peer
from netplan.rollout.run_state import Results


def versions(results: Results) -> dict[str, str]:
    """Return node id -> the version of its strongSwan, as far as the nodes told it in this run."""
    told = {i: facts["version"] for i, facts in results.facts.items()}
    return {**told, **{i: r["strongswan"]["version"] for i, r in results.preflight.items() if "strongswan" in r}}


def chosen(nodes: Mapping[str, NodeJson], known: Mapping[str, str]) -> dict[str, list[str]]:
    """Return node id -> the pairs that it rekeys: the first of each class and each two releases, from both ends.

    ``nodes``: id -> node.json of those that take part; ``known``: id -> version. A host that is none of ours is a
    release of its own. A node whose version nobody knows has one pair more of its own, whatever the others prove.
    """
    out: dict[str, list[str]] = {}
    seen: set[tuple[object, ...]] = set()
    for node_id, node in nodes.items():
        for peer in node["peers"]:
            alone = peer["id"] not in nodes
            if not (peer["initiator"] or alone):
                continue
            keys = _kinds(node_id, peer, known, alone=alone)
            if seen.issuperset(keys):
                continue
            seen.update(keys)
            for end in (node_id, peer["id"]):
                if end in nodes:
                    out.setdefault(end, []).append(peer["pair"])
    return out


def _kinds(node_id: str, peer: Peer, known: Mapping[str, str], *, alone: bool) -> list[tuple[object, ...]]:
    ends = node_id, peer["id"]
    releases = sorted([known.get(ends[0], ""), ends[1] if alone else known.get(ends[1], "")])
    path = (peer["link_mtu"], peer["encap"], *peer["negotiated"], peer.get("network", ""))
    unknown = [("node", end) for end in ends if end not in known and not (alone and end == ends[1])]
    return [("class", *path, *releases), *unknown]
