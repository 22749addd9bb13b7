"""Pings through a change: how many were lost between two answers. What is on its way at the end is not lost."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from netplan.lab.cluster import Lab

from .pace import answers

POD = "ip netns exec pod1"
EVERY_S = 0.02


@dataclass
class Pinged:
    """One stream: how many were sent and lost, and the longest row of lost ones in seconds."""

    sent: int
    lost: int
    longest: float


@dataclass
class Pings:
    """Streams by the node that they come from; filled in at the end of the block."""

    streams: dict[str, Pinged] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        return sum(stream.sent for stream in self.streams.values())

    @property
    def lost(self) -> int:
        return sum(stream.lost for stream in self.streams.values())

    @property
    def longest(self) -> float:
        return max(stream.longest for stream in self.streams.values())


def read(text: str, every: float = EVERY_S) -> Pinged:
    """Read what ``ping`` printed. Numbers that lack before the last answer are lost; later ones were under way."""
    counted = re.search(r"(\d+) packets transmitted", text)
    assert counted, text[-300:]
    came = sorted({int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", text)})
    assert came, "no ping was ever answered"
    holes = [b - a - 1 for a, b in itertools.pairwise([0, *came])]
    return Pinged(int(counted[1]), sum(holes), max(holes) * every)


@contextmanager
def pinging(lab: Lab, ways: Mapping[str, str], kept: Collection[str] | None = None) -> Iterator[Pings]:
    """A ping every 20 ms from the pod of each node in ``ways`` to the address there, while the block runs.

    At the end each way must answer, and goes on until it does: a stream that was cut off for good is no short gap.
    ``kept``: the nodes whose streams count; one that rebooted has none any more.
    """
    for node, address in ways.items():
        run = f"systemd-run --quiet --collect --unit=p-{node} -p KillSignal=SIGINT"
        script = f"{run} -p StandardOutput=truncate:/tmp/ping.txt {POD} ping -n -i {EVERY_S} {address}"
        lab.exec(node, ["sh", "-c", script], check=True)
    pings = Pings()
    try:
        yield pings
        for node, address in ways.items():
            answers(lab, node, address)
    finally:
        for node in ways:
            lab.exec(node, ["systemctl", "stop", f"p-{node}"])
    for node in kept if kept is not None else ways:
        pings.streams[node] = read(lab.exec(node, ["cat", "/tmp/ping.txt"], check=True).stdout)


def both_ways(lab: Lab, one: str = "n1", other: str = "n2") -> dict[str, str]:
    """Return the ways between the pods of two nodes."""
    pods = {node.name: node.pod_address for node in lab.nodes}
    return {one: pods[other], other: pods[one]}
