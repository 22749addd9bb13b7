"""The journal and the state directory of a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from netplan.problems import ExitCode, ProblemError
from netplan.rollout.record.journal import ClusterState, new_transaction, read, state_root


def test_lines_are_on_disk_private_and_in_order(tmp_path: Path) -> None:
    with ClusterState(tmp_path, "lab") as state:
        journal = state.journal("tx-1")
        for number in range(3):
            journal.write({"event": "Phase", "number": number})
            on_disk = (state.folder / "journal" / "tx-1.jsonl").read_text().splitlines()
            assert json.loads(on_disk[-1])["number"] == number
        journal.close()
        assert [record["number"] for record in state.last()] == [0, 1, 2]
    assert state.folder.stat().st_mode & 0o777 == 0o700
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_a_line_cut_by_a_crash_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "tx.jsonl"
    path.write_text('{"event": "A"}\n["no object"]\n{"event": "B", "det')
    assert list(read(path)) == [{"event": "A"}]


def test_a_second_controller_is_refused_and_may_come_afterwards(tmp_path: Path) -> None:
    with ClusterState(tmp_path, "lab"):
        with pytest.raises(ProblemError, match="another ipsecplan") as caught, ClusterState(tmp_path, "lab"):
            pass
        assert caught.value.exit_code == ExitCode.FAILURE
        with ClusterState(tmp_path, "other"):
            pass
    with ClusterState(tmp_path, "lab"):
        pass


@pytest.mark.parametrize("cluster", ["../../etc", "a/b", "", "Ä", ".", "-x", "a" * 80])
def test_no_cluster_name_leaves_the_state_directory(tmp_path: Path, cluster: str) -> None:
    folder = ClusterState(tmp_path, cluster).folder
    assert folder.parent == tmp_path / "clusters"
    assert len(folder.name) <= 63


def test_where_the_state_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("IPSECPLAN_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert state_root() == tmp_path / "xdg" / "ipsecplan"
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path / "env"))
    assert state_root() == tmp_path / "env"
    assert state_root(str(tmp_path / "option")) == tmp_path / "option"


def test_transaction_ids_are_what_nodes_accept() -> None:
    ids = {new_transaction() for _ in range(50)}
    assert len(ids) > 40
    assert all(i.startswith("tx-") and len(i) <= 43 and i.replace("-", "").isalnum() for i in ids)


def test_an_unusable_state_directory_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProblemError, match="can't be used"), ClusterState(tmp_path / "file", "lab"):
        pass


def test_its_room_is_taken_first_and_given_back(tmp_path: Path) -> None:
    with ClusterState(tmp_path, "lab") as state:
        journal = state.journal("tx-1", 1 << 18)
        journal.write({"event": "A"})
        assert journal.path.stat().st_size < 100, "nobody who reads along sees empty room"
        assert journal.path.stat().st_blocks * 512 >= 1 << 18
        journal.close()
        assert journal.path.stat().st_blocks * 512 < 1 << 16
        again = state.journal("tx-1", 1 << 18)
        again.write({"event": "B"})
        again.close()
        assert [record["event"] for record in state.last()] == ["A", "B"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system in a namespace of its own")
def test_a_full_disk_is_found_before_any_change(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from netplan.rollout.record.journal import *\n"
        f"with ClusterState(Path({str(tmp_path)!r}), 'lab') as state:\n"
        " try: state.journal('tx-1', 1 << 18)\n"
        " except ProblemError as error: print(error.problems[0].code, error.problems[0].message)\n"
    )
    (tmp_path / "code.py").write_text(code)
    script = (
        f"exec <{tmp_path}/code.py; mount -t tmpfs -o size=128k,mode=700 none {tmp_path} && exec {sys.executable} -"
    )
    apart = ["unshare", "--mount"]
    refused = subprocess.run([*apart, "true"], capture_output=True, text=True, timeout=60)
    if refused.returncode != 0:  # in a chroot whose root is no mount point, and in containers without that right
        pytest.skip(f"no mount namespace here: {refused.stderr.strip()}")
    done = subprocess.run([*apart, "sh", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("IPP668 no room for the journal in"), done.stderr
    assert "No space left" in done.stdout


def test_a_short_write_is_finished_and_half_a_line_does_not_hide_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    with ClusterState(tmp_path, "lab") as state:
        journal = state.journal("tx-1")
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda handle, data: write(handle, bytes(data)[:7]))
            journal.write({"event": "A"})
        calls = [0]

        def full(handle: int, data: memoryview) -> int:
            calls[0] += 1
            if calls[0] > 1:
                raise OSError(28, "No space left on device")
            return write(handle, bytes(data)[:7])

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(OSError, match="No space"):
                journal.write({"event": "B"})
        journal.write({"event": "C"})
        journal.close()
        assert [record["event"] for record in state.last()] == ["A", "C"]
        with open(journal.path, "a") as cut:
            cut.write('{"event": "D", "half')
        journal = state.journal("tx-1")
        journal.write({"event": "E"})
        journal.close()
        assert [record["event"] for record in state.last()] == ["A", "C", "E"]
