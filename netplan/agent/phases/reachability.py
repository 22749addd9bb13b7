"""Do ESP (IP protocol 50) and UDP 4500 pass between every two nodes, both ways, at the planned size?

Every node sends packets shaped like ESP to every peer and hears those of its peers on raw sockets, behind the input
filter, where charon and the kernel would get them. They carry a security parameter index that no SA has (RFC 4303,
section 2.1, reserves 1 to 255), so the kernel drops them, and the words of one preflight. Nodes do not start at the
same moment: each goes on in the background for a while after it has answered, so that late peers hear it.

The kernel counts each such packet as an error. Their sequence number says how many have been sent to this node, those
included that came before it listened; so :mod:`preflight_packets` can tell them from real ones.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import socket
import struct
import time

from ..system import addresses, core, preflight_packets
from ..system.capture import SO_ATTACH_FILTER, checksum
from ..transaction import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson
    from ..protocol.reply import HeardRow

KINDS = ("esp", "esp_full", "udp", "udp_full")
MAGIC = b"ipsecplan reach "
SPI = 255
SMALL = 120  # bytes of a small packet, IP header included: passes where only size is in the way
EVERY_S, LIFE_S, LINGER_S = 0.4, 300.0, 3.0  # nodes may begin minutes apart: slow ones, or more than forks
LATER_S, CALM_S = 20.0, 1.5  # after so long packets go out less often
REMIND_S = 5.0  # a peer that is through may still miss our last word: it gets one again every so often
QUIET_S = 15.0  # a node that has stopped counts what comes until nothing has come for so long
MOST_S = 86400.0  # longest life that is believed
PORT = 4500
_MTU_DISCOVER = {4: (socket.IPPROTO_IP, 10), 6: (socket.IPPROTO_IPV6, 23)}  # IP_MTU_DISCOVER, IPV6_MTU_DISCOVER
_PROBE = 3  # don't fragment, whatever was learned of the path


def payload(
    run: str, sender: str, kind: str, heard: int, size: int, source: str, destination: str, number: int
) -> bytes:
    """Return what follows the IP header of a packet of ``size`` bytes in all.

    ``heard`` has a bit for each of KINDS that the sender has heard of the receiver; ``number`` counts from 1 what it
    has sent there.
    """
    header = 40 if ":" in source else 20
    body = MAGIC + f"{run} {sender} {kind} {heard:x}\n".encode()
    esp = struct.pack(">II", SPI, number) + body
    if kind.startswith("esp"):
        return esp.ljust(size - header, b"\0")
    data = esp.ljust(size - header - 8, b"\0")
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    length = 8 + len(data)
    pseudo = ends + struct.pack(">II", length, 17)
    udp = struct.pack(">HHHH", PORT, PORT, length, 0) + data
    return udp[:6] + struct.pack(">H", checksum(pseudo + udp)) + data


def heard(raw: bytes, run: str) -> tuple[str, str, int, int] | None:
    """Return (sender, kind, what it has heard, number) of a packet that is part of this preflight."""
    at = raw.find(MAGIC)
    if at < 8:
        return None
    words = raw[at + len(MAGIC) :].split(b"\n")[0].decode("ascii", "replace").split()
    if len(words) != 4 or words[0] != run or words[2] not in KINDS:
        return None
    try:
        return words[1], words[2], int(words[3], 16), int.from_bytes(raw[at - 4 : at], "big")
    except ValueError:
        return None


def _only_ours(six: bool) -> bytes:
    """Return the classic BPF that lets UDP datagrams to port 4500 through; IPv6 raw sockets begin behind the header."""
    # ldx 4*([0]&0xf); ldh [x+2]; jeq 4500; or ldh [2]
    load = [(0x28, 0, 0, 2)] if six else [(0xB1, 0, 0, 0), (0x48, 0, 0, 2)]
    steps = [*load, (0x15, 0, 1, PORT), (0x06, 0, 0, 65535), (0x06, 0, 0, 0)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


class Talk:
    """One node's part on one network: sends and hears until everybody has heard everything, or time is over.

    ``network`` is the network's name, empty for the main one; ``counted`` the file for the number of packets.
    """

    def __init__(
        self, node: NodeJson, run: str, result: str, counted: str, network: str = "", life: float = 0.0
    ) -> None:
        self.node, self.run, self.result, self.counted, self.network = node, run, result, counted, network
        self.life = min(max(LIFE_S, life), MOST_S)
        self.through: dict[str, float] = {}  # peer -> since when each end has heard everything of the other
        self.next: dict[str, float] = {}  # such a peer -> when it is reminded
        self.peers = [peer for peer in node["peers"] if peer.get("network", "") == network]
        self.own = node["id"]
        self.address = addresses.local(node, self.peers[0]) if self.peers else node["underlay"]["address"]
        self.six = ":" in self.address
        self.heard: dict[str, int] = {peer["id"]: 0 for peer in self.peers}
        self.knows: dict[str, int] = dict.fromkeys(self.heard, 0)  # what a peer says that it has heard of us
        self.refused: dict[str, str] = {}
        self.most = int(len(KINDS) * (self.life / EVERY_S + 1))  # packets that a peer can send to one node
        self.sent: dict[str, int] = dict.fromkeys(self.heard, 0)
        self.came: dict[str, int] = dict.fromkeys(self.heard, 0)  # as many as the peer has sent to us
        family = socket.AF_INET6 if self.six else socket.AF_INET
        self.sockets = {50: socket.socket(family, socket.SOCK_RAW, 50), 17: socket.socket(family, socket.SOCK_RAW, 17)}
        for link in self.sockets.values():
            link.bind((self.address, 0))
            link.setsockopt(*_MTU_DISCOVER[6 if self.six else 4], _PROBE)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**21)
            link.setblocking(False)
        code = _only_ours(self.six)
        buffer = ctypes.create_string_buffer(code)
        self.sockets[17].setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
        )

    def send(self) -> None:
        """Send every kind once to every peer, less often to those with which all is heard both ways."""
        everything, now = (1 << len(KINDS)) - 1, time.monotonic()
        for peer in self.peers:
            if self.heard[peer["id"]] == self.knows[peer["id"]] == everything:
                if now < self.next.get(peer["id"], 0.0):
                    continue
                if now - self.through.setdefault(peer["id"], now) > LINGER_S:
                    self.next[peer["id"]] = now + REMIND_S
            for kind in KINDS:
                size = peer["link_mtu"] if kind.endswith("full") else SMALL
                number = self.sent[peer["id"]] + 1
                ends = self.address, peer["address"]
                data = payload(self.run, self.own, kind, self.heard[peer["id"]], size, *ends, number)
                try:
                    self.sockets[50 if kind.startswith("esp") else 17].sendto(data, (peer["address"], 0))
                    self.sent[peer["id"]] = number
                except OSError as error:
                    self.refused[f"{peer['id']} {kind}"] = error.strerror or str(error)

    def hear(self, seconds: float) -> bool:
        """Take what comes for a while, and say how many came. True when anything was new."""
        end, new, before = time.monotonic() + seconds, False, self.all_came()
        while True:
            ready, _, _ = select.select(list(self.sockets.values()), [], [], max(0.0, end - time.monotonic()))
            for link in ready:
                with contextlib.suppress(OSError):
                    found = heard(link.recvfrom(65535)[0], self.run)
                    if found and found[0] in self.heard:
                        bit = 1 << KINDS.index(found[1])
                        new = new or not self.heard[found[0]] & bit
                        self.heard[found[0]] |= bit
                        self.knows[found[0]] |= found[2]
                        if found[3] <= self.most:  # a peer that lies hides few real errors
                            self.came[found[0]] = max(found[3], self.came[found[0]])
            if not ready and time.monotonic() >= end:
                if self.all_came() != before:
                    preflight_packets.tell(self.counted, self.all_came())
                return new

    def all_came(self) -> int:
        """Return how many packets peers have sent to this node."""
        return sum(self.came.values())

    def write(self) -> None:
        """Leave what was heard where the phase looks for it."""
        about = {"network": self.network} if self.network else {}
        rows = [
            {"peer": peer, **about, **{kind: bool(bits & 1 << n) for n, kind in enumerate(KINDS)}}
            for peer, bits in self.heard.items()
        ]
        core.write(self.result, json.dumps({"rows": rows, "refused": self.refused}))

    def go(self) -> None:
        """Talk until all is heard on both sides and a little longer; at most ``life``, or until :func:`stop`."""
        everything, begin = (1 << len(KINDS)) - 1, time.monotonic()
        end = begin + self.life
        self.write()
        while time.monotonic() < end and os.path.exists(self.result):
            self.send()
            calm = time.monotonic() - begin > LATER_S
            if self.hear(CALM_S if calm else EVERY_S) and os.path.exists(self.result):
                self.write()
            if all(bits == everything for bits in [*self.heard.values(), *self.knows.values()]):
                end = min(end, time.monotonic() + LINGER_S)
        self.count_late(begin + self.life)

    def count_late(self, end: float) -> None:
        """Send no more, and count what peers send that have not ended yet; ``end`` is the monotonic time to stop at."""
        quiet = time.monotonic() + QUIET_S
        while time.monotonic() < min(end, quiet) and os.path.exists(self.counted):
            before = self.all_came()
            self.hear(EVERY_S)
            if self.all_came() != before:
                quiet = time.monotonic() + QUIET_S


def results(node: NodeJson, run: str) -> dict[str, str]:
    """Return network -> where its result is."""
    names = dict.fromkeys(["", *(peer.get("network", "") for peer in node["peers"])])
    return {
        network: f"{state.RUN}/reach-{run}" + (f"-{number}" if number else "") for number, network in enumerate(names)
    }


def start(node: NodeJson, run: str, life: float = 0.0) -> dict[str, str]:
    """Start talking on every network in the background; return network -> where its result will be.

    ``life``: seconds that nodes take at most to begin, where that is longer than usual.
    """
    os.makedirs(state.RUN, mode=0o700, exist_ok=True)
    stop()
    preflight_packets.add_up()
    found = results(node, run)
    for number, (network, result) in enumerate(found.items()):
        talk = Talk(node, run, result, preflight_packets.begin(number), network, life)
        talk.write()
        if os.fork() == 0:
            try:
                os.setsid()
                nothing = os.open("/dev/null", os.O_RDWR)
                for stream in (0, 1, 2):
                    os.dup2(nothing, stream)
                talk.go()
            finally:
                os._exit(0)
    return found


def stop() -> None:
    """Let what still talks here send no more, so that peers have fewer errors to tell from real ones."""
    for name in os.listdir(state.RUN) if os.path.isdir(state.RUN) else ():
        if name.startswith("reach-"):
            core.remove(f"{state.RUN}/{name}")


def wait(results: dict[str, str], seconds: float) -> list[HeardRow]:
    """Return what was heard as soon as it is everything, else what there is after ``seconds``."""

    def rows() -> list[HeardRow]:
        return [row for path in results.values() for row in json.loads(core.read(path) or '{"rows": []}')["rows"]]

    def complete() -> bool:
        found = rows()
        return bool(found) and all(row["esp"] and row["esp_full"] and row["udp"] and row["udp_full"] for row in found)

    core.wait(complete, seconds)
    return rows()
