"""The program that runs on a worker: what it finds, what it leaves behind, and that nothing outlives its controller."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netplan.rollout.transport.worker_link import LOADER, program
from netplan.rollout.transport.worker_side import PREFIX, STALE_S
from tests.support.played_workers import program as written
from tests.support.played_workers import until

# Ansible as far as its processes go: one of them has left the group and the session of the others
RUNNER = """#!/bin/sh
[ "$1" = --version ] && echo 2.4.3 && exit
setsid sleep 300 &
echo $! $$ > {pids}.tmp
mv {pids}.tmp {pids}
cat > {got}
echo '{{"eof": true}}'
sleep 300
"""


@pytest.fixture
def places(tmp_path: Path) -> str:
    folder = tmp_path / "bin"
    folder.mkdir()
    written(folder / "ansible-runner", RUNNER.format(pids=tmp_path / "pids", got=tmp_path / "got"))
    written(folder / "ansible-playbook", "#!/bin/sh\necho 'ansible-playbook [core 2.19.14]'\n")
    return str(folder)


def started(order: dict[str, Any]) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-I", "-c", LOADER, str(len(program()))]
    worker = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert worker.stdin
    worker.stdin.write(program() + json.dumps(order).encode() + b"\n")
    worker.stdin.flush()
    return worker


def asked(**order: Any) -> dict[str, Any]:
    with started(order) as worker:
        out, _ = worker.communicate(timeout=60)
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.fixture
def folder(places: str) -> Iterator[Path]:
    found = Path(asked(do="look", places=[places])["folder"])
    yield found
    asked(do="end", places=[], folder=str(found))
    assert not found.exists()


def work(folder: Path, places: str, silent_s: float = 60) -> subprocess.Popen[bytes]:
    order = {"do": "work", "places": [places], "folder": str(folder), "run": "r1", "beat_s": 1, "silent_s": silent_s}
    return started({**order, "secret": {}, "passwords": {}})


def processes(tmp_path: Path) -> list[Path]:
    until(lambda: (tmp_path / "pids").exists())
    return [Path("/proc", pid) for pid in (tmp_path / "pids").read_text().split()]


def test_a_look_tells_versions_and_makes_a_private_folder(places: str, folder: Path) -> None:
    said = asked(do="look", places=[places])
    assert (said["runner"], said["core"]) == ("2.4.3", "2.19.14")
    made = Path(said["folder"])
    assert (made.stat().st_mode & 0o777, made.name.startswith(PREFIX)) == (0o700, True)
    assert asked(do="end", places=[], folder=str(made)) == {"ended": "yes"}
    assert not made.exists()
    assert folder.exists()


def test_a_look_without_ansible_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert asked(do="look", places=[str(tmp_path)]) == {}


def test_a_folder_that_nobody_ended_goes_with_the_next_run(places: str, folder: Path) -> None:
    stale, link = folder.with_name(PREFIX + "stale"), folder.with_name(PREFIX + "link")
    stale.mkdir()
    link.symlink_to(folder)
    for path in (stale, link):
        os.utime(path, (0, time.time() - STALE_S - 60), follow_symlinks=False)
    again = Path(asked(do="look", places=[places])["folder"])
    asked(do="end", places=[], folder=str(again))
    assert (stale.exists(), link.is_symlink(), folder.exists()) == (False, True, True)
    link.unlink()


@pytest.mark.parametrize("name", ["/tmp", "/nonexistent/ipsecplan-worker-x", "/etc"])
def test_no_other_folder_is_removed(name: str) -> None:
    said = asked(do="end", places=[], folder=name)
    assert said == {"ended": "yes"} if "nonexistent" in name else "not a worker's folder" in said["wrong"]


@pytest.mark.parametrize("how", ["hangs up", "is silent", "SIGTERM", "SIGHUP"])
def test_nothing_outlives_the_controller(tmp_path: Path, places: str, folder: Path, how: str) -> None:
    with work(folder, places, silent_s=1 if how == "is silent" else 60) as worker:
        assert worker.stdin
        if how != "is silent":
            worker.stdin.write(b"a stream\n")
            worker.stdin.flush()
        mine = processes(tmp_path)
        assert all(process.exists() for process in mine)
        if how == "hangs up":
            worker.stdin.close()
        elif how.startswith("SIG"):
            os.kill(worker.pid, getattr(signal, how))
        worker.wait(30)
    until(lambda: not any(process.exists() for process in mine), 10)
    assert not folder.exists()


def test_what_a_killed_worker_leaves_is_ended_with_its_run(tmp_path: Path, places: str, folder: Path) -> None:
    with work(folder, places) as worker:
        orphan, runner = processes(tmp_path)
        os.kill(worker.pid, signal.SIGKILL)
    until(lambda: not runner.exists(), 10)
    assert orphan.exists(), "it has a session of its own"
    asked(do="end", places=[], folder=str(folder))
    until(lambda: not orphan.exists(), 10)


def test_a_run_that_ends_leaves_its_folder_for_the_next(tmp_path: Path, places: str, folder: Path) -> None:
    written(Path(places) / "ansible-runner", f'#!/bin/sh\necho "$@" > {tmp_path}/words\nmkdir {folder}/artifacts\n')
    with work(folder, places) as worker:
        assert worker.wait(30) == 0
    assert (tmp_path / "words").read_text() == f"worker --private-data-dir {folder} --keepalive-seconds 1\n"
    assert list(folder.iterdir()) == []
