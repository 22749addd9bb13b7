"""A step by workers: the real ansible-runner on both ends of a pipe; only the way between them is played."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from netplan.cli import session
from netplan.cli.workers import WORKERS
from netplan.cli.workers import workers as workers_of_the_command
from netplan.problems import ProblemError
from netplan.rollout.pace import Limits
from netplan.rollout.record.events import WorkerLost
from netplan.rollout.transport import worker_link
from netplan.rollout.transport import workers as module
from netplan.rollout.transport.ansible import AnsibleTransport
from netplan.rollout.transport.workers import WorkersTransport, destinations
from tests.support.played_workers import play, program, until, workers

SECRET, PASSWORD = "canary-" + "5" * 40, "hunter2-" + "x7" * 12


@pytest.mark.slow
def test_two_workers_share_the_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = play(tmp_path, monkeypatch, 3)
    with workers() as transport:
        for number in range(2):
            answers = played.step(transport, "hold")
            assert [a.results[0]["detail"] for a in answers.values()] == ["played"] * 3, answers
            assert sorted(played.arrived) == sorted([*played.targets] * (number + 1)), "as they come, each once"
    assert {played.log(n)[0][0] for n in range(3)} == {"w1", "w2"}
    for n in range(3):
        (first, second) = played.log(n)
        assert first[0] == second[0], "over the connection that is there"
        assert (first[3], second[3]) == (True, False), "the agent's code travels once"
        assert first[2] == second[2] == 0
    assert played.events == []
    assert not [path for path in (tmp_path / "tmp").iterdir() if "ipsecplan" in path.name]
    words = json.loads((played.root / "w1.words").read_text())
    assert words[-3:-1] == ["--", "w1"]
    assert "StrictHostKeyChecking=yes" in words


@pytest.mark.slow
@pytest.mark.parametrize("what", ["worker", "runner"])
def test_a_worker_that_is_killed_is_stood_in_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """SIGKILL while its node is at work: the other one asks that node again, and none that has answered."""
    played = play(tmp_path, monkeypatch, 2)
    (played.root / "hangs-w1").touch()

    def kill() -> None:
        until(lambda: played.log(0))
        launcher = played.pids("w1")[-1]
        os.kill(launcher if what == "worker" else children(launcher)[0], signal.SIGKILL)

    with workers() as transport:
        killer = threading.Thread(target=kill)
        killer.start()
        answers = played.step(transport, "hold")
        killer.join()
        (played.root / "hangs-w1").unlink()
        assert all(answer.results for answer in answers.values()), answers
        [lost] = played.events
        assert isinstance(lost, WorkerLost)
        assert (lost.worker, lost.nodes, lost.by, lost.left) == ("w1", ("web0",), ("w2",), 1)
        assert lost.reason.startswith("its connection ended")
        assert [(who, turn) for who, _, turn, _ in played.log(0)] == [("w1", 0), ("w2", 1)]
        assert [(who, turn) for who, _, turn, _ in played.log(1)] == [("w2", 0)]
        assert [answers[i].again for i in played.targets] == [True, False]
        if what == "runner":
            played.step(transport, "hold")
            assert [(who, turn) for who, _, turn, _ in played.log(0)][-1] == ("w2", 1), "and stays there"


@pytest.mark.slow
def test_a_worker_that_falls_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything of it stands still, and its connection is there: a cable that was pulled looks like that."""
    played = play(tmp_path, monkeypatch, 2)
    with workers() as transport:
        transport.limits = Limits(alive_s=8)
        (played.root / "hangs-w1").touch()

        def stop() -> None:
            until(lambda: any(played.log(n) and played.log(n)[0][0] == "w1" for n in range(2)))
            launcher = played.pids("w1")[-1]
            for pid in (launcher, *children(launcher)):
                os.kill(pid, signal.SIGSTOP)

        stopper = threading.Thread(target=stop)
        stopper.start()
        answers = played.step(transport, "hold")
        stopper.join()
        (played.root / "hangs-w1").unlink()
    assert all(answer.results for answer in answers.values()), answers
    [lost] = played.events
    assert (lost.worker, lost.reason, lost.by) == ("w1", "nothing came from it for 8 s", ("w2",))


@pytest.mark.slow
def test_without_a_worker_left_this_machine_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = play(tmp_path, monkeypatch, 1)
    with WorkersTransport(["w1"], {}) as transport:
        (played.root / "w1.sh").write_text("exit 3\n")
        answers = played.step(transport, "hold")
        assert all(answer.results for answer in answers.values()), answers
        [lost] = played.events
        assert (lost.by, lost.left) == (("this machine",), 0)
        assert [(who, turn) for who, _, turn, _ in played.log(0)] == [("", 1)]
        (played.root / "w1.sh").unlink()


@pytest.mark.slow
def test_a_node_that_a_worker_cannot_reach_is_asked_by_another_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = play(tmp_path, monkeypatch, 1)
    with workers() as transport:
        for worker in ("w1", ""):
            (played.root / f"192.0.2.1.gone-{worker}").touch()
        answers = played.step(transport, "hold")
        assert all(answer.results for answer in answers.values()), "w2 has a way there"
        (played.root / "192.0.2.1.gone-w2").touch()
        [answer] = played.step(transport, "hold").values()
        assert "No route to host" in str(answer.unreachable), "two ways are enough: it is gone"
    assert played.events == [], "no worker is at fault"


CONTROLLER = """
import sys
from pathlib import Path
from tests.support.played_workers import Played, workers
played = Played(Path(sys.argv[1]), 2)
with workers() as transport:
    played.step(transport, "hold")
"""


@pytest.mark.slow
def test_a_killed_controller_leaves_nothing_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = play(tmp_path, monkeypatch, 2)
    for worker in ("w1", "w2"):
        (played.root / f"hangs-{worker}").touch()
    controller = subprocess.Popen([sys.executable, "-c", CONTROLLER, str(played.root)])
    until(lambda: played.log(0) and played.log(1))
    launchers = [played.pids(worker)[-1] for worker in ("w1", "w2")]
    assert os.getsid(controller.pid) not in [os.getsid(pid) for pid in launchers], "Ctrl-C is not for them"
    folders = [Path(f"/proc/{children(pid)[0]}/environ").read_bytes().split(b"TMPDIR=")[1] for pid in launchers]
    marks = [b"TMPDIR=" + folder.split(b"\0")[0] for folder in folders]
    assert at_work(marks)
    controller.kill()
    controller.wait()
    until(lambda: not at_work(marks), 20)
    made = [Path(os.fsdecode(mark.removeprefix(b"TMPDIR="))) for mark in marks]
    until(lambda: not any(folder.exists() for folder in made), 20)


def at_work(marks: list[bytes]) -> list[Path]:
    found = []
    for process in Path("/proc").glob("[1-9]*"):
        with contextlib.suppress(OSError):
            said = (process / "environ").read_bytes()
            found += [process for mark in marks if mark in said]
    return found


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# -- before anything is asked of a node ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says", "code", "text"),
    [
        ("ansible-runner", "2.3.9", "IPP657", "worker 'w1' has ansible-runner 2.3.9; here it is 2."),
        ("ansible-playbook", "ansible-playbook [core 2.18.1]", "IPP657", "worker 'w1' has ansible-core 2.18.1; here"),
        ("ansible-playbook", "", "IPP657", "worker 'w1' has ansible-core ?; here"),
    ],
)
def test_another_version_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str, code: str, text: str
) -> None:
    play(tmp_path, monkeypatch)
    (tmp_path / "theirs").mkdir()
    for one, said in (
        ("ansible-runner", version("ansible-runner")),
        ("ansible-playbook", f"[core {version('ansible-core')}]"),
    ):
        program(tmp_path / "theirs" / one, f"#!/bin/sh\necho '{says if one == name else said}'\n")
    monkeypatch.setattr(worker_link, "PLACES", (str(tmp_path / "theirs"),))
    with pytest.raises(ProblemError) as caught, WorkersTransport(["w1"], {}):
        pass
    [problem] = caught.value.problems
    assert (problem.code, problem.message.startswith(text)) == (code, True), problem
    assert "pip install" in str(problem.hint)


def test_who_cannot_be_reached_is_refused_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = play(tmp_path, monkeypatch)
    (played.root / "w1.sh").write_text("echo 'Host key verification failed.' >&2; exit 255\n")
    (played.root / "w2.sh").write_text("echo 'MOTD'; echo nonsense\n")
    with pytest.raises(ProblemError) as caught, WorkersTransport(["w1", "w2"], {}):
        pass
    one, two = caught.value.problems
    assert (one.code, two.code) == ("IPP656", "IPP656")
    assert one.message.endswith("can't be used: Host key verification failed")
    assert "said nothing of use" in two.message


@pytest.mark.parametrize("text", ["w1", "w1,w2", "ops@w1.example, w2", "ssh://ops@w1:2222", "2001:db8::1", "ops@[::1]"])
def test_destinations(text: str) -> None:
    assert list(destinations(text.split(","))) == [name.strip() for name in text.split(",")]


@pytest.mark.parametrize(
    "text", ["", "w1,", "-oProxyCommand=x", "w1;id", "a b", "$(id)", "ops@-x", "w1,w1", "w\n1", "a'b", "`x`", "x" * 256]
)
def test_what_is_no_destination(text: str) -> None:
    with pytest.raises(ValueError, match=r"SSH destination|twice"):
        destinations(text.split(","))


def said(*argv: str) -> tuple[int, str]:
    @click.command()
    @WORKERS
    def command() -> None:
        click.echo(" ".join(workers_of_the_command()))

    done = CliRunner().invoke(command, argv)
    return done.exit_code, done.output


def test_the_option_and_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said("--workers", "w1, ops@w2") == (0, "w1 ops@w2\n")
    code, output = said("--workers", "-oProxyCommand=x")
    assert (code, "is no SSH destination" in output) == (2, True)
    monkeypatch.setenv("IPSECPLAN_WORKERS", "w3")
    assert said() == (0, "w3\n")
    assert said("--workers", "w1") == (0, "w1\n")
    assert isinstance(session.carrier((), {}), AnsibleTransport)
    assert isinstance(session.carrier(("w1",), {}), WorkersTransport)


# -- secrets ---------------------------------------------------------------------------------------------------------

# stands for sudo: looks about while it holds the password, then answers for the agent
SUDO = """#!{python} -I
import os, re, sys
from pathlib import Path
prompt = sys.argv[sys.argv.index("-p") + 1] if "-p" in sys.argv else sys.exit("sudo: a password is required")
os.write(2, prompt.encode())
line = b""
while not line.endswith(b"\\n"):
    line += os.read(0, 1) or sys.exit("no password came")
print(re.search("BECOME-SUCCESS-[a-z]+", sys.argv[-1])[0], flush=True)
sent = b""
while chunk := os.read(0, 65536):
    sent += chunk
import json, zlib
header, _, rest = sent.partition(b"\\n")
header = json.loads(header)
request = zlib.decompress(rest[header["code"] + header["about"]:][:header["request"]])
secrets, places = {secrets!r}, []
folders = [Path({tmp!r}), *Path("/dev/shm").glob("ipsecplan-worker-*"), *Path("/tmp").glob("ipsecplan-*")]
files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
own = [Path("/proc") / name / what for name in os.listdir("/proc") if name.isdigit() for what in ("cmdline", "environ")]
looked = 0
for path in files + own:
    try:
        data = path.read_bytes()
    except OSError:
        continue
    looked += 1
    places += [str(path) for secret in secrets if secret in data]
Path({seen!r}).write_text(json.dumps([line == secrets[1] + b"\\n", secrets[0] in request, looked, len(files), places]))
print("IPSECPLAN-RESULT " + {answer!r}, flush=True)
"""


@pytest.mark.slow
def test_secrets_are_in_no_file_argument_or_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request with a key, to a login with a password: sudo's stand-in looks about, while both are in use."""
    played = play(tmp_path, monkeypatch, 1, ansible_become=True, ansible_python_interpreter=sys.executable)
    ssh = (tmp_path / "bin" / "ssh").read_text()
    program(
        tmp_path / "bin" / "ssh",
        ssh.replace("stream = sys", 'os.execv("/bin/sh", ["sh", "-c", words[-1]])\nstream = sys'),
    )
    seen = tmp_path / "bin" / "seen"  # outside what is searched
    sudo = SUDO.format(
        python=sys.executable,
        tmp=str(tmp_path / "tmp"),
        secrets=[SECRET.encode(), PASSWORD.encode()],
        seen=str(seen),
        answer=json.dumps({"broken": "the stand-in has no agent"}),
    )
    program(tmp_path / "bin" / "sudo", sudo)
    kept = keep_what_is_removed(tmp_path, monkeypatch)
    with workers(["w1"], {next(iter(played.targets)): PASSWORD.encode()}) as transport:
        [answer] = played.step(transport, "load-psk", secrets=SECRET).values()
    assert answer.broken == "the stand-in has no agent", played.events
    password, key, looked, files, places = json.loads(seen.read_text())
    assert (password, key) == (True, True), "both came"
    assert (looked > 20, files > 10) == (True, True), "it was looked about"
    assert places == []
    assert [path for path in kept.rglob("*") if path.is_file() and leaks(path.read_bytes())] == []


def leaks(data: bytes) -> bool:
    return SECRET.encode() in data or PASSWORD.encode() in data


def keep_what_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr(module.shutil, "rmtree", lambda path, **_: Path(path).rename(kept / Path(path).name))
    return kept
