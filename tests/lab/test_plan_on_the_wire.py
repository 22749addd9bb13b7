"""The plan and the packets agree to the byte: VXLAN and Geneve over IPv4 and IPv6, after a real apply.

``make test`` has a tunnel of Geneve over IPv6 in test_strongswan_matrix.py, and the proof's own sizes everywhere.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from netplan import pipeline

from .command import ipsecplan
from .conftest import ClusterFactory
from .wire import sizes_are_as_planned

pytestmark = [pytest.mark.lab, pytest.mark.drill]


@pytest.mark.parametrize(("overlay", "family"), [(o, f) for o in ("vxlan", "geneve") for f in ("ipv4", "ipv6")])
def test_the_largest_packet_is_the_planned_one(
    clusters: ClusterFactory, tmp_path: Path, overlay: str, family: str
) -> None:
    lab = clusters(nodes=2, family=family, overlay=overlay)
    plan = pipeline.make(lab.plan).plan
    ipsecplan("render", str(lab.plan), "--to", "bundle", cwd=tmp_path)
    proof = ipsecplan("apply", "bundle", "--yes", cwd=tmp_path)
    mtu, outer = plan.pod_mtu, plan.limiting.worst.solution.outer_packet
    for one, other in (("n1", "n2"), ("n2", "n1")):
        line = next(line for line in proof.splitlines() if line.split()[:3] == [one, "->", other])
        for words in (f"DF {mtu} passes", f"{mtu + 1} refused", f"outer {outer}", "0 plaintext (1 planted, seen)"):
            assert words in line
    sizes_are_as_planned(lab, plan)
