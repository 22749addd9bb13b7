"""The store of pre-shared keys: one a pair, rotation in three phases, never two phases apart, nothing shown."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from netplan.ipsec import psk
from netplan.ipsec.swanctl_parser import read
from netplan.model.ids import node_id, pair_id
from netplan.problems import ProblemError

NODES = [node_id("demo", f"n{n}") for n in (1, 2, 3)]
PAIRS = {pair_id(a, b): (a, b) for a, b in itertools.combinations(NODES, 2)}


@pytest.fixture
def store(tmp_path: Path) -> psk.Store:
    made = psk.open_store(tmp_path / "state" / "psk.json")
    assert made.ensure(PAIRS) == 3
    made.save()
    return made


def test_keys_are_made_once_and_kept(store: psk.Store) -> None:
    again = psk.open_store(store.path)
    assert again.ensure(PAIRS) == 0
    assert {p: k.current.reveal() for p, k in again.pairs.items()} == {
        p: k.current.reveal() for p, k in store.pairs.items()
    }
    assert len({k.current for k in store.pairs.values()}) == 3
    assert all(len(bytes.fromhex(k.current.reveal())) == 32 for k in store.pairs.values())
    assert store.path.stat().st_mode & 0o777 == 0o600


def signs(store: psk.Store, pair: str, phase: int) -> tuple[set[str], str]:
    """Return what charon accepts and what it signs with, from the file that a node of that phase loads."""
    a, b = PAIRS[pair]
    found = read(psk.secrets_file(store, a, {pair: b}, phase)).section("secrets").sections
    values = [section.values["secret"] for section in found.values()]
    assert all((s.values["id-1"], s.values["id-2"]) == (a, b) for s in found.values())
    return set(values), values[-1]


@pytest.mark.parametrize("one", range(4))
@pytest.mark.parametrize("other", range(4))
def test_nodes_one_phase_apart_authenticate_each_other_both_ways(store: psk.Store, one: int, other: int) -> None:
    store.begin(NODES)
    for pair in PAIRS:
        (accepts, signed), (accepts_too, signed_too) = signs(store, pair, one), signs(store, pair, other)
        works = signed in accepts_too and signed_too in accepts
        assert works or abs(one - other) > 1
        if {one, other} in ({0, 2}, {0, 3}, {1, 3}):
            assert not works, "two phases apart must be what the refusal is about"


def test_two_phases_apart_is_refused(store: psk.Store) -> None:
    store.begin(NODES)
    one, two, three = NODES
    for node in (one, two):
        store.reached(node, 1)
    with pytest.raises(ProblemError, match="phase 2") as raised:
        store.reached(one, 2)
    assert three in str(raised.value)
    store.reached(three, 1)
    store.reached(one, 2)
    with pytest.raises(ProblemError, match="not at phase 3"):
        store.finish()
    with pytest.raises(ProblemError):
        store.reached(one, 3)


def test_a_rotation_goes_on_where_it_was_interrupted(store: psk.Store) -> None:
    store.begin(NODES)
    before = {p: k.following for p, k in store.pairs.items()}
    for node in NODES:
        store.reached(node, 1)
    store.save()
    again = psk.open_store(store.path)
    again.begin(NODES)  # not a new rotation: the keys that nodes already have must not be made anew
    assert {p: k.following for p, k in again.pairs.items()} == before
    assert set(again.phases.values()) == {1}
    for phase in (2, 3):
        for node in NODES:
            again.reached(node, phase)
    again.finish()
    assert {p: k.current for p, k in again.pairs.items()} == before
    assert not again.rotating


def test_no_secret_is_shown(store: psk.Store) -> None:
    store.begin(NODES)
    shown = f"{store!r} {store.pairs!r} {next(iter(store.pairs.values()))}"
    for keys in store.pairs.values():
        assert keys.current.reveal() not in shown
        assert keys.following is not None
        assert keys.following.reveal() not in shown


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
def test_a_store_that_others_can_read_is_refused(store: psk.Store, mode: int) -> None:
    store.path.chmod(mode)
    with pytest.raises(ProblemError, match="read by others"):
        psk.open_store(store.path)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"schema": 2}', '{"schema": 1, "pairs": {"../x": {}}, "phases": {}}']
)
def test_a_damaged_store_is_never_replaced(store: psk.Store, text: str) -> None:
    store.path.write_text(text)
    with pytest.raises(ProblemError, match="no store of keys"):
        psk.open_store(store.path)


def test_given_keys_are_taken_when_they_are_strong_and_differ(tmp_path: Path) -> None:
    one, two, _ = PAIRS
    strong = "Zq3+fT9v/Lk2pX7wRb1nYc8sHd5mJg4e"
    store = psk.Store(tmp_path / "psk.json")
    psk.take(store, {one: strong + '"} evil {', two: strong + "\\2"})
    text = psk.secrets_file(store, PAIRS[one][0], {one: PAIRS[one][1]}, 0)
    assert [s.values["secret"] for s in read(text).section("secrets").sections.values()] == [strong + '"} evil {']
    for bad in ({one: "password"}, {one: "a" * 64}, {one: strong, two: strong}):
        with pytest.raises(ProblemError):
            psk.take(psk.Store(tmp_path / "psk.json"), bad)
