"""What watches a whole lab while something changes: every ordered pair, every cable.

On every node's pod a ping each 20 ms to every other pod (C, one process a pair: measured, see docs/rollout.md) and one
process with a long TCP connection to each later node, written steadily; on every node's cable, outside the node, a
capture of overlay packets in clear, each taken once, where it leaves its node. All nodes share one clock.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from netplan.lab.cluster import Lab

MARK = b"leak probe"  # in every packet that `verify` plants
EVERY_S = 0.02
A_SECOND = 50  # pings
FLOWS = """
import json, selectors, signal, socket, sys, time
here, peers = sys.argv[1], sys.argv[2:]
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
chooser = selectors.DefaultSelector()
server = socket.create_server((here, 5999), backlog=16)
server.setblocking(False)
chooser.register(server, selectors.EVENT_READ, None)
block = b"x" * 3000
class Flow:
    def __init__(self, peer):
        self.peer, self.sock, self.error = peer, None, None
        self.bytes, self.waiting, self.begin, self.worst, self.next = 0, 0, 0.0, 0.0, 0.0
    def tick(self, now):
        try:
            if self.sock is None:
                self.sock = socket.create_connection((self.peer, 5999), timeout=5)
                self.sock.setblocking(False)
                chooser.register(self.sock, selectors.EVENT_READ, self)
            if not self.waiting and now >= self.next:
                self.sock.send(block)
                self.waiting, self.begin, self.next = len(block), now, now + 0.2
        except OSError as e:
            if self.sock is not None:
                self.error = str(e)
            self.next = now + 1
    def read(self, now):
        try:
            got = len(self.sock.recv(65536))
        except OSError as e:
            got, self.error = 0, str(e)
        if not got:
            self.error = self.error or "closed"
            return chooser.unregister(self.sock)
        self.bytes += got
        self.waiting -= got
        self.worst = max(self.worst, now - self.begin)
flows = [Flow(peer) for peer in peers]
while not stop:
    for key, _ in chooser.select(0.1):
        now = time.monotonic()
        if key.data is None:
            peer, _ = server.accept()
            peer.setblocking(False)
            chooser.register(peer, selectors.EVENT_READ, peer)
        elif isinstance(key.data, Flow):
            key.data.read(now)
        else:
            try:
                data = key.data.recv(65536)
                if data:
                    key.data.sendall(data)
                else:
                    chooser.unregister(key.data)
            except OSError:
                chooser.unregister(key.data)
    now = time.monotonic()
    for flow in flows:
        if not flow.error:
            if flow.waiting:
                flow.worst = max(flow.worst, now - flow.begin)
            flow.tick(now)
print(json.dumps({f.peer: {"bytes": f.bytes, "worst": round(f.worst, 2), "error": f.error} for f in flows}))
"""
# prints: sent, first and last answered number, time of the first answer (pings that waited for the peer's address are
# answered out of their order), the slowest of the last answers in milliseconds, and every hole between answers as
# "time of the answer behind it:length"
HOLES = r"""
/icmp_seq=/ && /time=/ { split($0, a, "icmp_seq="); split($0, t, "time="); took[a[2] + 0] = t[2] + 0
                         s = a[2] + 0; at[s] = substr($1, 2) + 0; if (s > last) last = s
                         if (!first || s < first) first = s; if (!up || at[s] < up) up = at[s] }
/packets transmitted/ { sent = $1 }
END { for (s = last - 100; s <= last; s++) if (took[s] > slow) slow = took[s]
      printf "%d %d %d %.2f %.0f", sent, first, last, up, slow
      for (s = first; s <= last; s++) if (s in at) { if (hole) printf " %.2f:%d", at[s], hole; hole = 0 }
                                      else hole++
      print "" }
"""


@dataclass
class Stream:
    """The pings of one ordered pair. ``holes``: (time of the answer behind it, length), in seconds and pings; ``slow``:
    the longest that one of the last answers took, in seconds.

    ``coming_up``: pings lost before the answers of the first second, in a pair that had none when the watch began: they
    had waited for the peer's address, more than the kernel's queue for that takes.
    """

    sent: int = 0
    first: int = 0
    last: int = 0
    slow: float = 0.0
    holes: list[tuple[float, int]] = field(default_factory=list)
    coming_up: int = 0
    every: float = EVERY_S  # seconds between two pings

    @property
    def silent(self) -> int:
        """Pings without an answer after the last answer, unless these are only under way: as many as fit into twice
        the slowest of the last answers, or into half a second."""
        under_way = max(1.0, max(0.5, 2 * self.slow) / self.every)
        return self.sent - self.last if self.sent - self.last > under_way else 0

    @property
    def lost(self) -> int:
        return sum(length for _, length in self.holes) + self.silent

    @property
    def longest(self) -> int:
        return max([length for _, length in self.holes] + [self.silent])


@dataclass
class Clear:
    """One overlay packet in clear, where it left ``node``; ``planted`` by us on purpose."""

    at: float
    node: str
    planted: bool
    destination: str


@dataclass
class Report:
    """What was seen; filled in at the end of the block. Times are of the lab's clock."""

    streams: dict[tuple[str, str], Stream] = field(default_factory=dict)
    flows: dict[tuple[str, str], dict[str, object]] = field(default_factory=dict)
    packets: list[Clear] = field(default_factory=list)
    seconds: float = 0.0

    def among(self, nodes: Sequence[str]) -> dict[tuple[str, str], Stream]:
        return {pair: stream for pair, stream in self.streams.items() if set(pair) <= set(nodes)}

    def dead_flows(self, nodes: Sequence[str]) -> list[str]:
        return [
            f"{a}-{b}: {flow['error'] or 'nothing came'}"
            for (a, b), flow in self.flows.items()
            if {a, b} <= set(nodes) and (flow["error"] or not flow["bytes"])
        ]

    def clear(self, since: float, until: float, nodes: Sequence[str]) -> int:
        return sum(1 for p in self.packets if p.node in nodes and not p.planted and since <= p.at <= until)

    def planted(self) -> int:
        return sum(p.planted for p in self.packets)


def _capture(lab: Lab, verb: str) -> None:
    names = " ".join(lab.config.names)
    start = f"""for n in {names}; do
        setsid tcpdump -U -n -p --immediate-mode -Z root -i vb-$n -Q in -s 128 -w /tmp/clear-$n.pcap \
            udp port {lab.config.overlay_port} >/tmp/clear-$n.said 2>&1 </dev/null & echo $! >/tmp/clear-$n.pid
        until grep -q 'listening on' /tmp/clear-$n.said; do kill -0 $(cat /tmp/clear-$n.pid) || exit 1; sleep 0.1; done
        done"""
    stop = f"""sleep 1; for n in {names}; do p=$(cat /tmp/clear-$n.pid); kill $p
        while kill -0 $p 2>/dev/null; do sleep 0.1; done; done"""
    lab.exec("guest", ["sh", "-c", start if verb == "start" else stop], check=True)


@contextmanager
def watched_mesh(lab: Lab, settle: float = 3.0) -> Iterator[Report]:
    """Watch all pairs of pods of a lab while the block runs."""
    run = "systemd-run --quiet --collect"
    pods = {node.name: node.pod_address for node in lab.nodes}
    names = list(pods)
    for at, node in enumerate(names):
        peers, later = [n for n in names if n != node], [pods[n] for n in names[at + 1 :]]
        pings = " ".join(f"ping -n -D -i 0.02 {pods[n]} >/tmp/ping-{n}.txt 2>&1 &" for n in peers)
        script = f"""cat >/tmp/flows.py
            rm -f /tmp/ping-*.txt /tmp/flows.json
            {run} --unit=w-pings -p KillSignal=SIGINT ip netns exec pod1 sh -c '{pings} wait'
            {run} --unit=w-flows -p StandardOutput=truncate:/tmp/flows.json \
                ip netns exec pod1 python3 /tmp/flows.py {pods[node]} {" ".join(later)}"""
        lab.exec(node, ["sh", "-ec", script], stdin=FLOWS, check=True)
    _capture(lab, "start")
    time.sleep(settle)
    report = Report()
    begin = time.monotonic()
    try:
        yield report
        report.seconds = time.monotonic() - begin
        time.sleep(1.5)
    finally:
        for node in names:
            lab.exec(node, ["systemctl", "stop", "w-pings", "w-flows"])
        _capture(lab, "stop")
    for node in names:
        peers = [n for n in names if n != node]
        script = "cat >/tmp/holes.awk; cat /tmp/flows.json; " + "".join(
            f"awk -f /tmp/holes.awk /tmp/ping-{n}.txt; " for n in peers
        )
        flows, *lines = lab.exec(node, ["sh", "-c", script], stdin=HOLES, check=True).stdout.splitlines()
        by_address = {address: name for name, address in pods.items()}
        report.flows |= {(node, by_address[address]): flow for address, flow in json.loads(flows).items()}
        for peer, line in zip(peers, lines, strict=True):
            sent, first, last, up, slow, *holes = line.split()
            parsed = [(float(at), int(length)) for at, length in (h.split(":") for h in holes)]
            until = float(up) + 1 if int(first) > A_SECOND else 0.0
            report.streams[node, peer] = Stream(
                int(sent),
                int(first),
                int(last),
                int(slow) / 1000,
                [(at, length) for at, length in parsed if at > until],
                sum(length for at, length in parsed if at <= until),
            )
        report.packets += _clear_packets(lab, node)


def _clear_packets(lab: Lab, node: str) -> list[Clear]:
    """Read a capture file (little-endian pcap of Ethernet frames)."""
    text = lab.exec("guest", ["base64", "-w0", f"/tmp/clear-{node}.pcap"], check=True).stdout
    import base64

    data, found, at = base64.b64decode(text), [], 24
    while at + 16 <= len(data):
        seconds, micro, length, _ = struct.unpack("<IIII", data[at : at + 16])
        frame = data[at + 16 : at + 16 + length]
        destination = ".".join(map(str, frame[30:34])) if frame[12:14] == b"\x08\x00" else ""
        found.append(Clear(seconds + micro / 1e6, node, MARK in frame, destination))
        at += 16 + length
    return found


def clock(lab: Lab) -> float:
    """Return the lab's clock minus this machine's, in seconds."""
    before = time.time()
    there = float(lab.exec("guest", ["date", "+%s.%N"], check=True).stdout)
    return there - (before + time.time()) / 2
