"""Who decides about a confirm, whom the others ask, and when: pure arithmetic on the graph of pairs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netplan.rollout.pace import APART_S, ASK_S, LEAST_S


@dataclass(frozen=True, slots=True)
class Role:
    """``witness``: the peer to ask, None for the coordinator; ``depth``: hops to the coordinator."""

    witness: str | None
    depth: int


def witnesses(peers: Mapping[str, Sequence[str]]) -> dict[str, Role]:
    """Return each node's role. ``peers``: node id -> ids it has a pair with.

    The coordinator of a connected part is its node with the most peers (the first of them), so that few hops are
    asked over. Unmanaged peers take no part.
    """
    roles: dict[str, Role] = {}
    known = {node: [peer for peer in found if peer in peers] for node, found in peers.items()}
    for node in sorted(known, key=lambda node: -len(known[node])):  # stable: the first of those with the most
        if node in roles:
            continue
        roles[node] = Role(None, 0)
        ahead = deque([node])
        while ahead:
            witness = ahead.popleft()
            for peer in known[witness]:
                if peer not in roles:
                    roles[peer] = Role(witness, roles[witness].depth + 1)
                    ahead.append(peer)
    return {node: roles[node] for node in peers}


def deepest(roles: Mapping[str, Role]) -> int:
    """Return the most hops from a node to the one that decides for it."""
    return max((role.depth for role in roles.values()), default=0)


def deadlines_of(
    roles: Mapping[str, Role], timer_s: int, *, least_s: int = LEAST_S, apart_s: int = APART_S
) -> dict[str, int]:
    """Return the seconds after which each node decides by itself: the coordinator first, the farthest node last.

    All within ``timer_s``, unless the coordinator would have less than ``least_s`` to hear the word. ``apart_s`` lies
    between a node and its witness.
    """
    most = deepest(roles)
    last = max(timer_s, least_s + ASK_S + apart_s * most)
    return {node: last - ASK_S - apart_s * (most - role.depth) for node, role in roles.items()}
