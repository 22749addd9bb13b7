"""What several drills of the lab do and judge in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netplan.lab.cluster import Lab
from tests.lab.changes import Cluster, Row
from tests.lab.many import everywhere
from tests.lab.pace import answers
from tests.lab.pings import both_ways
from tests.lab.rollout_steps import Rollout
from tests.lab.sink import Sunk, sink

HELD_S = 3  # how long something stays away before we bring it back; pings go on meanwhile


def back(lab: Lab) -> None:
    """Both ways are there again."""
    for node, address in both_ways(lab).items():
        answers(lab, node, address)


def proven_sink(rollout: Rollout) -> Sunk:
    """``verify`` plants a clear packet a direction: a sink that doesn't see them proves nothing."""
    with sink(rollout.lab) as seen:
        rollout.run("verify", ok=True)
    return seen


YES = ("--yes", "--soak", "2")

ALL = ("n1", "n2", "n3", "n4")

THREE = ALL[:3]


def judged(row: Row, *, planted: int, enforced: bool = True, most: int = 1) -> None:
    """Hold the goals over the pairs among the row's members; ``most``: pings that one pair may lose."""
    for pair, stream in row.report.among(row.members).items():
        assert stream.sent > 200, pair
        assert stream.lost <= most, f"{row.name}: {pair} lost {stream.lost} pings\n{row.holes()}"
    assert row.report.dead_flows(row.members) == []
    assert not enforced or row.report.clear(row.since, row.until, row.members) == 0
    assert row.report.planted() >= planted, "the capture has not seen what was planted for it"


def confirmed(cluster: Cluster, bundle: Path, nodes: Sequence[str]) -> None:
    for name, node in cluster.status(bundle).items():
        assert (node["state"]["state"], node["differs"]) == ("confirmed", []), name
        assert node["states"] == 4 * (len(nodes) - 1), f"{name} has {node['states']} SAs"
        assert node["guard"]["mode"] == "drop"


def forget(lab: Lab, names: Sequence[str], gone: Sequence[str]) -> None:
    """Have nodes forget others, as in a cluster that never knew them: packets to those would be in clear."""
    lines = []
    for node in lab.nodes:
        if node.name in gone:
            lines += [f"ip route del {node.pod_cidr}", f"ip route del {node.pod_cidr.partition('/')[0]}/32"]
            lines += [f"bridge fdb del 00:00:00:00:00:00 dev ov0 dst {node.underlay_address} self"]
    everywhere(lab, {name: ["sh", "-ec", "; ".join(lines)] for name in names})
