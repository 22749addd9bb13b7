"""A packet in a throwaway SA: what each outcome is called, what a preflight says, how the messages are laid out."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from netplan.agent.phases import kernel_trial, packet_trial
from netplan.agent.system import xfrm_netlink
from netplan.agent.system.xfrm_netlink import Refused
from tests.support import replies


class Pair:
    """Two namespaces that are played: mode -> what becomes of the packet."""

    def __init__(self, **became: Any) -> None:
        self.became, self.sent = became, list[tuple[str, int | None]]()

    def cpu(self) -> int:
        return 3

    def lost(self) -> str:
        return "XfrmOutStateModeError 1"

    def send(self, mode: str, _words: object, _number: int, cpu: int | None) -> bool:
        self.sent.append((mode, cpu))
        found = self.became["cpu" if cpu is not None else mode]
        if isinstance(found, Exception):
            raise found
        return bool(found)


def play(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> None:
    @contextlib.contextmanager
    def two(_six: bool) -> Iterator[Pair]:
        yield pair

    monkeypatch.setattr(packet_trial, "_two", two)


@pytest.mark.parametrize(
    ("became", "word", "said"),
    [
        ({"tunnel": True, "iptfs": True}, "works", ""),
        ({"tunnel": True, "iptfs": False}, "drops", "XfrmOutStateModeError 1"),
        ({"tunnel": True, "iptfs": Refused("Invalid argument")}, "refused", "Invalid argument"),
        ({"tunnel": False, "iptfs": True}, "untried", "not even a packet in a plain tunnel"),
        ({"tunnel": Refused("no ESP"), "iptfs": True}, "untried", "the kernel refuses a plain tunnel: no ESP"),
    ],
)
def test_each_outcome_has_its_word(monkeypatch: pytest.MonkeyPatch, became: Any, word: str, said: str) -> None:
    pair = Pair(**became)
    play(monkeypatch, pair)
    found = packet_trial.tried("iptfs")
    assert found[0] == word
    assert said in found[1]
    assert pair.sent[0] == ("tunnel", None), "a plain tunnel goes first"
    wrong = packet_trial.findings("iptfs", packet_trial.GCM, six=False, per_cpu=False)
    assert [f["code"] for f in wrong] == ([] if word == "works" else ["IPP648"])
    assert all(f["severity"] == "error" for f in wrong), "what could not be tried is no yes either"


def test_an_sa_for_one_processor_is_tried_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair(tunnel=True, iptfs=False, cpu=True)
    play(monkeypatch, pair)
    assert packet_trial.kernel() == {"iptfs": "drops", "per_cpu_sas": "works"}
    assert pair.sent[-1] == ("tunnel", 3)


def test_a_node_without_namespaces_has_tried_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_six: bool) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(packet_trial, "_two", fails)
    assert packet_trial.kernel() == {"iptfs": "untried", "per_cpu_sas": "untried"}
    (wrong,) = packet_trial.findings("iptfs", packet_trial.GCM, six=False, per_cpu=False)
    assert "could not be tried" in wrong["message"]


def test_preflight_sends_one_where_the_plan_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(packet_trial, "findings", lambda *words, **more: asked.append((words, more)) or [])
    peers = [{"id": "n-b", "pair": "pair-1", "name": "b"}]

    def packets(**esp: Any) -> int:
        asked.clear()
        node: Any = replies.node_json("n-a", peers, esp={"negotiated": ["AES_GCM_16-256"], **esp})
        assert kernel_trial._packets(node, [False]) == []
        return len(asked)

    assert packets(mode="TUNNEL") == packets(mode="TRANSPORT") == 0
    assert packets(mode="IPTFS") == 1
    assert asked[0][0][0] == "iptfs"
    assert packets(mode="TRANSPORT", per_cpu_sas=True) == 1
    assert asked[0][1] == {"six": False, "per_cpu": True}


class Link:
    """A netlink socket that is played: it keeps what was sent, and answers with an errno."""

    def __init__(self, number: int = 0, answer: bytes = b"") -> None:
        self.sent, self.number, self.answer = list[bytes](), number, answer

    def settimeout(self, _seconds: float) -> None:
        pass

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def recv(self, _most: int) -> bytes:
        if self.answer:
            return struct.pack("=IHHII", 16 + len(self.answer), 0x10, 0, 1, 0) + self.answer
        return struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -self.number) + bytes(16)


def test_messages_have_the_kernels_sizes() -> None:
    link: Any = Link()
    xfrm_netlink.add_state(link, "192.0.2.1", "192.0.2.2", 0x101, "iptfs", packet_trial.GCM, "out", cpu=2)
    xfrm_netlink.add_policy(link, "192.0.2.1", "192.0.2.2", 0x101, "iptfs", "out")
    state, policy = link.sent
    assert struct.unpack_from("=IHH", state) == (len(state), 0x10, 0x605)
    assert struct.unpack_from("=IHH", policy) == (len(policy), 0x13, 0x605)
    # 224 bytes of xfrm_usersa_info, then XFRMA_ALG_AEAD (68 + 4 and the key), XFRMA_SA_DIR, XFRMA_SA_PCPU
    assert struct.unpack_from("=HH", state, 16 + 224) == (4 + 72 + 20, 18)
    assert state[-16:] == struct.pack("=HHB3xHHI", 5, 33, 2, 8, 35, 2)
    assert state[16 + 224 - 8 - 2] == 5, "the mode"
    # 168 bytes of xfrm_userpolicy_info, then one template of 64
    assert struct.unpack_from("=HH", policy, 16 + 168) == (68, 5)
    assert len(policy) == 16 + 168 + 68
    assert struct.unpack_from("=IB", policy, 16 + 168 + 4 + 44) == (0x101, 5), "reqid and mode of the template"


def test_what_the_kernel_refuses_is_said_in_its_words() -> None:
    link: Any = Link(95)
    with pytest.raises(Refused, match=os.strerror(95)):
        xfrm_netlink.add_policy(link, "2001:db8::1", "2001:db8::2", 1, "tunnel", "in")


@pytest.mark.parametrize(
    ("rest", "cpu"), [(b"", None), (struct.pack("=HHB3xHHI", 5, 33, 2, 8, 35, 7), 7), (bytes(8), None)]
)
def test_the_processor_of_an_sa_is_read_back(rest: bytes, cpu: int | None) -> None:
    link: Any = Link(answer=bytes(224) + rest)
    assert xfrm_netlink.cpu_of(link, "192.0.2.2", 5) == cpu


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and ip")
def test_a_socket_of_another_namespace_leaves_this_process_where_it_is() -> None:
    here = Path("/proc/self/ns/net").stat().st_ino
    with packet_trial._two(False) as pair:
        with contextlib.closing(xfrm_netlink.inside(pair.far, socket.AF_INET, socket.SOCK_DGRAM)) as there:
            there.bind((pair.ends[1], 0))  # an address that only that namespace has
        assert Path("/proc/self/ns/net").stat().st_ino == here
        names = SimpleNamespace(near=pair.near, far=pair.far)
    assert not Path("/run/netns", names.near).exists()
    assert not Path("/run/netns", names.far).exists()
