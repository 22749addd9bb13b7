"""A charon that hangs, ends or talks nonsense on its control socket stops the phase that asks it, and says so."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netplan.agent.system import vici
from netplan.agent.system.core import Stop

Act = Callable[[socket.socket], None]
Serve = Callable[..., None]
CONFIRM, RESPONSE, UNKNOWN, EVENT = b"\x05", b"\x01", b"\x02", b"\x07\x09list-conn"
CONN = b"\x01\x06pair-1\x03\x07version\x00\x02v2\x02"


def packet(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def asked(link: socket.socket) -> bytes:
    (size,) = struct.unpack(">I", link.recv(4, socket.MSG_WAITALL))
    return link.recv(size, socket.MSG_WAITALL)


@pytest.fixture
def charon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Return a function that takes what charon does on each of the next connections."""
    path = str(tmp_path / "charon.vici")
    monkeypatch.setattr(vici, "SOCKETS", (path,))
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    links: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(*acts: Act) -> None:
        def run() -> None:
            for act in acts:
                link, _ = listening.accept()
                links.append(link)
                act(link)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()

    yield serve
    for thread in threads:
        thread.join(20)
    for link in [*links, listening]:
        link.close()


def said(timeout: float = 0.2) -> list[str]:
    """What is said of a list of connections, then of a command."""
    words = []
    for act in (lambda link: link.stream("list-conns", "list-conn"), lambda link: link.call("version")):
        with vici.Vici(timeout) as link:
            try:
                act(link)
            except Stop as stop:
                (found,) = stop.findings
                assert found["code"] == "IPP611"
                words.append(found["message"])
    return words


def test_a_charon_that_hangs_is_named_after_a_while(charon: Serve) -> None:
    charon(lambda _: None, lambda _: None)
    assert said() == ["charon gave no answer to list-conns in 0.2 s", "charon gave no answer to version in 0.2 s"]


def test_a_charon_that_hangs_in_a_list_is_named(charon: Serve) -> None:
    def act(link: socket.socket) -> None:
        asked(link)
        link.sendall(packet(CONFIRM))
        asked(link)
        link.sendall(packet(EVENT + CONN))

    charon(act)
    with vici.Vici(0.2) as link, pytest.raises(Stop, match=r"charon gave no answer to list-conns in 0\.2 s"):
        link.stream("list-conns", "list-conn")


def test_a_charon_that_ends_is_named(charon: Serve) -> None:
    def act(link: socket.socket) -> None:
        link.shutdown(socket.SHUT_RDWR)

    charon(act, act)
    words = said(5)
    assert len(words) == 2
    assert all(text.startswith("charon closed its control socket") for text in words)


@pytest.mark.parametrize(
    "answer", [b"", b"\x01\x09", b"\x01\x03", b"\x01\x02\x03\x01a\x00\x01b", b"\x01\x03\x01a\x00", b"\x05\x09"]
)
def test_an_answer_that_can_not_be_read_is_named(charon: Serve, answer: bytes) -> None:
    def listing(link: socket.socket) -> None:
        asked(link)
        link.sendall(packet(CONFIRM))
        asked(link)
        link.sendall(packet(answer))

    def one(link: socket.socket) -> None:
        asked(link)
        link.sendall(packet(answer))

    charon(listing, one)
    words = said(5)
    assert len(words) == 2
    assert all("can't be read" in text or "does not know the command" in text for text in words), words


def test_what_charon_lists_is_returned(charon: Serve) -> None:
    def act(link: socket.socket) -> None:
        assert asked(link) == b"\x03\x09list-conn"
        link.sendall(packet(CONFIRM))
        assert asked(link) == b"\x00\x0alist-conns"
        link.sendall(packet(EVENT + CONN) + packet(RESPONSE))

    charon(act)
    assert vici.connections() == {"pair-1": {"version": "v2"}}


@pytest.mark.parametrize("answers", [(UNKNOWN,), (CONFIRM, UNKNOWN)])
def test_an_unknown_word_is_named(charon: Serve, answers: tuple[bytes, ...]) -> None:
    def act(link: socket.socket) -> None:
        for answer in answers:
            asked(link)
            link.sendall(packet(answer))

    charon(act)
    with vici.Vici(5) as link, pytest.raises(Stop, match="does not know"):
        link.stream("list-conns", "list-conn")
