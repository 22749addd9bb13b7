"""Drawn topologies on Debian's stock kernel: with XFRM interfaces and WireGuard, which the User Mode kernel lacks.

They are built in network namespaces of a node of the lab, which are gone afterwards.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import ClusterFactory
from tests.lab.conftest import module_clusters as module_clusters  # a fixture, taken over

from .judged import Job, Row, wrong_fates, wrong_sizes
from .topologies import KINDS, OPTIONAL, draw

pytestmark = [pytest.mark.lab, pytest.mark.drill, pytest.mark.weight(900)]
HERE = Path(__file__).parent
ALONE = 6  # drawn with each kind alone
ANY = 60  # drawn of all kinds
# A VTI in an XFRM interface: Linux 6.1 drops each packet at the receiver (XfrmInTmplMismatch); the other order works
DEAD = [["xfrm", "vti"], ["xfrm", "vti6"]]
# outermost first: what runs in such a tunnel, and such a tunnel in another
NESTED = [
    [*pair]
    for kind in OPTIONAL
    for other in ("vxlan", "geneve", "gre", "ip6tnl", "vti", *OPTIONAL)
    for pair in ((kind, other), (other, kind))
    if KINDS[pair[1]][0] in (0, *KINDS[pair[0]][1]) and [*pair] not in DEAD
]


def jobs() -> list[Job]:
    alone = [draw(7000 + 100 * n + m, kinds=[kind]) for n, kind in enumerate(OPTIONAL) for m in range(ALONE)]
    nested = [draw(8000 + n, kinds=kinds) for n, kinds in enumerate(NESTED)]
    return alone + nested + list(itertools.islice(_of_all_kinds(), ANY))


def _of_all_kinds() -> Iterator[Job]:
    """Yield topologies that one of the kinds is in."""
    for number in itertools.count(9000):
        job = draw(number, without=())
        kinds = [kind for kind in job["kinds"] if kind in KINDS]
        # how much more than its MTU a bridge forwards to ip6gretap was measured over Ethernet alone
        unknown = kinds[-1:] == ["ip6gretap"] and job["entry"] == "bridged"
        if {*kinds} & {*OPTIONAL} and not unknown and not any([*p] in DEAD for p in itertools.pairwise(kinds)):
            yield job


@pytest.fixture(scope="module")
def pairs(module_clusters: ClusterFactory) -> list[tuple[Job, Row]]:
    lab = module_clusters()
    node, wanted = lab.nodes[0].name, jobs()
    files = {name: (HERE / name).read_text() for name in ("wire.py", "wireguard.py", "paths.py")}
    files["jobs.json"] = json.dumps(wanted)
    for name, text in files.items():
        lab.exec(node, ["sh", "-c", f"mkdir -p /run/rig && cat > /run/rig/{name}"], stdin=text)
    modules = (
        "modprobe -a wireguard xfrm_interface ip_vti ip6_vti esp4 esp6 sit ip_gre ip6_gre ip6_tunnel macvlan bonding"
    )
    run = ["sh", "-c", f"{modules}; python3 -B /run/rig/paths.py /run/rig/jobs.json"]
    done = lab.exec(node, run, timeout=3000)
    rows = [json.loads(line[4:]) for line in done.stdout.splitlines() if line.startswith("ROW ")]
    assert len(rows) == len(wanted), done.stdout[-2000:] + done.stderr
    print(f"\nmeasured {sum('largest' in row for row in rows)} of {len(rows)} topologies on {lab.systems()[node]}")
    return list(zip(wanted, rows, strict=True))


def test_topologies_are_built_on_the_stock_kernel(pairs: list[tuple[Job, Row]]) -> None:
    bad = ("failed", "missing")
    assert [(job["id"], job["kinds"], row[b]) for job, row in pairs for b in bad if b in row] == []


def test_exact_mtu_on_the_stock_kernel_is_the_measured_one(pairs: list[tuple[Job, Row]]) -> None:
    wrong = wrong_sizes(pairs)
    assert not wrong, f"{len(wrong)} of {len(pairs)} differ:\n" + "\n".join(wrong)


def test_fate_on_the_stock_kernel_is_the_one_that_was_seen(pairs: list[tuple[Job, Row]]) -> None:
    wrong = wrong_fates(pairs)
    assert not wrong, f"{len(wrong)} of {len(pairs)} differ:\n" + "\n".join(wrong)
