"""A plaintext sink: counts overlay packets without IPsec on the wire of every node, outside of the nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from netplan.lab.cluster import Lab
from netplan.lab.config import GUEST

MARK = b"leak probe".hex()
_WORDS = re.compile(r"(?<= )[0-9a-f]{2,4}(?= |$)", re.MULTILINE)


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
    take = f"tcpdump -U -n -p -i any -w /run/sink.pcap 'udp port {port} or esp or udp port 4500'"
    lab.exec(GUEST, ["sh", "-c", f"{take} >/dev/null 2>&1 & echo $! >/run/sink.pid; sleep 2"], check=True)
    sunk = Sunk()
    yield sunk
    lab.exec(GUEST, ["sh", "-c", "sleep 1; kill $(cat /run/sink.pid); sleep 1"], check=True)
    read = "tcpdump -n -r /run/sink.pcap"  # a line begins: time, link, In or Out or P
    for packet in _packets(lab, f"{read} -x udp port {port}"):
        wire = packet.split()[1]
        kind = sunk.planted if MARK in "".join(_WORDS.findall(packet)) else sunk.clear
        kind[wire] = kind.get(wire, 0) + 1
    count = f"{read} esp or udp port 4500 2>/dev/null | cut -d' ' -f2 | sort | uniq -c"
    for line in lab.exec(GUEST, ["sh", "-c", count]).stdout.splitlines():
        number, wire = line.split()
        sunk.esp[wire] = int(number)


def _packets(lab: Lab, command: str) -> list[str]:
    return re.split(r"(?m)^(?=\d\d:)", lab.exec(GUEST, ["sh", "-c", command + " 2>/dev/null"]).stdout)[1:]
