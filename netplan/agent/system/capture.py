"""A capture of outgoing packets on one NIC, and the plaintext packet that proves that the capture can see."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import threading

from . import addresses
from .core import run_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..protocol.node_json import NodeJson, Peer

ETH_P_ALL, PACKET_OUTGOING, SO_ATTACH_FILTER = 3, 4, 26
LEAST = {0x0800: 28, 0x86DD: 44}  # of IPv4 and IPv6, what we look at; other protocols are nobody's packets
MARK = b"ipsecplan leak probe "
SO_RCVBUFFORCE = 33  # no name in Python
BUFFER = 4 << 20  # bytes: a node that is short of processor time reads seconds later, and must have missed nothing
_LDW, _LDB, _LDH, _LDH_X, _LDX_IHL, _JEQ, _RSH, _RET = 0x20, 0x30, 0x28, 0x48, 0xB1, 0x15, 0x74, 0x06
PACKET_TYPE = 0xFFFFF004  # SKF_AD_OFF + SKF_AD_PKTTYPE of linux/filter.h: read there, it is whether a packet leaves
# what comes in is as much again, and would fill the buffer of a node that has many peers
_LEAVES = [(_LDW, 0, 0, PACKET_TYPE), (_JEQ, 1, 0, PACKET_OUTGOING), (_RET, 0, 0, 0)]
DRAIN_S = 60.0  # for a node that is short of processor time to read what its capture holds


def program(kind: str, port: int) -> list[tuple[int, int, int, int]]:
    """Return a classic BPF program as tuples, for outgoing packets, which begin with the IP header: ``esp``, ``clear``
    (to the overlay port) or ``rest`` (all but ``esp``)."""
    if kind != "clear":  # IP protocol 50, or UDP 4500 which carries ESP behind NAT
        hit, miss = (65535, 0) if kind == "esp" else (0, 65535)
        return [
            *_LEAVES,
            (_LDB, 0, 0, 0),
            (_RSH, 0, 0, 4),
            (_JEQ, 0, 6, 4),
            (_LDB, 0, 0, 9),
            (_JEQ, 10, 0, 50),
            (_JEQ, 0, 10, 17),
            (_LDX_IHL, 0, 0, 0),
            (_LDH_X, 0, 0, 2),
            (_JEQ, 6, 7, 4500),
            (_JEQ, 0, 6, 6),
            (_LDB, 0, 0, 6),
            (_JEQ, 3, 0, 50),
            (_JEQ, 0, 3, 17),
            (_LDH, 0, 0, 42),
            (_JEQ, 0, 1, 4500),
            (_RET, 0, 0, hit),
            (_RET, 0, 0, miss),
        ]
    return [
        *_LEAVES,
        (_LDB, 0, 0, 0),
        (_RSH, 0, 0, 4),
        (_JEQ, 0, 5, 4),
        (_LDB, 0, 0, 9),
        (_JEQ, 0, 9, 17),
        (_LDX_IHL, 0, 0, 0),
        (_LDH_X, 0, 0, 2),
        (_JEQ, 5, 6, port),
        (_JEQ, 0, 5, 6),
        (_LDB, 0, 0, 6),
        (_JEQ, 0, 3, 17),
        (_LDH, 0, 0, 42),
        (_JEQ, 0, 1, port),
        (_RET, 0, 0, 65535),
        (_RET, 0, 0, 0),
    ]


class Packet:
    """What we keep of a packet: destination, IP length in bytes, whether it is a fragment, whose plant it is, and
    ``service``: protocol and both ports or, for ICMPv6, the type."""

    __slots__ = ("destination", "fragment", "length", "planted", "service")

    def __init__(self, raw: bytes) -> None:
        if raw[0] >> 4 == 4:
            self.length = struct.unpack_from(">H", raw, 2)[0]
            self.destination = socket.inet_ntop(socket.AF_INET, raw[16:20])
            self.fragment = bool(struct.unpack_from(">H", raw, 6)[0] & 0x3FFF)
        else:
            self.length = 40 + struct.unpack_from(">H", raw, 4)[0]
            self.destination = socket.inet_ntop(socket.AF_INET6, raw[24:40])
            self.fragment = raw[6] == 44
        protocol, body = (raw[9], (raw[0] & 15) * 4) if raw[0] >> 4 == 4 else (raw[6], 40)
        ports = struct.unpack_from(">HH", raw, body) if len(raw) >= body + 4 else (0, 0)
        self.service = (protocol, *ports) if protocol != 58 else (protocol, ports[0] >> 8)
        at = raw.find(MARK)
        self.planted = raw[at + len(MARK) :].split(b"\0")[0].decode("ascii", "replace") if at >= 0 else None


def allowed(packet: Packet, clear: list[str]) -> bool:
    """Tell whether a packet between protected hosts may be clear: IKE, IPv6's neighbours, what the plan leaves out."""
    protocol, *ports = packet.service
    if protocol == 58:
        return ports[0] in (133, 134, 135, 136, 137)
    services = {service.partition("/")[::2] for service in clear} | {("udp", "500"), ("udp", "4500")}
    word = {6: "tcp", 17: "udp"}.get(protocol)
    return any((word, str(port)) in services for port in ports)


class Capture:
    """Outgoing packets of one kind on one device, taken by a thread until :meth:`stop`."""

    def __init__(self, device: str, kind: str, port: int) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._filter(program(kind, port))
        for option in (SO_RCVBUFFORCE, socket.SO_RCVBUF):
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, option, BUFFER)
                break
        self.socket.bind((device, ETH_P_ALL))
        self.socket.settimeout(0.1)
        self.packets: list[Packet] = []
        self.running = True
        self.thread = threading.Thread(target=self._take, daemon=True)

    def _filter(self, steps: list[tuple[int, int, int, int]]) -> None:
        code = b"".join(struct.pack("=HBBI", *step) for step in steps)
        buffer = ctypes.create_string_buffer(code)
        fprog = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)

    def _take(self) -> None:
        while True:
            try:
                raw, address = self.socket.recvfrom(65535)
            except socket.timeout:  # noqa: UP041  another name before Python 3.10
                if not self.running:
                    return
                continue
            least = LEAST.get(address[1])
            if address[2] == PACKET_OUTGOING and least and len(raw) >= least:
                self.packets.append(Packet(raw))

    def __enter__(self) -> Any:
        self.thread.start()
        return self

    def stop(self) -> list[Packet]:
        """Take nothing more, read all that was taken, and return the packets."""
        if self.running:
            self._filter([(_RET, 0, 0, 0)])  # else a node whose pods never rest would be read for ever
        self.running = False
        self.thread.join(DRAIN_S)
        return list(self.packets)

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.socket.close()


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of bytes, never 0, as UDP wants it."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF) or 0xFFFF


def plaintext(source: str, destination: str, port: int, overlay: str, nonce: str) -> bytes:
    """Return an IP packet to the overlay port that no VXLAN or Geneve receiver accepts, carrying our mark."""
    # VXLAN without the "VNI is valid" flag; Geneve of a version that does not exist: both are dropped by every kernel
    header = b"\0" * 8 if overlay == "vxlan" else b"\xc0" + b"\0" * 7
    payload = header + MARK + nonce.encode() + b"\0" * 8
    version = socket.AF_INET6 if ":" in source else socket.AF_INET
    ends = socket.inet_pton(version, source) + socket.inet_pton(version, destination)
    size = 8 + len(payload)
    udp = struct.pack(">HHHH", 50000, port, size, 0) + payload
    total = checksum(ends + struct.pack(">II", size, 17) + udp)
    udp = struct.pack(">HHHH", 50000, port, size, total) + payload
    if version == socket.AF_INET6:
        return struct.pack(">IHBB", 6 << 28, size, 17, 64) + ends + udp
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + size, 0, 0x4000, 64, 17, 0)
    return head[:10] + struct.pack(">H", checksum(head + ends)) + ends + udp


def plant(node: NodeJson, peer: Peer, device: str, hop: str, nonce: str) -> int:
    """Send one plaintext packet to the peer past the stack. Returns how many were sent (0 without a neighbour)."""
    neighbours = run_json("ip", "-j", "neigh", "show", "to", hop, "dev", device)
    link = next((n["lladdr"] for n in neighbours if n.get("lladdr")), None)
    if link is None:
        return 0
    source, overlay = addresses.local(node, peer), node["overlay"]
    # an overlay without a port is protected with everything else: any clear packet will do
    kind = overlay["type"] if overlay["port"] else "vxlan"
    packet = plaintext(source, peer["address"], overlay["port"] or 4789, kind, nonce)
    protocol = 0x86DD if ":" in source else 0x0800
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as out:
        out.sendto(packet, (device, protocol, 0, 0, bytes.fromhex(link.replace(":", ""))))
    return 1
