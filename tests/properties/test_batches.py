"""The order of a switch, over generated meshes: every pair once, canary first, control network last."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from netplan.rollout.nodes.waves import Pair, matches, waves


@st.composite
def meshes(draw: st.DrawFn) -> tuple[list[str], list[Pair], set[str], int | None]:
    nodes = [f"n{i}" for i in range(draw(st.integers(0, 30)))]
    every = [(a, b) for i, a in enumerate(nodes) for b in nodes[i + 1 :]]
    left_out = draw(st.sets(st.sampled_from(every), max_size=20)) if every else set()
    pairs = [
        Pair(id=f"p-{a}-{b}", ends=(a, b) if draw(st.booleans()) else (b, a))
        for a, b in every
        if (a, b) not in left_out
    ]
    pairs += [Pair(id=f"p-{a}-far", ends=(a, "far")) for a in nodes if draw(st.integers(0, 9)) == 0]
    last = draw(st.sets(st.sampled_from(nodes))) if nodes else set()
    return nodes, draw(st.permutations(pairs)), last, draw(st.none() | st.integers(1, 8))


@settings(max_examples=200, deadline=None)
@given(meshes())
def test_every_pair_once_canary_first_control_plane_last(
    mesh: tuple[list[str], list[Pair], set[str], int | None],
) -> None:
    nodes, pairs, last, limit = mesh
    found = waves(nodes, pairs, last=last, limit=limit)
    assert sorted(p for wave in found for p in wave.pairs) == sorted(p.id for p in pairs)
    assert found == waves(nodes, sorted(pairs, key=lambda p: p.id), last=last, limit=limit), "input order decides"
    ends = {pair.id: pair.ends for pair in pairs}
    for wave in found:
        assert wave.pairs
        assert set(wave.nodes) == {end for p in wave.pairs for end in ends[p]} & set(nodes)
    if not pairs:
        assert found == ()
        return
    assert (found[0].why, len(found[0].pairs)) == ("canary pair", 1)
    if len(found) > 1 and found[1].why == "canary node":
        canary = set(ends[found[0].pairs[0]])
        assert any(all(node in ends[p] for p in found[1].pairs) for node in canary)
    workers = set(nodes) - last
    with_last = [any(end in last for end in ends[p]) for wave in found for p in wave.pairs]
    if any(set(ends[p]) & set(nodes) <= workers for p in ends):
        assert with_last == sorted(with_last), "a pair of the control network switched before another"


def test_twenty_nodes_in_words() -> None:
    nodes = [f"n{i:02}" for i in range(20)]
    pairs = [Pair(id=f"{a}-{b}", ends=(a, b)) for i, a in enumerate(nodes) for b in nodes[i + 1 :]]
    found = waves(nodes, pairs, last={"n00", "n01", "n02"})
    assert [wave.why for wave in found] == [
        "canary pair",
        "canary node",
        "batch of 2",
        "batch of 4",
        "batch of 8",
        "batch of 1",
        "control network of 1",
        "control network of 2",
    ]
    assert found[0].pairs == ("n03-n04",)
    assert len(found[1].pairs) == 15
    capped = waves(nodes, pairs, limit=3)
    assert max(int(w.why.rpartition(" ")[2]) for w in capped[2:]) == 3
    assert len(capped) == 2 + 7


def test_whom_a_pattern_means() -> None:
    assert matches("n1,n3", "n3", ())
    assert matches("rack-*", "n9", {"rack-a"})
    assert not matches("n1", "n11", {"all"})
    assert not matches("", "n1", ())
