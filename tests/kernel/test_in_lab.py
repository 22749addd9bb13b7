"""The same measurement on Debian's stock kernel, for what the User Mode kernel lacks: WireGuard, XFRM interfaces, FOU.

It runs in a node of the lab, in network namespaces of its own, and leaves the node as it was.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netplan.stack import parse, solve
from tests.lab.conftest import ClusterFactory
from tests.lab.conftest import module_clusters as module_clusters  # a fixture, taken over

from .jobs import job
from .stacks import GCM, WHERE_PRESENT

pytestmark = [pytest.mark.lab, pytest.mark.weight(60)]
HERE = Path(__file__).parent
STACKS = [
    *((stack, 1500, via) for stack, via in WHERE_PRESENT),
    ("ip4/udp/wireguard/ip4", 1501, ""),  # one byte more of link, one byte more inside: no padding at the device MTU
    (f"ip4/{GCM}/udp/vxlan/eth/ip4", 1500, ""),
]


def test_calc_says_what_the_stock_kernel_does(module_clusters: ClusterFactory) -> None:
    lab = module_clusters()
    node = lab.nodes[0].name
    files = {name: (HERE / name).read_text() for name in ("wire.py", "wireguard.py", "measure.py")}
    files["jobs.json"] = json.dumps([job(*row) for row in STACKS])
    for name, text in files.items():
        lab.exec(node, ["sh", "-c", f"mkdir -p /run/rig && cat > /run/rig/{name}"], stdin=text)
    modules = "modprobe -a wireguard xfrm_interface fou ipip macsec"
    done = lab.exec(node, ["sh", "-c", f"{modules}; python3 -B /run/rig/measure.py /run/rig/jobs.json"])
    rows = [json.loads(line[4:]) for line in done.stdout.splitlines() if line.startswith("ROW ")]
    assert len(rows) == len(STACKS), done.stdout + done.stderr
    for row in rows:
        solution = solve(parse(row["stack"]), row["mtu"])
        expected = (solution.inner_mtu, solution.outer_packet + solution.stack.link_bytes)
        assert (row.get("inner"), row.get("link")) == expected, row
