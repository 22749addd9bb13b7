"""Who decides about a confirm, whom the others ask, and when: pure arithmetic on the graph of pairs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ASK_S = 4  # a node asks this long before the moment by which it must be decided
APART_S = 10  # seconds between the deadlines of a node and of its witness: one has asked, and answers, before the other
LEAST_S = 16  # seconds that the one who decides has for hearing the word


@dataclass(frozen=True, slots=True)
class Role:
    """``witness``: the peer to ask, None for the coordinator; ``depth``: hops to the coordinator."""

    witness: str | None
    depth: int


def witnesses(peers: Mapping[str, Sequence[str]]) -> dict[str, Role]:
    """Return each node's role. ``peers``: node id -> ids it has a pair with.

    The coordinator of a connected part is its node with the most peers (the first of them), so that few hops are
    asked over. Peers that are not nodes of ours (far ends that others configure) take no part.
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


def deadlines_of(roles: Mapping[str, Role], timer_s: int) -> dict[str, int]:
    """Return the seconds after which each node decides by itself: the coordinator first, the farthest node last.

    All within ``timer_s``, unless the mesh has so many hops that the coordinator would have no time to hear the word.
    """
    deepest = max((role.depth for role in roles.values()), default=0)
    last = max(timer_s, LEAST_S + ASK_S + APART_S * deepest)
    return {node: last - ASK_S - APART_S * (deepest - role.depth) for node, role in roles.items()}
