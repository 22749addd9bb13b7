"""Sets up a WireGuard device through generic netlink, so that the program ``wg`` isn't needed. Test keys only."""

from __future__ import annotations

import base64
import os
import socket
import struct

# private and public key of each end
KEYS = (
    (bytes([1]) * 32, bytes.fromhex("a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209")),
    (bytes([2]) * 32, bytes.fromhex("ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59")),
)
_NETLINK_GENERIC, _CONTROLLER, _GETFAMILY = 16, 16, 3
_SET_DEVICE = 1
_REQUEST, _ACK, _NESTED = 1, 4, 0x8000


def set_device(device: str, me: int, port: int, peer_address: str) -> None:
    """Give a device of this namespace its key, its port and the other end as its only peer. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC) as netlink:
        netlink.bind((0, 0))
        name = _attribute(2, b"wireguard\0")
        answer = _ask(netlink, _CONTROLLER, _GETFAMILY, name, _REQUEST)
        family = struct.unpack("=H", _find(answer[20:], 1))[0]
        allowed = b"".join(
            _attribute(
                0 | _NESTED, _attribute(1, struct.pack("=H", af)) + _attribute(2, bytes(size)) + _attribute(3, b"\0")
            )
            for af, size in ((socket.AF_INET, 4), (socket.AF_INET6, 16))
        )
        if ":" in peer_address:
            end = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0)
            end += socket.inet_pton(socket.AF_INET6, peer_address) + bytes(4)
        else:
            end = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port)
            end += socket.inet_pton(socket.AF_INET, peer_address) + bytes(8)
        peer = _attribute(1, KEYS[1 - me][1]) + _attribute(4, end) + _attribute(9 | _NESTED, allowed)
        body = _attribute(2, device.encode() + b"\0") + _attribute(3, KEYS[me][0])
        body += _attribute(6, struct.pack("=H", port)) + _attribute(8 | _NESTED, _attribute(0 | _NESTED, peer))
        _ask(netlink, family, _SET_DEVICE, body, _REQUEST | _ACK)


def quick_file(me: int, port: int, peer_address: str) -> str:
    """Return what wg-quick's file of such a device says."""
    private, public = KEYS[me][0], KEYS[1 - me][1]
    end = f"[{peer_address}]" if ":" in peer_address else peer_address
    return (
        f"[Interface]\nPrivateKey = {base64.b64encode(private).decode()}\nListenPort = {port}\nTable = off\n\n"
        f"[Peer]\nPublicKey = {base64.b64encode(public).decode()}\nEndpoint = {end}:{port}\n"
        "AllowedIPs = 0.0.0.0/0, ::/0\n"
    )


def _ask(netlink: socket.socket, family: int, command: int, attributes: bytes, flags: int) -> bytes:
    message = struct.pack("=BBH", command, 1, 0) + attributes
    netlink.send(struct.pack("=IHHII", 16 + len(message), family, flags, 1, 0) + message)
    answer = netlink.recv(65536)
    if struct.unpack("=H", answer[4:6])[0] == 2:  # an error, or an acknowledgement when the number is 0
        number = -struct.unpack("=i", answer[16:20])[0]
        if number:
            raise OSError(number, os.strerror(number))
    return answer


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _find(attributes: bytes, kind: int) -> bytes:
    while attributes:
        length, found = struct.unpack("=HH", attributes[:4])
        if found & 0x3FFF == kind:
            return attributes[4:length]
        attributes = attributes[(length + 3) & ~3 :]
    raise OSError(0, f"no attribute {kind}")
