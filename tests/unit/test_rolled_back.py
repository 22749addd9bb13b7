"""A rollback ends when nothing of the transaction is found any more: the real revert.sh on a played node."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.played_node import PAIRS, PlayedNode, race
from tests.support.revert_script import TX

RUNS = 12  # more than a node has timers for


def ended(process: subprocess.Popen[bytes]) -> None:
    """End what was started for a test, with its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdout:
        process.stdout.close()
    process.wait()


def let_go_on(node: PlayedNode) -> int:
    """Let the node's own timers fire until it has none; return how many did."""
    return next(number for number in range(RUNS) if not node.fire())


@pytest.mark.parametrize("words", [("timer", TX), ("boot",), ("operator",)])
def test_a_rollback_leaves_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    node = PlayedNode(tmp_path / "node")
    if words == ("boot",):
        (node.folder / "watch").unlink()
    done = node.run(*words)
    assert (done.returncode, node.left(), node.closed) == (0, [], True), done.stdout
    assert sorted(path.name for path in node.run_folder.iterdir()) == [
        "guard.lock",
        "relaxed",
        "revert.holder",
        "revert.lock",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(n, marks=pytest.mark.drill) for n in range(4, 50))])
def test_timers_that_fire_while_the_controller_rolls_back_leave_nothing(tmp_path: Path, seed: int) -> None:
    """Each command waits, one in eight for up to 0.9 s. Where the lock was given up, 2 of 30 seeds left a policy."""
    node = PlayedNode(tmp_path / "node", slow=80)
    said = race(node, seed)
    let_go_on(node)
    assert (node.left(), node.closed) == ([], True), said


def test_a_second_rollback_waits_for_the_first(tmp_path: Path) -> None:
    node = PlayedNode(tmp_path / "node")
    whose = "tr '\\0' '\\n' </proc/$PPID/cmdline | tail -n 1"
    (node.bin / "nft").write_text(f"#!/bin/sh\n{whose} >>{tmp_path}/who\nsleep 0.2\nexit 1\n")
    first, second = node.start("operator"), node.start("relax")
    said = [process.communicate(timeout=60)[0] for process in (first, second)]
    who = (tmp_path / "who").read_text().split()
    assert who == sorted(who, key=who.index), (who, said)
    assert node.left() == ["guard"]


def test_a_rollback_that_hangs_is_ended_by_the_next(tmp_path: Path) -> None:
    node = PlayedNode(tmp_path / "node")
    lock = node.run_folder / "revert.lock"
    code = f"exec 9>>{lock}; flock 9; echo; sleep 1000; : revert.sh"
    hung = subprocess.Popen(["/bin/sh", "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    assert hung.stdout
    hung.stdout.readline()
    (node.run_folder / "revert.holder").write_text(f"{hung.pid} {os.getpgid(hung.pid)} -1000000\n")
    done = node.run("timer", TX)
    try:
        assert hung.wait(10) == -9
    finally:
        ended(hung)
    assert "ends a rollback that has hung" in done.stdout
    assert (done.returncode, node.left()) == (0, [])


def test_a_step_of_the_controller_that_hangs_is_ended_by_the_timer(tmp_path: Path) -> None:
    node = PlayedNode(tmp_path / "node")
    hung = subprocess.Popen(["/bin/sh", "-c", "sleep 1000; : ipsecplan"], start_new_session=True)
    (node.run_folder / "agent").write_text(f"{hung.pid}\n")
    done = node.run("timer", TX)
    try:
        assert hung.wait(5) == -9
    finally:
        ended(hung)
    assert (done.returncode, node.left()) == (0, [])
    assert not (node.run_folder / "agent").exists()


def test_a_charon_that_does_not_answer_keeps_the_transaction_open(tmp_path: Path) -> None:
    node = PlayedNode(tmp_path / "node")
    (node.folder / "hung").touch()
    done = node.run("timer", TX)
    assert done.returncode == 1
    assert node.reverting() == ["charon does not answer"]
    assert not node.closed
    assert not list(node.policies.iterdir()), "the kernel is clear although charon has not said a word"
    assert not list(node.states.iterdir())
    assert not (node.folder / "guard").exists()
    (timer,) = node.timers.iterdir()
    assert f"/usr/local/lib/ipsecplan/revert.sh timer {TX} {timer.stem}" in timer.read_text()
    assert "--no-block" in timer.read_text()
    (node.folder / "hung").unlink()
    assert let_go_on(node) == 1
    assert (node.left(), node.closed) == ([], True)


def test_a_charon_that_is_dead_has_nothing_to_say(tmp_path: Path) -> None:
    node = PlayedNode(tmp_path / "node")
    (node.folder / "dead").touch()
    for folder in (node.connections, node.sas):  # they died with it
        for path in folder.iterdir():
            path.unlink()
    done = node.run("timer", TX)
    assert (done.returncode, node.left(), node.closed) == (0, [], True), done.stdout


def test_a_guard_that_can_not_be_deleted_keeps_the_transaction_open(tmp_path: Path) -> None:
    node = PlayedNode(tmp_path / "node")
    (node.folder / "stuck").touch()
    done = node.run("operator")
    assert done.returncode == 1
    assert node.reverting() == ["the guard (nft table inet ipsecplan) can't be deleted"]
    assert done.stdout.splitlines()[-1].endswith("tries again in 15 s")
    assert node.run("boot").returncode == 1, "a boot goes on with it"
    (node.folder / "stuck").unlink()
    assert node.run("boot").returncode == 0
    assert "guard" not in node.left()


def test_a_connection_that_stays_is_named(tmp_path: Path) -> None:
    node = PlayedNode(tmp_path / "node")
    (node.folder / "planted").touch()
    done = node.run("timer", TX)
    assert node.reverting() == ["charon has the connection pair-87caf44150d0"]
    assert "left: charon has the connection pair-87caf44150d0" in done.stdout
    (node.folder / "planted").unlink()
    let_go_on(node)
    assert (node.left(), node.closed) == ([], True)


@pytest.mark.slow
def test_further_tries_come_later_each_time_and_end(tmp_path: Path) -> None:
    node = PlayedNode(tmp_path / "node")
    (node.folder / "stuck").touch()
    node.run("timer", TX)
    waits = []
    while timers := list(node.timers.iterdir()):
        waits += [word for word in timers[0].read_text().split() if word.startswith("--on-active=")]
        node.fire()
    assert waits[:4] == [f"--on-active={n}s" for n in (15, 30, 60, 120)]
    assert len(waits) == 10
    assert not node.closed


def test_a_rollback_that_has_begun_asks_no_witness(tmp_path: Path) -> None:
    node = PlayedNode(tmp_path / "node")
    for name in ("witness", "confirmed.json"):
        (node.tx / name).write_text("198.18.7.9 10.244.1.0 ov0\n")
    (node.bin / "ping").write_text(f"#!/bin/sh\n: >{tmp_path}/asked\n")
    (node.bin / "ping").chmod(0o755)
    (node.folder / "planted").touch()
    node.run("relax")
    (node.folder / "guard").write_text((node.folder / "etc/ipsecplan/guard.nft").read_text())
    node.run("timer", TX)
    assert not (tmp_path / "asked").exists()
    assert not node.closed


def test_a_snapshot_that_is_not_whole_goes_the_whole_way_back(tmp_path: Path) -> None:
    node = PlayedNode(tmp_path / "node")
    listed = (node.tx / "ipsec.list").read_text()
    (node.root / "base" / "ipsec.list").write_text(listed + f"absent {node.folder}/etc/ipsecplan/peers\n")
    lines = [f"192.0.2.1 {peer} {pair}\n" for pair, peer in zip(PAIRS, ("192.0.2.2", "192.0.2.3"), strict=True)]
    (node.folder / "etc/ipsecplan/peers").write_text("".join(lines))
    for path in ("before", "peers", "pairs", "port", "policy"):
        (node.tx / path).unlink()
    done = node.run("boot")
    assert f"the snapshot of {TX} is not whole: back to the time before ipsecplan" in done.stdout
    assert (done.returncode, node.closed, node.left()) == (0, True, ["watch"]), done.stdout


def test_without_the_program_timeout_a_rollback_asks_charon_all_the_same(tmp_path: Path) -> None:
    node = PlayedNode(tmp_path / "node")
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        for path in Path(folder).iterdir():
            if path.name != "timeout" and not (programs / path.name).exists():
                (programs / path.name).symlink_to(path)
    text = node.script.read_text()
    assert ":/usr/sbin:/usr/bin:/sbin:/bin" in text
    node.script.write_text(text.replace(":/usr/sbin:/usr/bin:/sbin:/bin", f":{programs}"))
    done = node.run("operator")
    assert (done.returncode, node.left()) == (0, []), done.stdout


def test_a_further_try_does_not_open_what_the_release_of_before_has_closed(tmp_path: Path) -> None:
    node = PlayedNode(tmp_path / "node")
    (node.tx / "before").write_text(f"confirmed tx-1 {'e' * 64}\n")
    (node.tx / "ipsec.list").write_text("")
    (node.root / "tx" / "tx-1").mkdir()
    (node.root / "tx" / "tx-1" / "pairs").write_text("\n".join(PAIRS) + "\n")
    nft = node.bin / "nft"
    nft.write_text(nft.read_text().replace("#!/bin/sh\n", f'#!/bin/sh\necho "$*" >>{tmp_path}/said\n'))
    (node.folder / "planted").touch()
    assert node.run("timer", TX).returncode == 1
    assert node.reverting() == ["charon has the connection pair-87caf44150d0"]
    (node.folder / "planted").unlink()
    assert let_go_on(node) == 1
    said = (tmp_path / "said").read_text()
    assert said.count("guard-count.nft") == 1, said
    assert node.closed
    assert '"state": "confirmed", "tx": "tx-1"' in (node.root / "state.json").read_text()
    assert " drop" in (node.folder / "guard").read_text()
    assert sorted(path.name for path in node.connections.iterdir()) == list(PAIRS)
