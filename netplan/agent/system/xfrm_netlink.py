"""SAs and policies by netlink, for kinds of SA that ``ip xfrm`` of today has no word for (IP-TFS, RFC 9347).

Messages are those of the kernel's ``include/uapi/linux/xfrm.h``; numbers in them are in the machine's byte order but
for addresses, ports and SPIs. Sockets work in the network namespace that they were made in, whoever uses them.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Sequence

from .core import Stop, finding

PROTOCOL = 6  # NETLINK_XFRM
MODES = {"transport": 0, "tunnel": 1, "iptfs": 5}
NEW_SA, GET_SA, NEW_POLICY = 0x10, 0x12, 0x13
_ENC, _TEMPLATE, _AEAD, _AUTH_TRUNC, _DIRECTION, _CPU = 2, 5, 18, 20, 33, 35
_REQUEST, _ACK, _CREATE, _EXCLUSIVE = 0x1, 0x4, 0x400, 0x200
_ERROR = 2
_ESP, _UDP = 50, 17
_DIRECTIONS = {"in": (1, 0), "out": (2, 1)}  # XFRM_SA_DIR_*, XFRM_POLICY_*
_NO_LIMIT = struct.pack("=8Q", *([2**64 - 1] * 4), *([0] * 4))
_CLONE_NEWNET = 0x40000000
_ANSWER_S = 10


class Refused(Exception):
    """The kernel says no; the message is its errno in words."""


def inside(namespace: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """Return a socket of a named network namespace. Raises OSError, or Stop where a thread can't enter one.

    Only a thread of its own enters, so this process stays where it is. Python has ``os.setns`` since 3.12.
    """
    made: list[socket.socket] = []
    wrong: list[BaseException] = []

    def enter() -> None:
        try:
            handle = os.open("/run/netns/" + namespace, os.O_RDONLY)
            try:
                _setns(handle)
                made.append(socket.socket(family, kind, protocol))
            finally:
                os.close(handle)
        except BaseException as error:  # noqa: BLE001  raised again in the thread that asked
            wrong.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if wrong:
        raise wrong[0]
    return made[0]


def _setns(handle: int) -> None:
    if hasattr(os, "setns"):
        os.setns(handle, _CLONE_NEWNET)
        return
    try:
        import ctypes
    except ImportError:
        raise Stop(finding("IPP636", "Python here is without ctypes")) from None
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(handle, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def ask(link: socket.socket, kind: int, flags: int, body: bytes) -> bytes:
    """Send one message, return the body of the answer (nothing for an acknowledgement). Raises Refused."""
    link.settimeout(_ANSWER_S)
    link.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
    said = link.recv(1 << 16)
    (_, answer), payload = struct.unpack_from("=IH", said), said[16:]
    if answer != _ERROR:
        return payload
    number = -struct.unpack_from("=i", payload)[0]
    if number:
        raise Refused(os.strerror(number))
    return b""


def _attribute(kind: int, body: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(body), kind) + body + b"\0" * (-len(body) % 4)


def _address(text: str) -> bytes:
    six = ":" in text
    return socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, text).ljust(16, b"\0")


def _family(text: str) -> int:
    return socket.AF_INET6 if ":" in text else socket.AF_INET


def _selector(source: str, destination: str, port: int) -> bytes:
    width = 128 if ":" in source else 32
    ports = struct.pack(">HHHH", port, 0xFFFF if port else 0, 0, 0)
    rest = struct.pack("=HBBB3xiI", _family(source), width, width, _UDP, 0, 0)
    return _address(destination) + _address(source) + ports + rest


def _id(destination: str, spi: int) -> bytes:
    return _address(destination) + struct.pack(">IB3x", spi, _ESP)


def _named(name: str, *numbers: int) -> bytes:
    return name.encode().ljust(64, b"\0") + struct.pack(f"={len(numbers)}I", *numbers)


def _algorithms(words: Sequence[str]) -> bytes:
    """Return the attributes of an algorithm that is in the words of ``ip xfrm state`` (see ``kernel_trial.words``)."""
    key = bytes.fromhex(words[2][2:])
    if words[0] == "aead":
        return _attribute(_AEAD, _named(words[1], 8 * len(key), int(words[3])) + key)
    auth = bytes.fromhex(words[5][2:])
    return _attribute(_ENC, _named(words[1], 8 * len(key)) + key) + _attribute(
        _AUTH_TRUNC, _named(words[4], 8 * len(auth), int(words[6])) + auth
    )


def add_state(
    link: socket.socket,
    source: str,
    destination: str,
    number: int,
    mode: str,
    words: Sequence[str],
    direction: str,
    cpu: int | None = None,
) -> None:
    """Install an ESP SA for UDP from one address to another. Raises Refused.

    ``number`` is its SPI and its reqid, ``cpu`` the processor that it is for.
    """
    info = (
        _selector(source, destination, 0)
        + _id(destination, number)
        + _address(source)
        + _NO_LIMIT
        + bytes(32)
        + struct.pack("=III", 0, 0, 0)
        + struct.pack("=IIHBBB7x", 0, number, _family(source), MODES[mode], 0, 0)
    )
    more = _algorithms(words) + _attribute(_DIRECTION, bytes([_DIRECTIONS[direction][0]]))
    if cpu is not None:
        more += _attribute(_CPU, struct.pack("=I", cpu))
    ask(link, NEW_SA, _REQUEST | _ACK | _CREATE | _EXCLUSIVE, info + more)


def add_policy(link: socket.socket, source: str, destination: str, number: int, mode: str, direction: str) -> None:
    """Install the policy that UDP to the port ``number`` goes through the SA of that reqid. Raises Refused."""
    template = (
        _id(destination, 0)
        + struct.pack("=H2x", _family(source))
        + _address(source)
        + struct.pack("=IBBBxIII", number, MODES[mode], 0, 0, *([2**32 - 1] * 3))
    )
    info = (
        _selector(source, destination, number)
        + _NO_LIMIT
        + bytes(32)
        + struct.pack("=IIBBBB4x", 0, 0, _DIRECTIONS[direction][1], 0, 0, 0)
    )
    ask(link, NEW_POLICY, _REQUEST | _ACK | _CREATE | _EXCLUSIVE, info + _attribute(_TEMPLATE, template))


def cpu_of(link: socket.socket, destination: str, spi: int) -> int | None:
    """Return the processor that an SA is for, None where the kernel kept none (before 6.13 it drops the attribute)."""
    body = _address(destination) + struct.pack(">I", spi) + struct.pack("=HBx", _family(destination), _ESP)
    said = ask(link, GET_SA, _REQUEST, body)
    at = 224
    while at + 4 <= len(said):
        size, kind = struct.unpack_from("=HH", said, at)
        if kind == _CPU:
            return int(struct.unpack_from("=I", said, at + 4)[0])
        at += max(4, size + -size % 4)
    return None
