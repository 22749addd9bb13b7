"""What trace says of a measured topology, beside what was measured there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from netplan.audit import Text, World, describe
from netplan.path.fate import fate
from netplan.path.trace import Trace, trace

Row = dict[str, Any]
Job = dict[str, Any]


def dumps(row: Row) -> list[Text]:
    """Return what a user would send of host a: what `ip` prints, and the file of each WireGuard device."""
    return [Text(f"a/{name}", text) for name, text in row["dump"].items() if text.strip()]


def world(row: Row) -> World:
    return describe(dumps(row))


def walk(job: Job, row: Row) -> Trace:
    found = world(row)
    return trace(found.hosts, found.peers, job["src"] if job["entry"] == "socket" else "a:pod", job["dst"])


def seen(row: Row) -> str:
    """Return what became of one byte more, in the words of a fate."""
    after = row["next"]
    if after["error"]:
        return "error"
    if after["reported"]:
        return "icmp"
    if len(after["frames"]) > 1 or any(fragment for _, fragment in after["frames"]):
        return "fragmented outside" if after["arrived"] else "fragments lost"
    return "passes" if after["arrived"] else "dropped silently"


def told(pairs: list[tuple[Job, Row]]) -> Iterator[tuple[Job, Row, Trace]]:
    for job, row in pairs:
        if "largest" in row:
            yield job, row, walk(job, row)


def lines(found: Trace) -> str:
    return "".join(f"\n      {hop.device} {hop.mtu}: {hop.inner} {hop.stack}" for hop in found.hops)


def wrong_sizes(pairs: list[tuple[Job, Row]]) -> list[str]:
    """Return a line for each topology whose walk has another MTU than the measured one."""
    return [
        f"{job['id']} {job['kinds']} {job['entry']}: measured {row['largest']}, said {found.exact}{lines(found)}"
        for job, row, found in told(pairs)
        if row["largest"] not in (found.exact, found.exact + older(found))
    ]


def older(found: Trace) -> int:
    """Return by how much larger the packets of an older kernel are, as the walk says; 0 where all are alike."""
    return next((int(m[1]) for a in found.assumed if (m := re.search(r"kernel is as new .* (\d+) larger", a))), 0)


def wrong_fates(pairs: list[tuple[Job, Row]]) -> list[str]:
    """Return a line for each topology where something else became of one byte more than trace says."""
    wrong = []
    for job, row, found in told(pairs):
        said = fate(found, row["largest"] + 1)
        # a pod's own kernel reports its own device's MTU, which nobody has to look for
        own = job["entry"] == "socket"
        valued = said.value is not None and (said.kind == "icmp" or own)
        # a program of the host learns it at once, or from the packet before, by the same error
        alike = own and {said.kind, seen(row)} == {"icmp", "error"}
        if (said.kind != seen(row) and not alike) or (valued and said.value != row["next"]["reported"]):
            words = f"{job['id']} {job['kinds']} {job['entry']}: saw {seen(row)} {row['next']}, said {said.kind} "
            wrong.append(words + f"{said.value}{lines(found)}")
    return wrong
