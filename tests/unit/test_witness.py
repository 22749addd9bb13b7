"""Who decides, whom the others ask, and in which order timers fire: for every graph."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netplan.rollout.nodes.witness import APART_S, ASK_S, LEAST_S, deadlines_of, witnesses


def graph(edges: list[tuple[int, int]], nodes: int) -> dict[str, list[str]]:
    peers: dict[str, list[str]] = {f"n{i}": [] for i in range(nodes)}
    for a, b in edges:
        peers[f"n{a}"].append(f"n{b}")
        peers[f"n{b}"].append(f"n{a}")
    return peers


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.sampled_from(list(itertools.combinations(range(n), 2)) or [(0, 0)])))
    ),
    st.integers(30, 600),
)
def test_every_chain_of_witnesses_ends_at_one_who_decided_before(
    made: tuple[int, set[tuple[int, int]]], timer: int
) -> None:
    nodes, edges = made
    peers = graph([(a, b) for a, b in edges if a != b], nodes)
    roles = witnesses(peers)
    deadlines = deadlines_of(roles, timer)
    assert list(roles) == list(peers)
    for node, role in roles.items():
        seen = node
        while (up := roles[seen].witness) is not None:
            assert up in peers[seen]
            assert deadlines[up] + APART_S == deadlines[seen]
            seen = up
        assert deadlines[node] >= LEAST_S
        assert deadlines[node] + ASK_S <= max(timer, LEAST_S + ASK_S + APART_S * role.depth * nodes)
    deciders = {node for node, role in roles.items() if role.witness is None}
    parts = _parts(peers)
    assert all(len(part & deciders) == 1 for part in parts), "one decides for each connected part"


def _parts(peers: dict[str, list[str]]) -> list[set[str]]:
    parts: list[set[str]] = []
    for node in peers:
        if any(node in part for part in parts):
            continue
        part, ahead = {node}, [node]
        while ahead:
            for peer in peers[ahead.pop()]:
                if peer not in part:
                    part.add(peer)
                    ahead.append(peer)
        parts.append(part)
    return parts


@pytest.mark.parametrize(
    ("edges", "timer", "deadlines"),
    [
        ([(0, 1), (0, 2), (1, 2)], 180, [166, 176, 176]),
        ([(0, 1), (1, 2)], 180, [176, 166, 176]),
        ([(0, 1), (0, 2), (1, 2)], 30, [16, 26, 26]),
        ([], 30, [26, 26, 26]),
    ],
)
def test_deadlines(edges: list[tuple[int, int]], timer: int, deadlines: list[int]) -> None:
    assert list(deadlines_of(witnesses(graph(edges, 3)), timer).values()) == deadlines


def test_a_long_chain_gets_a_longer_timer() -> None:
    roles = witnesses(graph([(i, i + 1) for i in range(20)], 21))
    assert min(deadlines_of(roles, 30).values()) == LEAST_S


def test_a_peer_that_is_no_node_of_ours_is_nobodys_witness() -> None:
    assert witnesses({"a": ["x"], "b": ["x"]}) == witnesses({"a": [], "b": []})
