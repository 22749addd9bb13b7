"""Who may work beside whom: readers beside everybody, measurements in turn, writers alone and by name."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.phases import probe
from netplan.agent.system import core
from netplan.cli import session, status
from netplan.cli.main import main
from netplan.problems import ExitCode, ProblemError
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Options
from netplan.rollout.record import at_work
from netplan.rollout.record.at_work import Holder, Lock, holder, turn
from netplan.rollout.record.events import silent
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.transport.reply import Answer
from netplan.rollout.verbs.apply import apply
from netplan.rollout.verbs.measure import measure
from netplan.rollout.verbs.measure import status as look
from tests.support.fake_nodes import IDS, FakeNodes, target


@pytest.fixture(autouse=True)
def _no_grace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.function is not test_a_look_does_not_shut_a_writer_out:
        monkeypatch.setattr(at_work, "GRACE_S", 0.0)


def engine(root: Path, nodes: Any, *, verb: str = "", reading: bool = True) -> Engine:
    state = ClusterState(root, "lab", verb, reading=reading)
    return Engine("lab", "d" * 64, [target(i) for i in IDS], nodes, state, silent, Options())


def test_a_writer_says_who_it_is_and_readers_see_it(tmp_path: Path) -> None:
    assert ClusterState(tmp_path, "lab", reading=True).at_work() is None
    with ClusterState(tmp_path, "lab", "apply") as state:
        other = ClusterState(tmp_path, "lab", reading=True).at_work()
        assert other == state._lock.holder
        assert other.pid == os.getpid()
        assert f"apply (pid {os.getpid()}, since {other.since[11:19]} UTC, {at_work.who()})" == other.words()
        with pytest.raises(ProblemError) as caught, ClusterState(tmp_path, "lab", "revert"):
            pass
        (problem,) = caught.value.problems
        assert problem.message == f"{other.words()} is at work on this cluster"
        assert "timer" not in str(problem.hint)
    assert ClusterState(tmp_path, "lab", reading=True).at_work() is None
    with ClusterState(tmp_path, "lab", "revert"):
        pass


def test_who_only_reads_makes_nothing_and_needs_nothing(tmp_path: Path) -> None:
    for root in (tmp_path, Path("/proc/nothing")):
        with ClusterState(root, "lab", reading=True) as state:
            outcome = look(Engine("lab", "d" * 64, [target(i) for i in IDS], FakeNodes(), state, silent))
        assert outcome.exit_code == ExitCode.OK
    assert list(tmp_path.iterdir()) == []


def test_a_look_does_not_shut_a_writer_out(tmp_path: Path) -> None:
    """Readers look by taking the lock for an instant; a writer that comes in that instant comes again."""
    with ClusterState(tmp_path, "lab"):
        pass
    handle = os.open(tmp_path / "clusters" / "lab" / "lock", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    threading.Timer(0.1, os.close, (handle,)).start()
    with ClusterState(tmp_path, "lab"):
        pass


def test_the_lock_knows_the_transaction_and_whether_it_waits(tmp_path: Path) -> None:
    seen: list[tuple[str, Holder]] = []

    def look(phase: str, _: str) -> None:
        found = holder(tmp_path / "clusters" / "lab" / "lock")
        assert found
        seen.append((phase, found))

    with ClusterState(tmp_path, "lab", "try") as state:
        one = Engine("lab", "d" * 64, [target(i) for i in IDS], FakeNodes(look), state, state.note)

        def agree(_: object) -> bool:
            look("question", "")
            return True

        def keep(_: object, __: int) -> bool:
            look("yes", "")
            return True

        apply(one, agree, keep=keep)
    waits = {phase: found.waits for phase, found in seen}
    assert {phase for phase, waiting in waits.items() if waiting} == {"question", "yes"}
    assert {found.transaction for _, found in seen} == {one.run.transaction}
    assert {found.verb for _, found in seen} == {"try"}


def test_a_lock_file_that_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    lock = Lock(file, "apply")
    assert lock.take()
    for text in ("", "{}", "[1]", '{"pid": "x"}', "\0"):
        file.write_text(text, encoding="utf-8")
        assert holder(file) == Holder()
        assert Holder().words() == "another ipsecplan"
    lock.note(transaction="tx-1", verb="x" * 500)
    lock.note(verb="\x1b[31m")
    found = holder(file)
    assert found
    assert "\x1b" not in found.words()
    lock.give()
    assert holder(file) is None


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from netplan.rollout.record.at_work import Lock\n"
        "print(Lock(Path(sys.argv[1]), 'apply').take(), flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "True\n"
    found = holder(tmp_path / "lock")
    assert found
    assert (found.pid, found.verb) == (process.pid, "apply")
    process.kill()
    process.wait(10)
    process.stdout.close()
    assert holder(tmp_path / "lock") is None


class Slow(FakeNodes):
    """Nodes that let one measurement in at a time, and tell when two meet."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.met, self.lock = 0, False, threading.Lock()

    def step(
        self,
        requests: Mapping[str, dict[str, Any]],
        targets: Mapping[str, Any],
        *,
        payload: bool,
        fresh: bool,
        arrived: Callable[[str, Answer], None],
    ) -> dict[str, Answer]:
        measuring = "probe" in next(iter(requests.values()))["phases"]
        with self.lock:
            self.inside += measuring
            self.met |= self.inside > 1
        time.sleep(0.3 * measuring)
        answers = super().step(requests, targets, payload=payload, fresh=fresh, arrived=arrived)
        with self.lock:
            self.inside -= measuring
        return answers


def test_two_verifies_at_once_both_come_out_right(tmp_path: Path) -> None:
    with ClusterState(tmp_path, "lab"):
        pass
    nodes, said, codes = Slow(), [], []

    def verify() -> None:
        codes.append(measure(engine(tmp_path, nodes), "verify", said.append).exit_code)

    both = [threading.Thread(target=verify) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert codes == [ExitCode.OK, ExitCode.OK]
    assert not nodes.met
    assert len(said) == 1
    assert said[0].startswith(f"waiting for verify (pid {os.getpid()}, since ")
    patience = {r["patience"] for requests in nodes.requests for r in requests.values() if "probe" in r["phases"]}
    assert patience == {150}


def test_verify_waits_for_an_apply_and_not_for_a_question(tmp_path: Path) -> None:
    said: list[str] = []
    with ClusterState(tmp_path, "lab", "apply") as state:
        with pytest.raises(ProblemError) as caught, turn(state.folder, "verify", said.append, wait_s=0.5):
            pass
        (problem,) = caught.value.problems
        assert problem.message.startswith("still at work after 0 s: apply (pid")
        assert "timer" not in str(problem.hint)
        assert len(said) == 1
        with pytest.raises(KeyboardInterrupt), turn(state.folder, "verify", said.append, cancelled=lambda: True):
            pass
        state.waits(True)
        with turn(state.folder, "verify", said.append, wait_s=0):
            assert holder(state.folder / "measuring")
        assert holder(state.folder / "measuring") is None
    with turn(Path("/proc/nothing"), "verify", said.append, wait_s=0):
        pass


def test_what_failed_beside_an_apply_is_said_to_have(tmp_path: Path) -> None:
    writers = contextlib.ExitStack()
    with writers:

        def begin(phase: str, node: str) -> dict[str, Any] | None:
            if (phase, node) != ("probe", IDS[0]):
                return None
            writers.enter_context(ClusterState(tmp_path, "lab", "apply"))
            return {"rows": []}

        outcome = measure(engine(tmp_path, FakeNodes(begin)), "verify", print)
    assert outcome.exit_code == ExitCode.VERIFY_FAILED
    warning = outcome.problems[-1]
    assert (warning.code, warning.severity) == ("IPP608", "warning")
    assert warning.message.startswith(f"apply (pid {os.getpid()}, since ")
    assert warning.message.endswith(" began while this was measured")


def test_what_failed_beside_somebody_elsewhere(tmp_path: Path) -> None:
    lease = {"lease": {"left_s": 30, "who": "eve@far", "owner": "x", "epoch": 2}}
    nodes = FakeNodes(lambda phase, _: {"probe": {"rows": []}, "status": lease}.get(phase))
    nodes.state = {**nodes.state, "state": "open", "tx": "tx-2"}
    outcome = measure(engine(tmp_path, nodes), "verify", print)
    assert [p.code for p in outcome.problems if p.severity == "warning"] == ["IPP671"] * 3
    assert "a transaction of eve@far is open" in outcome.problems[-1].message


def test_status_during_an_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole verb, and one more, while an apply holds the lock; only nodes, bundle and inventory are played."""
    nodes = FakeNodes()

    class Bundle:
        cluster, digest = "lab", "d" * 64

    @contextlib.contextmanager
    def transport(_: object) -> Iterator[Any]:
        yield nodes

    monkeypatch.setattr(session.reader, "read", lambda _: Bundle())
    monkeypatch.setattr(session, "read_inventory", lambda *_: None)
    monkeypatch.setattr(session, "targets", lambda *_: [target(i) for i in IDS])
    monkeypatch.setattr(session, "login_passwords", lambda *_: {})
    monkeypatch.setattr(session, "AnsibleTransport", transport)
    monkeypatch.setattr(status.replaced, "check", lambda *_: [])
    argv = ["status", "--state-dir", str(tmp_path)]
    assert main(argv) == 0
    assert "at work" not in capsys.readouterr().err
    with ClusterState(tmp_path, "lab", "apply") as state:
        words = state._lock.holder.words()
        for _ in range(2):
            assert main(argv) == 0
            out, err = capsys.readouterr()
            assert f"at work: {words}\n" in err
            assert "a: none" in out
        assert main([*argv, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["result"]["at_work"]["pid"] == os.getpid()
        assert main(["apply", "--yes", "--state-dir", str(tmp_path)]) == 1
        assert f"IPP608: {words} is at work on this cluster" in capsys.readouterr().err


def asks(nonce: str, patience: int) -> dict[str, Any]:
    return {"node": {}, "nonce": nonce, "patience": patience, "timer": 0}


def test_a_node_lets_one_measurement_in(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = [], []

    def alone(_: object, nonce: str) -> dict[str, Any]:
        inside.append(nonce)
        most.append(len(inside))
        time.sleep(0.1)
        inside.remove(nonce)
        return {"rows": []}

    monkeypatch.setattr(probe, "_alone", alone)
    threads = [threading.Thread(target=probe.probe, args=(asks(n, 20),)) for n in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]
    with core.locked(str(home / "run" / "measuring"), 1, {}), pytest.raises(core.Stop) as caught:
        probe.probe(asks("d", 0))
    assert caught.value.findings[0]["code"] == "IPP602"
