"""What watches many nodes while something changes: one process a node, whose pod pings every other pod once a second.

:mod:`tests.lab.mesh` sends fifty pings a second in each ordered pair, by a process of its own; of 20 nodes that is more
than their processors carry. Clear overlay packets are counted where they pass the switch between the nodes, and what
`verify` plants apart from the others.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from netplan.lab.cluster import Lab

from .mesh import Report, Stream

EVERY_S = 1.0
PLANTED = "planted"
AT_ONCE = 8  # connections to nodes at the same time
# argv: seconds between two pings of a pair, addresses. On SIGTERM it prints address -> [sent, number of the first and
# of the last answered ping, time of the first answer, slowest answer in s, [[time of the answer after a hole, length]]]
PINGS = """
import json, select, signal, socket, struct, sys, time, os
every, peers = float(sys.argv[1]), sys.argv[2:]
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
out.setsockopt(socket.SOL_RAW if hasattr(socket, "SOL_RAW") else 255, 1, struct.pack("I", 0xFFFFFFFE))  # answers only
out.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
mine = os.getpid() & 0xFFFF
def total(data):
    words = sum(struct.unpack(f">{len(data) // 2}H", data))
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    return ~words & 0xFFFF
sent = dict.fromkeys(peers, 0)
began = {peer: {} for peer in peers}
came = {peer: {} for peer in peers}
slow = 0.0
start = time.monotonic()
due = sorted((start + every * at / len(peers), peer) for at, peer in enumerate(peers))
while not stop:
    now = time.monotonic()
    while due[0][0] <= now:
        when, peer = due.pop(0)
        due.append((max(when + every, now), peer))
        sent[peer] += 1
        number = sent[peer] & 0xFFFF
        packet = struct.pack(">BBHHH", 8, 0, 0, mine, number) + b"\\0" * 8
        packet = packet[:2] + struct.pack(">H", total(packet)) + packet[4:]
        began[peer][number] = now
        try:
            out.sendto(packet, (peer, 0))
        except OSError:
            pass
    due.sort()
    if select.select([out], [], [], max(0, min(0.5, due[0][0] - time.monotonic())))[0]:
        data, (peer, _) = out.recvfrom(2048)
        head = (data[0] & 15) * 4
        kind, _, _, ident, number = struct.unpack_from(">BBHHH", data, head)
        if kind == 0 and ident == mine and peer in came and number not in came[peer]:
            came[peer][number] = time.time()
            slow = max(slow, time.monotonic() - began[peer][number])
said = {}
for peer in peers:
    there = sorted(came[peer])
    holes = [[came[peer][b], b - a - 1] for a, b in zip(there, there[1:]) if b - a > 1]
    first, last = (there[0], there[-1]) if there else (0, 0)
    said[peer] = [sent[peer], first, last, came[peer].get(first, 0.0), round(slow, 2), holes]
print(json.dumps(said))
"""
# argv: DF size that must pass, then addresses. Prints address -> [the size passed, one byte more was refused]
SIZES = """
import json, socket, struct, sys
size, peers = int(sys.argv[1]), sys.argv[2:]
def tried(peer, length):
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    out.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER: always DF
    out.settimeout(3)
    for _ in range(3):
        try:
            out.sendto(struct.pack(">BBHHH", 8, 0, 0, 0, 1) + b"x" * (length - 28), (peer, 0))
            out.recv(65535)
            return "passed"
        except TimeoutError:
            continue
        except OSError as error:
            return "refused" if error.errno == 90 else str(error)
    return "lost"
print(json.dumps({peer: [tried(peer, size), tried(peer, size + 1)] for peer in peers}))
"""
# prints "time name=packets ..." twice a second
_COUNTING = r"""while :; do
    echo $(date +%s.%N) $(nft list counters table bridge lab |
        awk '$1 == "counter" { n = $2 } /packets/ { print n "=" $2 }')
    sleep 0.5
done"""


@dataclass
class Counted(Report):
    """A report whose clear packets are readings of a counter: (time, name of a node or PLANTED -> packets)."""

    readings: list[tuple[float, dict[str, int]]] = field(default_factory=list)

    def clear(self, since: float, until: float, nodes: Sequence[str]) -> int:
        """Return how many from these nodes passed the switch between two times."""
        within = [counts for at, counts in self.readings if since <= at <= until]
        return sum(within[-1][node] - within[0][node] for node in nodes) if within else 0

    def planted(self) -> int:
        return self.readings[-1][1][PLANTED] - self.readings[0][1][PLANTED] if self.readings else 0


def rules(names: Sequence[str], port: int) -> str:
    """Return nftables rules for the switch: one counter for each node's clear VXLAN packets, one for planted ones."""
    counters = "\n".join(f"    counter {name} {{ }}" for name in (*names, PLANTED))
    cables = ", ".join(f'"vb-{name}" : "{name}"' for name in names)
    return f"""table bridge lab {{
{counters}
    chain passing {{
        type filter hook forward priority 0; policy accept;
        udp dport {port} @th,64,8 0x08 counter name iifname map {{ {cables} }}
        udp dport {port} @th,64,8 0x00 counter name {PLANTED}
    }}
}}
"""


def readings(text: str) -> list[tuple[float, dict[str, int]]]:
    """Read what the counting loop printed; a last line that was cut off is left out."""
    rows = [line.split() for line in text.splitlines()]
    longest = max((len(row) for row in rows), default=0)
    pairs = [(float(row[0]), [word.partition("=")[::2] for word in row[1:]]) for row in rows if len(row) == longest > 1]
    return [(at, {name: int(count) for name, count in counts}) for at, counts in pairs]


def everywhere(lab: Lab, commands: dict[str, list[str]], stdin: str | None = None) -> dict[str, str]:
    """Run a command on each node, some nodes at a time; return what they printed."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        said = {n: pool.submit(lab.exec, n, argv, stdin=stdin, check=True) for n, argv in commands.items()}
        return {name: done.result().stdout for name, done in said.items()}


def pods(lab: Lab, names: Sequence[str]) -> dict[str, str]:
    return {node.name: node.pod_address for node in lab.nodes if node.name in names}


def full_size(lab: Lab, names: Sequence[str], mtu: int) -> dict[tuple[str, str], list[str]]:
    """Send a DF packet of ``mtu`` bytes and one of a byte more in each ordered pair of pods; return what came of it."""
    addresses = pods(lab, names)
    by_address = {address: name for name, address in addresses.items()}
    commands = {}
    for name in names:
        peers = " ".join(address for node, address in addresses.items() if node != name)
        probe = f"sysctl -qw net.ipv4.ping_group_range='0 0'; exec python3 - {mtu} {peers}"
        commands[name] = ["ip", "netns", "exec", "pod1", "sh", "-c", probe]
    out = {}
    for name, said in everywhere(lab, commands, SIZES).items():
        out |= {(name, by_address[peer]): result for peer, result in json.loads(said).items()}
    return out


@contextmanager
def watched_many(lab: Lab, settle: float = 3.0) -> Iterator[Counted]:
    """Watch all pairs of pods of a lab while the block runs; each node that is up at its end tells what it saw."""
    names = lab.config.names
    addresses = pods(lab, names)
    by_address = {address: name for name, address in addresses.items()}
    run = "systemd-run --quiet --collect --unit=w-many -p StandardOutput=truncate:/tmp/many.json"
    commands = {}
    for name in names:
        peers = " ".join(address for node, address in addresses.items() if node != name)
        start = f"cat >/tmp/many.py; {run} ip netns exec pod1 python3 /tmp/many.py {EVERY_S} {peers}"
        commands[name] = ["sh", "-ec", start]
    load = ["sh", "-c", "nft delete table bridge lab 2>/dev/null; nft -f -"]
    lab.exec("guest", load, stdin=rules(names, lab.config.overlay_port), check=True)
    count = f"setsid sh -c {shlex.quote(_COUNTING)} >/run/many.count 2>&1 </dev/null & echo $! >/run/many.pid"
    lab.exec("guest", ["sh", "-c", count], check=True)
    everywhere(lab, commands, PINGS)
    time.sleep(settle)
    report = Counted()
    begin = time.monotonic()
    try:
        yield report
        report.seconds = time.monotonic() - begin
        time.sleep(2 * EVERY_S)
    finally:
        stop = ["sh", "-c", "systemctl stop w-many 2>/dev/null; cat /tmp/many.json 2>/dev/null || echo '{}'"]
        said = everywhere(lab, dict.fromkeys(names, stop))
        counted = lab.exec("guest", ["sh", "-c", "kill $(cat /run/many.pid); cat /run/many.count"]).stdout
    report.readings = readings(counted)
    for name, text in said.items():
        for peer, (sent, first, last, up, slow, holes) in json.loads(text or "{}").items():
            until = up + 1 if first > 1 else 0.0
            report.streams[name, by_address[peer]] = Stream(
                sent,
                first,
                last,
                slow,
                [(at, length) for at, length in holes if at > until],
                sum(length for at, length in holes if at <= until),
                EVERY_S,
            )
