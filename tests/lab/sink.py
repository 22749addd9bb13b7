"""A plaintext sink: counts overlay packets without IPsec on the wire of every node, outside of the nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from netplan.lab.cluster import Lab
from netplan.lab.config import GUEST

MARK = b"leak probe".hex()
END = "the capture ends here"
_WORDS = re.compile(r"(?<= )[0-9a-f]{2,4}(?= |$)", re.MULTILINE)
TAKE = """tcpdump -U -n -p --immediate-mode -i any -w /run/sink.pcap '{what}' >/run/sink.said 2>&1 &
echo $! >/run/sink.pid
until grep -q 'listening on' /run/sink.said; do kill -0 $(cat /run/sink.pid) || exit 1; sleep 0.1; done"""
# a packet of ours on the loopback: what came before it is in the file when it is
STOP = """for i in $(seq 300); do
    bash -c 'echo {end} >/dev/udp/127.0.0.1/{port}' 2>/dev/null; grep -qa '{end}' /run/sink.pcap && break; sleep 0.1
done; kill $(cat /run/sink.pid); while kill -0 $(cat /run/sink.pid) 2>/dev/null; do sleep 0.1; done"""


@dataclass
class Sunk:
    """Wire -> packets seen on it: ``clear`` are leaks, ``planted`` were sent on purpose, ``esp`` prove that it sees."""

    clear: dict[str, int] = field(default_factory=dict)
    planted: dict[str, int] = field(default_factory=dict)
    esp: dict[str, int] = field(default_factory=dict)

    @property
    def leaked(self) -> int:
        return sum(self.clear.values())


@contextmanager
def sink(lab: Lab, port: int = 4789) -> Iterator[Sunk]:
    """Capture on every underlay link, at the switch's end, while the block runs; filled in at its end."""
    what = f"udp port {port} or esp or udp port 4500"
    lab.exec(GUEST, ["sh", "-c", TAKE.format(what=what)], check=True)
    sunk = Sunk()
    try:
        yield sunk
    finally:
        lab.exec(GUEST, ["sh", "-c", STOP.format(end=END, port=port)], check=True)
    read = "tcpdump -n -r /run/sink.pcap"  # a line begins: time, link, In or Out or P
    for packet in _packets(lab, f"{read} -x udp port {port} and not host 127.0.0.1"):
        wire = packet.split()[1]
        kind = sunk.planted if MARK in "".join(_WORDS.findall(packet)) else sunk.clear
        kind[wire] = kind.get(wire, 0) + 1
    count = f"{read} esp or udp port 4500 2>/dev/null | cut -d' ' -f2 | sort | uniq -c"
    for line in lab.exec(GUEST, ["sh", "-c", count]).stdout.splitlines():
        number, wire = line.split()
        sunk.esp[wire] = int(number)


def _packets(lab: Lab, command: str) -> list[str]:
    return re.split(r"(?m)^(?=\d\d:)", lab.exec(GUEST, ["sh", "-c", command + " 2>/dev/null"]).stdout)[1:]
