"""The state directory and a bundle have the owner and the modes that they need, whatever was there before."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netplan.bundle import write
from netplan.ipsec.ca import open_authority
from netplan.problems import ProblemError
from netplan.rollout.record.at_work import Lock, holder
from netplan.rollout.record.journal import ClusterState
from tests.support.plans import make_planned

PARTS = ["", "clusters", "clusters/lab", "clusters/lab/journal"]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def _link(path: Path) -> None:
    real = path.with_name(path.name + ".real")
    path.rename(real)
    path.symlink_to(real)


def _file(path: Path) -> None:
    for inner in sorted(path.rglob("*"), reverse=True):
        inner.rmdir() if inner.is_dir() else inner.unlink()
    path.rmdir()
    path.touch()


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "link": (_link, "symbolic link"),
    "group": (lambda path: path.chmod(0o770), "others can write"),
    "world": (lambda path: path.chmod(0o707), "others can write"),
    "foreign": (lambda path: os.chown(path, 4711, -1), "belongs to user id 4711"),
    "file": (_file, "Not a directory"),
}


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives folders to others")
@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("part", PARTS)
def test_a_folder_of_the_state_that_is_not_ours_alone_is_refused(tmp_path: Path, part: str, how: str) -> None:
    root = tmp_path / "state"
    with ClusterState(root, "lab"):
        pass
    spoil, why = SPOILED[how]
    spoil(root / part)
    with pytest.raises(ProblemError, match=why) as raised, ClusterState(root, "lab"):
        pass
    (problem,) = raised.value.problems
    assert problem.code == "IPP608"
    assert problem.location.path == str(root / part) or how == "file"
    assert problem.hint


def test_nothing_is_made_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "clusters").symlink_to(tmp_path / "theirs")
    with pytest.raises(ProblemError, match="symbolic link"), ClusterState(tmp_path / "state", "lab"):
        pass
    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_state_and_bundle_have_their_modes_under_any_umask(
    tmp_path: Path, umask: Callable[[int], int], mask: int
) -> None:
    umask(mask)
    root = tmp_path / "home" / "state"
    with ClusterState(root, "lab") as state:
        open_authority(state.ca, "lab")
    assert {_mode(path) for path in (root, *root.rglob("*")) if path.is_dir()} == {0o700}
    assert {_mode(path) for path in root.rglob("*") if path.is_file()} == {0o600, 0o644}
    planned = make_planned(2)
    write.write(tmp_path / "bundle", planned.plan, planned.inventory)
    made = [tmp_path / "bundle", *(tmp_path / "bundle").rglob("*")]
    assert {_mode(path) for path in made if path.is_dir()} == {0o755}
    assert {_mode(path) for path in made if path.is_file()} == {0o644}


def test_a_folder_that_others_can_only_read_is_closed(tmp_path: Path) -> None:
    with ClusterState(tmp_path / "state", "lab") as state:
        folder = state.folder
    folder.chmod(0o755)
    with ClusterState(tmp_path / "state", "lab"):
        assert _mode(folder) == 0o700


@pytest.mark.parametrize("place", ["lock", "journal/tx-20260102030405-abcd.jsonl"])
def test_lock_and_journal_follow_no_link(tmp_path: Path, place: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    with ClusterState(tmp_path / "state", "lab") as state:
        link = state.folder / place
    link.unlink(missing_ok=True)
    link.symlink_to(victim)
    with pytest.raises((ProblemError, OSError)), ClusterState(tmp_path / "state", "lab") as state:
        state.journal("tx-20260102030405-abcd")
    assert victim.read_text() == "mine"
    assert _mode(victim) == 0o644


def test_a_pipe_as_lock_is_no_holder_and_waits_for_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    assert holder(tmp_path / "lock") is None
    assert Lock(tmp_path / "lock", "apply").take(0.0)
