"""Dozens of live nodes through every kind of change: real engine, Ansible, agent, charon, ESP, nft. Prints one table.

``IPSECPLAN_MANY=60`` says how many (default 20); they run in User Mode Linux. Every ordered pair is pinged once
a second. A twelfth of them joins and leaves, two at least. In each phase that ``IPSECPLAN_MANY_KILLED`` names (default:
one of each step) a node loses its power for good.
"""

from __future__ import annotations

import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from netplan.lab.cluster import Lab
from tests.support.lab_checks import YES, confirmed, forget

from .changes import Cluster, Row
from .conftest import ClusterFactory
from .many import full_size, watched_many
from .rollout_steps import settle

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.drill]
NODES = int(os.environ.get("IPSECPLAN_MANY", "20"))
SOME = max(2, NODES // 12)  # that join and leave
KILLED = os.environ.get("IPSECPLAN_MANY_KILLED", "stage permissive encrypt trap enforce").split()
CBC = {"esp": ["aes256-sha256-x25519"]}
NARROW = {"paths": [{"between": ["k8s_nodes", "k8s_nodes"], "mtu": 1400}]}


@dataclass
class Bill:
    """What each step cost: wall time, processor seconds of the control side and of the guest."""

    lab: Lab
    lines: list[str] = field(default_factory=list)

    @contextmanager
    def item(self, name: str) -> Iterator[None]:
        begin, control, guest = time.monotonic(), _children(), _guest(self.lab)
        yield
        used = (time.monotonic() - begin, _children() - control, _guest(self.lab) - guest)
        self.lines.append(f"{name:<34} {used[0]:7.0f} s wall {used[1]:7.0f} s control {used[2]:7.0f} s guest")


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _guest(lab: Lab) -> float:
    words = lab.exec("guest", ["head", "-n1", "/proc/stat"], check=True).stdout.split()
    return sum(int(words[at]) for at in (1, 2, 3, 6, 7)) / 100  # without idle and waiting


def _sizes(lab: Lab, names: Sequence[str], mtu: int) -> None:
    found = full_size(lab, names, mtu)
    seen = Counter(map(tuple, found.values()))
    print(f"DF {mtu} / {mtu + 1} in {len(found)} directions: {dict(seen)}")
    assert set(seen) == {("passed", "refused")}, {pair: got for pair, got in found.items() if got[0] != "passed"}


def _judged(row: Row, *, enforced: bool = True) -> None:
    """At most two pings of a pair lost, which is two seconds; none in clear while protected; the plants were seen.

    ``enforced`` False: clear packets are only wrong from the first measurement on, which is behind the phase enforce.
    """
    since = row.since if enforced else next((at for at, said in row.marks if said.startswith("probe ")), row.until)
    for pair, stream in row.report.among(row.members).items():
        assert stream.last, f"{row.name}: {pair} was never answered"
        assert stream.lost <= 2, f"{row.name}: {pair} lost {stream.lost} pings\n{row.holes(pair)}"
    assert row.report.clear(since, row.until, row.members) == 0
    members = len(row.members)
    assert row.report.planted() >= members * (members - 1), "the counter has not seen what was planted for it"


def _once(phase: str, act: Callable[[], None]) -> Callable[[str], None]:
    """Return what acts when the first line of a phase is told."""
    left = [act]

    def told(line: str) -> None:
        if left and line.split()[:1] == [phase]:
            left.pop()()

    return told


@pytest.mark.weight(3600)
def test_many_nodes_through_changes(clusters: ClusterFactory, tmp_path: Path) -> None:
    begin = time.monotonic()
    lab = clusters(nodes=NODES, backend="uml")
    print(f"{NODES} nodes up after {time.monotonic() - begin:.0f} s")
    cluster, bill = Cluster(lab, tmp_path, watched_many), Bill(lab)
    names = lab.config.names
    fewer = names[:-SOME]
    forget(lab, fewer, names[-SOME:])
    forget(lab, names[-SOME:], fewer)
    leaving = ":!".join(names[-SOME:])
    some, full = cluster.bundle("some", members=f"k8s_nodes:!{leaving}"), cluster.bundle("full")
    cbc, low = cluster.bundle("cbc", ipsec=CBC), cluster.bundle("low", ipsec=CBC, underlay=NARROW)
    last = cluster.bundle("last", members=f"k8s_nodes:!{leaving}", ipsec=CBC, underlay=NARROW)

    def change(name: str, *steps: tuple[str, ...], members: Sequence[str]) -> Row:
        with bill.item(name):
            return cluster.change(name, *steps, members=members)

    try:
        row = change("enable", ("apply", str(some), *YES), members=fewer)
        _judged(row, enforced=False)
        confirmed(cluster, some, fewer)
        _sizes(lab, fewer, 1416)
        _judged(change(f"{SOME} nodes join", ("apply", str(full), *YES), members=fewer))
        confirmed(cluster, full, names)
        _sizes(lab, names, 1416)
        _judged(change("cipher GCM -> CBC", ("apply", str(cbc), *YES), members=names))
        _judged(change("MTU smaller", ("apply", str(low), *YES), members=names))
        _judged(change(f"{SOME} nodes leave", ("apply", str(last), *YES), members=fewer))
        confirmed(cluster, last, fewer)
        for phase in KILLED:
            with bill.item(f"a node killed in {phase}"):
                _judged(_killed(cluster, phase, fewer, some, last))
        row = change("disable", ("verify", str(last)), ("revert", str(last), "--yes"), members=fewer)
        assert not [pair for pair, stream in row.report.among(fewer).items() if stream.lost > 2]
    finally:
        print(cluster.table(), *bill.lines, sep="\n")
        print(lab.exec("guest", ["free", "-m"]).stdout)


def _killed(cluster: Cluster, phase: str, names: Sequence[str], wanted: Path, before: Path) -> Row:
    """The last node loses its power behind the first result of ``phase``: nobody stays on the new side.

    The row is of the others. At its end the node is back and the old bundle holds again, measured in each pair.
    """
    lab, victim = cluster.lab, names[-1]

    def act() -> None:
        words = ("apply", str(wanted), *YES, "--raise-mtu")
        said = cluster.call(*words, code=7, told=_once(phase, lambda: lab.power_off(victim)))
        assert victim in said
        lab.power_on(victim)
        lab.wait(victim)
        settle(lab, names)
        cluster.call("verify", str(before))

    row = cluster.watched(f"{victim} killed in {phase}", act, members=names[:-1])
    confirmed(cluster, before, names)
    return row
