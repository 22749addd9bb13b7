"""Two network namespaces joined by one cable, and a way to ask: does a packet of this size get through in one piece?

Runs as root on any Linux kernel with the standard library and iproute2 only, in this process's own namespaces or inside
a guest. Nothing here knows how large a header is; it only sends and counts.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

LINK = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}  # the ends of the cable
BEHIND = {4: ("10.1.0.1", "10.2.0.1"), 6: ("fd01::1", "fd02::1")}  # hosts behind the ends: tunnel mode
INSIDE = {4: ("10.9.0.1", "10.9.0.2"), 6: ("fd09::1", "fd09::2")}  # inside an overlay or on a second device
MAC = ("02:00:00:00:00:01", "02:00:00:00:00:02")
INNER_MAC = ("02:00:00:00:09:01", "02:00:00:00:09:02")
FULL = {4: 32, 6: 128}
NET = {4: 24, 6: 64}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
ETHERTYPE = {4: 0x0800, 6: 0x86DD}
SERVICE, NATT, WIREGUARD = 7007, 4500, 51820
JUMBO = 12000

_CLONE_NEWNET = 0x40000000
_SIOCSIFMTU = 0x8922
_UDP_ENCAP, _ESPINUDP = 100, 2
_libc = ctypes.CDLL(None, use_errno=True)


class Unsupported(Exception):
    """The running kernel has no such device, algorithm or mode."""


def run(command: list[str], stdin: str | None = None) -> str:
    """Run a command; raise Unsupported with its complaint when it fails."""
    try:
        done = subprocess.run(command, input=stdin, text=True, capture_output=True)
    except FileNotFoundError as error:
        raise Unsupported(f"no program {error.filename}") from error
    if done.returncode:
        raise Unsupported(f"{' '.join(command)}: {done.stderr.strip()[:300]}\n{stdin or ''}")
    return done.stdout


class Space:
    """One named network namespace."""

    def __init__(self, name: str) -> None:
        self.name = name
        run(["ip", "netns", "add", name])
        self._handle = os.open(f"/run/netns/{name}", os.O_RDONLY)

    def ip(self, *lines: str) -> None:
        """Run several ``ip`` commands with one process."""
        if lines:
            run(["ip", "-n", self.name, "-batch", "-"], "\n".join(lines) + "\n")

    def one_by_one(self, *lines: str) -> None:
        """The same with one process each, for options that a batch doesn't know."""
        for line in lines:
            run(["ip", "-n", self.name, *line.split()])

    def try_ip(self, *lines: str) -> None:
        """The same; a failure is no matter."""
        for line in lines:
            subprocess.run(["ip", "-n", self.name, *line.split()], capture_output=True)

    def sysctl(self, *settings: str) -> None:
        run(["ip", "netns", "exec", self.name, "sysctl", "-qw", *settings])

    def enter(self) -> None:
        if _libc.setns(self._handle, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def close(self) -> None:
        os.close(self._handle)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


class Wire:
    """Namespaces A and B with a cable; this process ends up in A. Everything is static: no ARP, ND or DAD."""

    def __init__(self) -> None:
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.a, self.b = Space(f"wire{os.getpid()}a"), Space(f"wire{os.getpid()}b")
        self.spaces = (self.a, self.b)
        for space in self.spaces:
            space.sysctl(
                "net.ipv6.conf.default.addr_gen_mode=1",
                "net.ipv6.conf.default.accept_dad=0",
                "net.ipv6.conf.default.router_solicitations=0",
                "net.ipv6.route.max_size=1000000",
            )
        self.a.ip(f"link add cable address {MAC[0]} type veth peer name cable address {MAC[1]} netns {self.b.name}")
        for me, space in enumerate(self.spaces):
            you = 1 - me
            space.ip(
                "link set lo up",
                "link set cable up",
                *(f"addr add {LINK[f][me]}/{NET[f]} dev cable{_nodad(f)}" for f in FAMILY),
                *(f"addr add {BEHIND[f][me]}/{FULL[f]} dev lo{_nodad(f)}" for f in FAMILY),
                *(f"neigh replace {LINK[f][you]} dev cable lladdr {MAC[you]} nud permanent" for f in FAMILY),
                *self.plain_routes(me),
            )
        self._far: dict[int, socket.socket] = {}
        self._keep: list[socket.socket] = []
        self.b.enter()
        self._cable_b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for family in FAMILY:
            self._far[family] = listener(family, SERVICE)
            self._keep.append(natt_end(family))
        self.a.enter()
        self._cable_a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sniff = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._sniff.bind(("cable", 3))
        self._sniff.setblocking(False)
        self._near: dict[tuple[int, str], socket.socket] = {}
        self._raw: socket.socket | None = None

    @staticmethod
    def plain_routes(me: int) -> list[str]:
        """Return the commands that route to what is behind the other end, without any tunnel."""
        return [
            f"route replace {BEHIND[f][1 - me]} via {LINK[f][1 - me]} dev cable src {BEHIND[f][me]}" for f in FAMILY
        ]

    def within(self, end: int, call: Callable[[], None]) -> None:
        """Call something inside A (0) or B (1)."""
        self.spaces[end].enter()
        try:
            call()
        finally:
            self.a.enter()

    def close(self) -> None:
        _libc.setns(self._home, _CLONE_NEWNET)
        for space in self.spaces:
            space.close()

    def link_mtu(self, mtu: int) -> None:
        for end in (self._cable_a, self._cable_b):
            fcntl.ioctl(end, _SIOCSIFMTU, struct.pack("16si12x", b"cable", mtu))

    def forget_paths(self, family: int) -> None:
        """Drop what the kernel remembers of path MTUs."""
        if family == 6:
            subprocess.run(["ip", "-n", self.a.name, "-6", "route", "flush", "cache"], capture_output=True)
        else:
            Path("/proc/sys/net/ipv4/route/flush").write_text("1")

    # ---- sending -------------------------------------------------------------------------------------------------

    def by_socket(self, family: int, size: int, source: str, target: str) -> Outcome:
        """Send an IP packet of ``size`` from an ordinary UDP socket with don't-fragment."""
        key = (family, source)
        if key not in self._near:
            near = self._near[key] = socket.socket(FAMILY[family], socket.SOCK_DGRAM)
            near.bind((source, 0))
            if family == 4:
                near.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER: always don't-fragment
            else:
                near.setsockopt(socket.IPPROTO_IPV6, 23, 2)
                near.setsockopt(socket.IPPROTO_IPV6, 62, 1)  # IPV6_DONTFRAG
        payload = b"\xa5" * (size - _udp_overhead(family))
        return self._observe(family, payload, lambda: self._near[key].sendto(payload, (target, SERVICE)))

    def by_device(self, device: str, family: int, size: int, ether: bool, tags: int) -> Outcome:
        """Hand an IP packet of ``size`` to a device, as a bridge port would, with ``tags`` VLAN tags on the frame."""
        if self._raw is None:
            self._raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        payload = b"\xa5" * (size - _udp_overhead(family))
        frame = ip_packet(family, payload)
        if ether:
            tag = struct.pack("!HH", 0x8100, 7) * tags
            frame = _mac(INNER_MAC[1]) + _mac(INNER_MAC[0]) + tag + struct.pack("!H", ETHERTYPE[family]) + frame
        protocol = 0x8100 if tags else ETHERTYPE[family]
        return self._observe(family, payload, lambda: self._raw.sendto(frame, (device, protocol)))  # type: ignore[union-attr]

    def _observe(self, family: int, payload: bytes, send: Callable[[], object]) -> Outcome:
        """Send, then look at what went over the cable and whether the far end got it whole."""
        for end in (self._sniff, *self._far.values()):
            _drain(end)
        error = ""
        try:
            send()
        except OSError as failure:
            error = errno.errorcode.get(failure.errno or 0, "?")
        seen: list[tuple[int, bool]] = []
        deadline = time.monotonic() + 1
        arrived = False
        if not error:  # some kernels encrypt a moment later, in another context
            select.select([self._sniff], [], [], 0.03)
        while True:
            seen += self._sent_frames()
            if error or len(seen) != 1 or seen[0][1] or arrived or time.monotonic() > deadline:
                break
            if select.select([self._far[family]], [], [], 0.25)[0]:
                # an earlier packet that went in two fragments may come in late; it has another size
                arrived = self._far[family].recv(70000) == payload
        return Outcome(error, seen, arrived)

    def _sent_frames(self) -> list[tuple[int, bool]]:
        """Return (bytes after the Ethernet header, is a fragment) of every frame A put on the cable for B."""
        frames = []
        while True:
            try:
                frame, address = self._sniff.recvfrom(70000)
            except BlockingIOError:
                return frames
            if address[2] != socket.PACKET_OUTGOING or frame[:6] != _mac(MAC[1]):
                continue
            kind, packet = struct.unpack("!H", frame[12:14])[0], frame[14:]
            fragment = False
            if kind == ETHERTYPE[4]:
                fragment = bool(struct.unpack("!H", packet[6:8])[0] & 0x3FFF)
            elif kind == ETHERTYPE[6]:
                fragment = packet[6] == 44
            frames.append((len(packet), fragment))


def listener(family: int, port: int) -> socket.socket:
    """Return a UDP socket of the namespace that this process is in, bound to a port."""
    end = socket.socket(FAMILY[family], socket.SOCK_DGRAM)
    if family == 6:
        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    end.bind(("", port))
    end.setblocking(False)
    return end


def natt_end(family: int) -> socket.socket:
    """Return port 4500 as an IKE daemon opens it: it unwraps ESP, and bypasses policy for itself."""
    end = listener(family, NATT)
    end.setsockopt(socket.IPPROTO_UDP, _UDP_ENCAP, _ESPINUDP)
    level, option = (socket.IPPROTO_IP, 17) if family == 4 else (socket.IPPROTO_IPV6, 35)
    for direction in (0, 1):
        # struct xfrm_userpolicy_info: selector family at 40, direction at 160, action allow
        policy = bytearray(168)
        struct.pack_into("=H", policy, 40, FAMILY[family])
        policy[160] = direction
        end.setsockopt(level, option, bytes(policy))
    return end


class Outcome:
    """What became of one packet."""

    def __init__(self, error: str, frames: list[tuple[int, bool]], arrived: bool) -> None:
        self.error, self.frames, self.arrived = error, frames, arrived

    @property
    def passed(self) -> bool:
        """One frame, not a fragment, and the far end got the packet whole."""
        return not self.error and self.arrived and len(self.frames) == 1 and not self.frames[0][1]

    def __str__(self) -> str:
        return f"error={self.error or 'none'} frames={self.frames} arrived={self.arrived}"


def ip_packet(family: int, payload: bytes) -> bytes:
    """Build an IP packet with UDP from inside A to inside B, don't-fragment set."""
    source, target = (socket.inet_pton(FAMILY[family], address) for address in INSIDE[family])
    length = len(payload) + 8
    udp = struct.pack("!HHHH", SERVICE, SERVICE, length, 0) + payload
    total = _checksum(source + target + struct.pack("!II", length, 17) + udp) or 0xFFFF
    udp = udp[:6] + struct.pack("!H", total) + udp[8:]
    if family == 6:
        return struct.pack("!IHBB", 6 << 28, length, 17, 64) + source + target + udp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 1, 0x4000, 64, 17, 0) + source + target
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + udp


def _udp_overhead(family: int) -> int:
    return 28 if family == 4 else 48


def _nodad(family: int) -> str:
    return " nodad" if family == 6 else ""


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _drain(end: socket.socket) -> None:
    while True:
        try:
            end.recv(70000)
        except BlockingIOError:
            return


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
