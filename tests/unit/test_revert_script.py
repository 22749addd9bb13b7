"""What revert.sh decides when a timer fires, with commands that are played: keeping is the exception."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.revert_script import COUNTS, TX, Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def kept(node: Node) -> bool:
    return node.state["last"]["result"] == "confirmed" and not (node.root / "open").exists()


def test_a_witness_that_answers_is_believed(node: Node) -> None:
    node.prepare()
    said = node.run("timer", TX)
    assert kept(node)
    assert (node.state["state"], node.state["release"]) == ("confirmed", "f" * 64)
    assert node.state["cluster"] == 'a "b" $(id) & \\1', "a name is data, whatever is in it"
    assert "@AT@" not in (node.root / "state.json").read_text()
    assert "ip route replace 198.18.7.9 via 10.244.1.0 dev ov0 onlink" in said
    assert "ip route delete 198.18.7.9" in said
    assert said.splitlines()[-1] == "ip addr add 198.18.7.9/32 dev lo valid_lft 7200 preferred_lft 0", (
        "it answers who asks it now"
    )
    assert "xfrm" not in said
    assert "swanctl" not in said


def test_a_timer_that_another_one_has_replaced_does_nothing(node: Node) -> None:
    (node.root.parent / "run" / "timer").write_text("ipsecplan-revert-2\n")
    assert node.run("timer", TX, "ipsecplan-revert-1") == ""
    assert (node.root / "open").exists(), "armed anew after it had fired"
    assert "xfrm" in node.run("timer", TX, "ipsecplan-revert-2")
    assert not (node.root / "open").exists()


@pytest.mark.parametrize("words", [(), ("ipsecplan-revert-1",)])
def test_a_timer_goes_on_where_nothing_says_that_it_was_replaced(node: Node, words: tuple[str, ...]) -> None:
    if not words:  # armed by an agent of before, which did not say its unit
        (node.root.parent / "run" / "timer").write_text("ipsecplan-revert-2\n")
    assert "xfrm" in node.run("timer", TX, *words)
    assert not (node.root / "open").exists()


def test_silence_reverts(node: Node) -> None:
    node.prepare()
    node.play("ping", code=1)
    said = node.run("timer", TX)
    assert not kept(node)
    assert node.state["last"] == {"tx": TX, "result": "reverted", "by": "timer", "at": node.state["last"]["at"]}
    assert said.count("ping") == 3
    assert "ip route delete 198.18.7.9" in said
    assert "ip addr del 198.18.7.9/32 dev lo" in said, "who has rolled back answers nobody"


@pytest.mark.parametrize("how", ["not prepared", "coordinator", "guard counts", "no guard", "no route"])
def test_who_may_not_ask_reverts(node: Node, how: str) -> None:
    if how != "not prepared":
        node.prepare(witness=how != "coordinator")
    if how == "guard counts":
        node.play("nft", answer=COUNTS)
    if how == "no guard":
        node.play("nft", code=1)
    if how == "no route":
        node.play("ip", code=1)
    said = node.run("timer", TX)
    assert node.state["last"]["result"] == "reverted"
    assert "ping" not in said


@pytest.mark.parametrize("words", [("boot",), ("operator",)])
def test_only_a_timer_asks(node: Node, words: tuple[str, ...]) -> None:
    node.prepare()
    assert "ping" not in node.run(*words)
    assert node.state["last"]["result"] == "reverted"


def test_a_timer_of_another_or_of_no_transaction_does_nothing(node: Node) -> None:
    node.prepare()
    assert node.run("timer", "tx-other") == ""
    (node.root / "open").unlink()
    assert node.run("timer", TX) == ""
    assert not (node.root / "state.json").exists()


def test_over_a_confirmed_release_silence_goes_back_to_it(node: Node) -> None:
    node.prepare()
    node.put(folder=node.tx, before=f"confirmed tx-1 {'a' * 64}")
    node.play("ping", code=1)
    node.run("timer", TX)
    assert (node.state["state"], node.state["tx"], node.state["release"]) == ("confirmed", "tx-1", "a" * 64)


@pytest.mark.parametrize(
    ("port", "peers", "sent"),
    [
        ("4789", "192.0.2.1 192.0.2.2\n192.0.2.1 192.0.2.3", ["src 0.0.0.0/0 dst 0.0.0.0/0 proto udp dport 4789"]),
        (
            "any",
            "192.0.2.1 192.0.2.2\n192.0.2.1 192.0.2.3",
            ["src 0.0.0.0/0 dst 192.0.2.2/32", "src 0.0.0.0/0 dst 192.0.2.3/32"],
        ),
        ("any", "2001:db8::1 2001:db8::2", ["src ::/0 dst 2001:db8::2/128"]),
    ],
)
def test_packets_leave_in_clear_before_sas_end(node: Node, port: str, peers: str, sent: list[str]) -> None:
    node.put(folder=node.tx, port=port, peers=peers)
    said = node.run("plain")
    assert said.splitlines() == [f"ip xfrm policy add dir out {words} action allow priority 1" for words in sent]
    assert node.root.joinpath("open").exists(), "nothing has ended yet"
    said = node.run("operator")
    for words in sent:
        assert f"ip xfrm policy delete dir out {words}\n" in said


def test_what_goes_back_to_an_encrypting_release_never_sends_in_clear(node: Node) -> None:
    node.put(folder=node.tx, before="confirmed tx-20260102030405-0000 " + "e" * 64)
    assert "action allow" not in node.run("plain")


def test_a_confirmed_release_that_replaced_another_is_turned_off_in_clear(node: Node) -> None:
    node.put(folder=node.tx, before="confirmed tx-20260102030405-0000 " + "e" * 64)
    (node.root / "open").unlink()
    node.put(**{"state.json": '{"state": "confirmed"}'})
    assert "proto udp dport 4789 action allow priority 1" in node.run("plain")


@pytest.mark.parametrize("answers", [True, False])
def test_a_charon_that_was_killed_leaves_its_socket_and_is_not_asked(node: Node, answers: bool) -> None:
    folder = node.root.parent
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "vici"))
    node.play("swanctl", code=0 if answers else 2)
    node.lay("etc/ipsecplan/start-none.conf", "etc/swanctl/conf.d/ipsecplan-start.conf")
    done = subprocess.run(["/bin/sh", str(node.script), "relax"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert ("swanctl --load-conns" in node.said.read_text()) is answers
    start = folder / "etc/swanctl/conf.d/ipsecplan-start.conf"
    assert start.read_text() == "etc/ipsecplan/start-none.conf", "a charon that comes back must trap nothing"


def test_a_full_disk_does_not_keep_a_node_from_confirming(node: Node) -> None:
    node.prepare()
    node.put(reserve="room")
    (node.bin / "sync").write_text(f"#!/bin/sh\n[ ! -e {node.root}/reserve ]\n")
    (node.bin / "sync").chmod(0o755)
    node.run("timer", TX)
    assert kept(node)


def test_a_full_disk_gives_what_was_held(node: Node) -> None:
    folder = node.root.parent
    node.lay("etc/ipsecplan/start-none.conf", "etc/ipsecplan/reserve", "etc/swanctl/conf.d/ipsecplan-start.conf")
    (node.bin / "cp").write_text(f'#!/bin/sh\n[ -e {folder}/etc/ipsecplan/reserve ] && exit 1\nexec /bin/cp "$@"\n')
    (node.bin / "cp").chmod(0o755)
    node.run("relax")
    start = folder / "etc/swanctl/conf.d/ipsecplan-start.conf"
    assert start.read_text() == "etc/ipsecplan/start-none.conf", "a charon that starts now must trap nothing"


@pytest.mark.parametrize(
    ("policies", "says", "code"),
    [
        ("", 0, 0),
        ("other-a, TUNNEL\n  local:  192.0.2.1/32\n", 0, 0),
        ("pair-0123456789ab-out, TRANSPORT\n", 0, 1),
        ("ipsecplan-any-in, TRANSPORT\n", 0, 1),
        ("", 1, 1),
    ],
)
def test_a_connection_that_charon_refuses_is_a_failure_where_it_traps(
    node: Node, policies: str, says: int, code: int
) -> None:
    """As when the agent was killed before it had brought the certificate which the connections name."""
    folder = node.root.parent
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "vici"))
    answers = f"""case "$*" in
        *--load-conns*) exit 1 ;;
        *--list-pols*) printf '{policies}'; exit {says} ;;
        esac"""
    (node.bin / "swanctl").write_text(f"#!/bin/sh\n{answers}\n")
    node.lay("etc/ipsecplan/start-none.conf", "etc/swanctl/conf.d/ipsecplan-start.conf")
    done = subprocess.run(["/bin/sh", str(node.script), "relax"], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout


@pytest.mark.parametrize("left", ["", "src 192.0.2.1 dst 192.0.2.2\n\tproto esp spi 0xc1 reqid 1 mode transport\n"])
def test_sas_that_the_running_charon_does_not_know_are_swept(node: Node, left: str) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(node.root.parent / "vici"))
    node.play("ip", answer=left)
    said = node.run("operator")
    assert ("ip xfrm state deleteall src 192.0.2.1 dst 192.0.2.2 proto esp" in said) is bool(left)


@pytest.mark.parametrize("both", ["action allow priority 1 tmpl A\naction allow priority 1 tmpl B", ""])
def test_every_network_accepts_both_and_closes_again(node: Node, both: str) -> None:
    wide = ["src 0.0.0.0/0 dst 192.0.2.1/32", "src ::/0 dst fd00::1/128"]
    node.put(folder=node.tx, policy="\n".join(wide), both=both)
    if not both:
        (node.tx / "both").unlink()  # of a version that did not write it
    lines = node.run("operator").splitlines()
    accepts = both.splitlines() or ["action allow priority 1"] * 2
    for selector, words in zip(wide, accepts, strict=True):
        assert lines.count(f"ip xfrm policy add dir in {selector} {words}") == 1
        assert lines.count(f"ip xfrm policy delete dir in {selector}") == 1
