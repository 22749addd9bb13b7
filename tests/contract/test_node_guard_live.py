"""The node's shell and raw sockets on this machine's own kernel: guard.sh keeps a table, a talk hears what passes.

Needs root, nftables and iproute2; everything happens in network namespaces that the test makes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from netplan.agent.phases import reachability
from netplan.agent.system import core, xfrm
from netplan.host import guard
from netplan.verify.reach import judge
from tests.support.namespaces import NEEDS, ROOT, inside

pytestmark = NEEDS


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """guard.sh with its two folders here."""
    text = guard.script("guard.sh")
    for name in ("etc", "run"):
        (tmp_path / name).mkdir()
    text = text.replace("ETC=/etc/ipsecplan", f"ETC={tmp_path}/etc").replace(
        "RUN=/run/ipsecplan", f"RUN={tmp_path}/run"
    )
    path = tmp_path / "guard.sh"
    path.write_text(text)
    (tmp_path / "etc" / "guard.nft").write_text(guard.ruleset(4789, drop=True))
    (tmp_path / "etc" / "floor").write_text(guard.floor("vxlan", 4789, family="ipv4").replace("@", "10.9.0.2"))
    (tmp_path / "etc" / "peers").write_text("10.9.0.1 10.9.0.2 pair-1\n")
    return path


def has_guard(name: str) -> bool:
    return "drop" in inside(name, "nft", "list", "table", "inet", "ipsecplan").stdout


def opened(name: str) -> bool:
    """Tell whether a chain of the guard begins with a rule that takes everything."""
    listed = inside(name, "nft", "list", "table", "inet", "ipsecplan").stdout
    return "\t\taccept\n" in listed


def with_nft(script: Path, monitor: str) -> None:
    """Give the script an nft whose ``monitor`` is these lines of shell; all else is the real one's."""
    folder = script.parent / "bin"
    folder.mkdir()
    (folder / "nft").write_text(f'#!/bin/sh\ncase $1 in monitor) {monitor} ;; *) exec /usr/sbin/nft "$@" ;; esac\n')
    (folder / "nft").chmod(0o755)
    text = script.read_text().replace("PATH=/usr/sbin", f"PATH={folder}:/usr/sbin")
    assert str(folder) in text
    script.write_text(text)


def changed(script: Path, old: str, new: str) -> None:
    """Put other words in place of the first ones like that, which there are."""
    text = script.read_text()
    assert old in text
    script.write_text(text.replace(old, new, 1))


def soon(check: Callable[[], bool], seconds: float) -> float:
    begin = time.monotonic()
    while not check():
        assert time.monotonic() - begin < seconds, "not in time"
        time.sleep(0.02)
    return time.monotonic() - begin


def test_the_guard_comes_back_within_a_second(pair: tuple[str, str], script: Path) -> None:
    node = pair[0]
    watchdog = subprocess.Popen(["ip", "netns", "exec", node, "sh", str(script), "watch"], start_new_session=True)
    try:
        soon(lambda: has_guard(node), 5)
        for words in (
            ("flush", "ruleset"),
            ("delete", "table", "inet", "ipsecplan"),
            ("flush", "table", "inet", "ipsecplan"),
            ("insert", "rule", "inet", "ipsecplan", "output", "accept"),
        ):
            assert inside(node, "nft", *words).returncode == 0
            assert soon(lambda: has_guard(node) and not opened(node), 5) < 1.5, words
    finally:
        os.killpg(watchdog.pid, 9)
        watchdog.wait()


def test_a_removed_table_is_heard_by_an_nft_that_reports_it(pair: tuple[str, str], script: Path) -> None:
    heard = inside(pair[0], "sh", "-s", "hears", input=script.read_text())
    assert (heard.returncode, heard.stdout) == (0, ""), heard
    assert list((script.parent / "run").iterdir()) == []


@pytest.mark.parametrize(
    ("monitor", "words"),
    [
        ("echo 'Error: syntax error, unexpected monitor' >&2; exit 1", "syntax error"),
        ("exec sleep 60", ""),  # listens and reports nothing
    ],
)
def test_an_nft_that_reports_nothing_is_no_use_and_says_why(
    pair: tuple[str, str], script: Path, monitor: str, words: str
) -> None:
    with_nft(script, monitor)
    changed(script, 'sleep "${tries}"', "sleep 0")
    heard = inside(pair[0], "sh", "-s", "hears", input=script.read_text())
    assert heard.returncode == 1
    assert words in heard.stdout


def test_a_watchdog_that_hears_nothing_looks_ever_less_often_and_says_so(
    pair: tuple[str, str], script: Path, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    with_nft(script, f"echo . >>{starts}; echo 'Error: syntax error, unexpected destroy' >&2; exit 1")
    changed(script, "for seconds in 1 4", "for seconds in 0.1")
    said = tmp_path / "said"
    with said.open("w") as out:
        watchdog = subprocess.Popen(
            ["ip", "netns", "exec", pair[0], "sh", str(script), "watch"],
            start_new_session=True,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        soon(lambda: has_guard(pair[0]), 5)
        soon(lambda: said.read_text().count("nft monitor ended") >= 3, 30)  # with pauses of 1 and 2 s between them
        assert len(starts.read_text().split()) == 3
        assert "syntax error, unexpected destroy" in said.read_text()
        assert (tmp_path / "run" / "deaf").exists()
        assert (tmp_path / "run" / "watching").read_text() == script.read_text()
    finally:
        os.killpg(watchdog.pid, 9)
        watchdog.wait()


def test_a_change_of_many_lines_is_looked_at_once(pair: tuple[str, str], script: Path, tmp_path: Path) -> None:
    """Reading the table costs more than hearing of it."""
    changed(script, "\nkeep() {", f"\nkeep() {{\n\techo . >>{tmp_path}/looks")
    changed(script, "for seconds in 1 4", "for seconds in 1")
    watchdog = subprocess.Popen(["ip", "netns", "exec", pair[0], "sh", str(script), "watch"], start_new_session=True)
    try:
        soon(lambda: has_guard(pair[0]), 8)
        soon(lambda: (tmp_path / "looks").read_text().count(".") == 2, 8)  # the first look, and after our own reload
        rules = "".join(f"add rule inet other out ip daddr 192.0.2.{number % 250} drop\n" for number in range(500))
        table = "add table inet other\nadd chain inet other out\n"
        assert inside(pair[0], "nft", "-f", "-", input=table + rules).returncode == 0
        time.sleep(0.5)
        assert (tmp_path / "looks").read_text().count(".") == 2, "not our table"
        inside(pair[0], "nft", "flush", "ruleset")  # of some ten chains and rules of ours
        soon(lambda: has_guard(pair[0]), 8)
        soon(lambda: (tmp_path / "looks").read_text().count(".") == 4, 8)
        time.sleep(0.5)
        assert (tmp_path / "looks").read_text().count(".") == 4
    finally:
        os.killpg(watchdog.pid, 9)
        watchdog.wait()


def test_a_watchdog_that_is_at_it_does_not_close_what_revert_opens(pair: tuple[str, str], script: Path) -> None:
    node = pair[0]
    changed(script, '\tnft -f "${ETC}', '\tsleep 0.7\n\tnft -f "${ETC}')
    watchdog = subprocess.Popen(["ip", "netns", "exec", node, "sh", str(script), "watch"], start_new_session=True)
    try:
        soon(lambda: has_guard(node), 8)
        inside(node, "nft", "flush", "ruleset")
        time.sleep(0.3)
        relax = guard.script("revert.sh").split("\naccept_both() {")[1].splitlines()[2:4]
        assert ["relaxed" in relax[0], "flock" in relax[1]] == [True, True], relax
        words = "\n".join(relax).replace("${RUN}", str(script.parent / "run"))
        assert inside(node, "sh", "-c", words).returncode == 0
        inside(node, "nft", "flush", "ruleset")
        time.sleep(1)
        assert not has_guard(node)
    finally:
        os.killpg(watchdog.pid, 9)
        watchdog.wait()


def sent(node: str, destination: str) -> bool:
    code = f"import socket; socket.socket(2, 2).sendto(b'x', ({destination!r}, 4789))"
    return inside(node, sys.executable, "-c", code).returncode == 0


def test_the_floor_alone_blocks_the_overlay_and_nothing_else(pair: tuple[str, str], script: Path) -> None:
    node = pair[0]
    assert inside(node, "sh", str(script), "load").returncode == 0
    assert inside(node, "sh", str(script), "load").returncode == 0, "twice is as once"
    assert inside(node, "ip", "xfrm", "policy").stdout.count("block priority 4000050") == 1
    inside(node, "nft", "flush", "ruleset")
    assert not sent(node, "10.9.0.2"), "a clear overlay packet to a peer"
    assert sent(node, "10.9.0.1"), "not to a peer"
    assert inside(node, "ping", "-c", "1", "-W", "2", "10.9.0.2").returncode == 0
    # what revert.sh does, with charon's own policy of the same packets untouched
    own = ["src", "10.9.0.1/32", "dst", "10.9.0.2/32", "proto", "udp", "dport", "4789"]
    inside(node, "ip", "xfrm", "policy", "add", "dir", "out", *own, "action", "block", "priority", "366911")
    words = next(line for line in guard.script("revert.sh").splitlines() if "deleteall dir out" in line)
    inside(node, *words.split(" 2>")[0].split())
    left = inside(node, "ip", "xfrm", "policy").stdout
    assert ("4000050" in left, "366911" in left) == (False, True)


def test_a_guard_loaded_again_counts_each_packet_once(
    pair: tuple[str, str], script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules loaded on top of themselves would count it twice."""
    node = pair[0]

    def run(*words: str, **_: object) -> core.Done:
        done = inside(node, *words)
        return core.Done(done.returncode, done.stdout, done.stderr)

    monkeypatch.setattr(xfrm, "run", run)
    file = str(script.parent / "etc/guard.nft")
    for loads in (1, 2, 3):
        assert inside(node, "nft", "-f", file).returncode == 0
        assert xfrm.guard() == {"mode": "drop", "clear": {"clear_out": 0, "clear_in": 0}}, loads
        assert not sent(node, "10.9.0.2")
        assert xfrm.guard() == {"mode": "drop", "clear": {"clear_out": 1, "clear_in": 0}}, loads


def test_a_guard_that_counts_has_no_floor(pair: tuple[str, str], script: Path) -> None:
    (script.parent / "etc" / "guard.nft").write_text(guard.ruleset(4789, drop=False))
    assert inside(pair[0], "sh", str(script), "load").returncode == 0
    assert inside(pair[0], "ip", "xfrm", "policy").stdout == ""


# both begin when both have been started: on a busy machine one may take seconds longer than the other to get there
TALK = """
import json, pathlib, time
from netplan.agent.phases import reachability
from netplan.agent.system import core
core.write.__defaults__ = (0o600, {uid}, {gid})
reachability.LIFE_S, reachability.LINGER_S, reachability.QUIET_S = {life}, 0.3, 1.0
pathlib.Path({result!r} + ".ready").touch()
while len(list(pathlib.Path({result!r}).parent.glob("*.ready"))) < 2:
    time.sleep(0.01)
talk = reachability.Talk(json.loads({node!r}), "tx-1", {result!r}, {result!r} + ".packets")
open(talk.counted, "w").close()
talk.go()
open(talk.counted, "w").write(json.dumps([sum(talk.sent.values()), talk.all_came()]))
"""


def facts(number: int, family: str, encap: bool = False) -> dict[str, object]:
    address = "10.9.0.{}" if family == "ipv4" else "fd09::{}"
    peer = {
        "id": f"n{3 - number}",
        "name": f"n{3 - number}",
        "address": address.format(3 - number),
        "link_mtu": 1500,
        "encap": encap,
    }
    own = {"address": address.format(number), "mtu": 1500}
    return {"id": f"n{number}", "name": f"n{number}", "underlay": own, "peers": [peer]}


def talk(pair: tuple[str, str], tmp_path: Path, family: str, encap: bool = False, life_s: float = 2.5) -> list[str]:
    """Let both ends talk for real, for ``life_s`` where something isn't heard; return what is said about it."""
    nodes = [facts(n, family, encap) for n in (1, 2)]
    running = []
    for name, node in zip(pair, nodes, strict=True):
        code = textwrap.dedent(TALK).format(
            node=json.dumps(node),
            result=f"{tmp_path}/{node['id']}",
            uid=os.getuid(),
            gid=os.getgid(),
            life=life_s,
        )
        running.append(subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", code], cwd=ROOT))
    try:
        assert [process.wait(60) for process in running] == [0, 0]
    finally:
        for process in running:
            process.kill()  # nothing happens to one that has ended
            process.wait()
    heard = {str(node["id"]): json.loads((tmp_path / str(node["id"])).read_text())["rows"] for node in nodes}
    return [f"{p.severity}: {p.message}" for p in judge(nodes, heard)]


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_path_that_lets_all_through(pair: tuple[str, str], tmp_path: Path, family: str) -> None:
    """Nobody goes on when all was heard: the 10 minutes that they would have are more than `talk` waits for."""
    assert talk(pair, tmp_path, family, life_s=600) == []
    (sent_1, came_1), (sent_2, came_2) = (json.loads((tmp_path / f"n{n}.packets").read_text()) for n in (1, 2))
    assert (came_1, came_2) == (sent_2, sent_1), "each has counted what the other sent, to its last packet"
    assert sent_1 >= len(reachability.KINDS)


@pytest.mark.parametrize(
    ("rule", "encap", "said"),
    [
        ("meta l4proto esp drop", False, "error: n1 -> n2: protocol 50 does not pass, UDP 4500 does"),
        ("meta l4proto esp drop", True, None),
        ("udp dport 4500 drop", True, "error: n1 -> n2: UDP 4500 does not pass"),
        ("udp dport 4500 drop", False, "warning: n1 -> n2: UDP 4500 does not pass: IKE could not move there"),
        ("meta l4proto { esp, udp } drop", False, "error: n1 -> n2: neither protocol 50 nor UDP 4500 passes"),
        ("meta length > 1400 drop", False, "error: n1 -> n2: protocol 50 passes, but no DF packet of 1500 bytes"),
    ],
)
def test_a_filter_is_found_and_named(
    pair: tuple[str, str], tmp_path: Path, rule: str, encap: bool, said: str | None
) -> None:
    filtering = (
        f"add table inet f\nadd chain inet f i {{ type filter hook input priority 0; }}\nadd rule inet f i {rule}\n"
    )
    assert inside(pair[1], "nft", "-f", "-", input=filtering).returncode == 0
    found = talk(pair, tmp_path, "ipv6" if encap else "ipv4", encap)
    assert len(found) == (1 if said else 0), found
    assert not said or found[0].startswith(said)
