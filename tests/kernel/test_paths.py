"""Drawn topologies on a running kernel: a walk has the measured MTU, and says what became of one byte more.

The kernel's devices, routes and IPsec are dumped with `ip -d -j`, as a user would, and read by audit's readers.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from netplan.audit import Given, audit
from tests.sizes import size

from .boot import TIMEOUT, NoKernel, measure
from .judged import Job, Row, dumps, seen, wrong_fates, wrong_sizes
from .topologies import draw

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(size(TIMEOUT, 12 * TIMEOUT))]

# one of each kind of tunnel alone, then drawn ones
SINGLE = (
    "vxlan",
    "vxlan-dev",
    "geneve",
    "gre",
    "gretap",
    "ipip",
    "sit",
    "ip6gre",
    "ip6gretap",
    "ip6tnl",
    "vti",
    "vti6",
)
DRAWN = size(14, 300)
CHANGED = 200
CHUNK = 40  # that fit into one run's time limit on a busy machine


def jobs() -> list[Job]:
    return [draw(1000 + n, kinds=[kind]) for n, kind in enumerate(SINGLE)] + [draw(n) for n in range(DRAWN)]


def measured(wanted: list[Job], directory: Path) -> list[Row]:
    rows: list[Row] = []
    for at in range(0, len(wanted), CHUNK):
        part = directory / str(at)
        part.mkdir()
        try:
            where, found = measure(wanted[at : at + CHUNK], part, "paths.py", size(TIMEOUT, 5 * TIMEOUT))
        except NoKernel as error:
            pytest.skip(str(error))
        rows += found
    print(f"\nmeasured {sum('largest' in row for row in rows)} of {len(rows)} topologies on {where}")
    return rows


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Job, Row]]:
    wanted = jobs()
    return list(zip(wanted, measured(wanted, tmp_path_factory.mktemp("paths")), strict=True))


def test_topologies_are_built_and_measured(pairs: list[tuple[Job, Row]]) -> None:
    assert [(job["kinds"], row["failed"]) for job, row in pairs if "failed" in row] == []
    assert [(job["kinds"], row["missing"]) for job, row in pairs if "missing" in row] == []
    assert {"routed", "bridged", "socket"} <= {job["entry"] for job, _ in pairs}


def test_exact_mtu_of_a_walk_is_the_measured_one(pairs: list[tuple[Job, Row]]) -> None:
    wrong = wrong_sizes(pairs)
    assert not wrong, f"{len(wrong)} of {len(pairs)} differ:\n" + "\n".join(wrong)


def test_fate_of_one_byte_more_is_the_one_that_was_seen(pairs: list[tuple[Job, Row]]) -> None:
    wrong = wrong_fates(pairs)
    assert not wrong, f"{len(wrong)} of {len(pairs)} differ:\n" + "\n".join(wrong)


def changes(row: Row) -> dict[str, int]:
    """Return what audit says of host a's devices: device -> MTU. A route's is named ``route add TARGET``."""
    outcome = audit(dumps(row), Given())
    return {
        (f"route add {v.setting.target}" if v.setting.target else v.setting.device): v.finding.exact_field
        for v in outcome.verdicts
        if v.finding is not None and v.finding.code in ("IPP911", "IPP912") and v.finding.exact_field
    }


def changed(job: Job, wanted: dict[str, int]) -> Job:
    """Return a job that follows the advice on both hosts, which are alike; pods are made anew."""
    commands = {name: [*lines] for name, lines in job["commands"].items()}
    attempts = {name: [*lines] for name, lines in job["attempts"].items()}
    for name, mtu in wanted.items():
        if name.startswith("route add"):
            commands["a"] = [_with_mtu(line, name, mtu) for line in commands["a"]]
            continue
        for host in "ab":
            attempts[host].append(f"link set {name} mtu {mtu}")
        for pod in "pq" if name == "pod" else "":
            attempts[pod].append(f"link set eth0 mtu {mtu}")
    return {**job, "commands": commands, "attempts": attempts}


def _with_mtu(line: str, start: str, mtu: int) -> str:
    head, sign, _ = line.partition(" mtu ")
    return f"{head} mtu {mtu}" if sign and line.startswith(start) else line


@pytest.mark.drill
@pytest.mark.timeout(12 * TIMEOUT)
def test_following_the_advice_never_makes_a_path_worse(tmp_path: Path) -> None:
    """Wrong MTUs are drawn; after audit's changes nothing that a pod sends is lost, and audit has no more to say."""
    first: list[tuple[Job, Row, dict[str, int]]] = []
    start = 5000
    while len(first) < CHANGED and start < 5000 + 8 * CHANGED:
        wanted = [draw(n) for n in range(start, start + CHUNK)]
        (tmp_path / f"before{start}").mkdir()
        rows = measured(wanted, tmp_path / f"before{start}")
        first += [(j, r, c) for j, r in zip(wanted, rows, strict=True) if "largest" in r and (c := changes(r))]
        start += CHUNK
    (tmp_path / "after").mkdir()
    again = measured([changed(job, wanted) for job, _, wanted in first], tmp_path / "after")
    worse, unclean = [], []
    for (job, before, wanted), after in zip(first, again, strict=True):
        # a bridge lets a little more pass than a port's MTU; a pod with the right MTU does not send that
        least = min(before["largest"], wanted.get("pod", before["largest"]))
        told = after.get("largest", 0) >= wanted.get("pod", 0) or seen(after) in ("icmp", "error")
        if after.get("largest", 0) < least or not told:
            worse.append((job["id"], job["kinds"], wanted, before["largest"], after))
        if changes(after):
            unclean.append((job["id"], job["kinds"], wanted, changes(after)))
    assert not worse
    assert not unclean
