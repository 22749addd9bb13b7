"""A rotation dies behind every change of a file: the next run resumes it, and no pair fails to authenticate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netplan.ipsec.ca import open_authority
from netplan.ipsec.ca_rollover import under_way
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.verbs.apply import apply
from netplan.rollout.verbs.rotate import rotate
from tests.support.credentialed import IDS, Credentialed
from tests.support.file_points import FilePoints
from tests.support.killed import Killed, engine

# How many changes of files one rotation makes; a change of the number changes what the tests below go through
POINTS = {"psk": 71, "ca": 116}
REINSTALLED = [*(("ca", n) for n in (40, 60, 80, 100, 120, 130)), ("psk", 40), ("psk", 70)]
AUTH = {"psk": "psk", "ca": "certificates"}


class World:
    """One cluster, its state directory and its nodes."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path, what: str) -> None:
        self.patch, self.what, self.root = patch, what, folder / "state"
        with ClusterState(self.root, "lab") as state:
            self.nodes = Credentialed(patch, folder / "nodes", state, AUTH[what])

    def rotate(self) -> str:
        with ClusterState(self.root, "lab") as state:
            return rotate(engine(self.nodes, state), self.what, lambda _: True).outcome

    def dies_behind(self, number: int | None) -> list[str]:
        """Rotate until so many changes of files were made; return them."""
        with pytest.MonkeyPatch.context() as patch:
            points = FilePoints(patch, self.root, number)
            self.nodes.before_step = points.live
            try:
                assert self.rotate() == "rotated"
            except Killed:
                assert number is not None
            finally:
                self.nodes.before_step = lambda: None
        points.bury()
        return points.done

    def apply(self) -> str:
        with ClusterState(self.root, "lab") as state:
            return apply(engine(self.nodes, state), lambda _: True).outcome

    def certificates_fit(self) -> None:
        """What the controller would sign with at this moment is what every node accepts."""
        with ClusterState(self.root, "lab") as state:
            roll = under_way(state.ca)
            authority = roll.signer()[0] if roll else open_authority(state.ca, "lab")
        assert {node for node in IDS if authority.pem not in self.nodes.loaded[node].trusted} == set()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return World(monkeypatch, tmp_path, request.param)


def _points(what: str) -> list[Any]:
    """Every point; one in five in `make test`, all of them in the drills."""
    marks = {True: pytest.mark.slow, False: pytest.mark.drill}
    return [pytest.param(what, n, id=f"{what}-{n}", marks=marks[n % 5 == 0]) for n in range(1, POINTS[what] + 1)]


@pytest.mark.parametrize("world", POINTS, indirect=True)
def test_rotation_has_so_many_points_at_which_it_can_die(world: World) -> None:
    done = world.dies_behind(None)
    assert len(done) == POINTS[world.what], "\n".join(done)
    assert world.nodes.cuts == []


@pytest.mark.parametrize(("world", "number"), [*_points("psk"), *_points("ca")], indirect=["world"])
def test_rotation_that_died_is_resumed_without_an_outage(world: World, number: int) -> None:
    world.dies_behind(number)
    if number % 2:  # what was under way arrives, or is lost
        world.nodes.deliver()
    if world.what == "ca":
        world.certificates_fit()
    assert world.rotate() == "rotated"
    assert world.nodes.cuts == []
    if world.what == "ca":
        world.certificates_fit()
        assert {len(set(world.nodes.loaded[node].trusted)) for node in IDS} == {1}


@pytest.mark.parametrize(
    ("world", "number"),
    [
        *(pytest.param(what, n, id=f"{what}-{n}", marks=pytest.mark.slow) for what, n in REINSTALLED),
        *(pytest.param("ca", n, id=f"ca-{n}-drill", marks=pytest.mark.drill) for n in range(1, POINTS["ca"] + 1)),
    ],
    indirect=["world"],
)
def test_node_reinstalled_within_a_rotation_fits_to_the_others(world: World, number: int) -> None:
    """It has nothing, so apply comes first: its certificate has to be one that all others accept, wherever they are."""
    world.dies_behind(number)
    world.nodes.reinstall(IDS[2])
    assert world.apply() == "confirmed"
    assert world.nodes.cut() == []
    assert world.rotate() == "rotated"
    assert world.nodes.cuts == []
    assert world.nodes.cut() == []
