"""Every combination of mode, protection, authentication, family, topology, overlay and NAT-T: planned or refused.

`pytest -s tests/unit/test_combinations.py` prints the list.
"""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

from netplan import bundle
from netplan.load import LoadedPlan
from netplan.model import PlanFile
from netplan.problems import errors
from netplan.source import Source
from netplan.validate import validate

from .conftest import make_planned

MESHES: dict[str, Any] = {
    "pairs": "pairs", "hub": {"hub": "n1"}, "zones": {"zones": ["zone_a", "zone_b"]},
    "between": {"between": [["n1", "n2"], ["n2", "n3"]]}, "trap-any": "trap-any",
}  # fmt: skip


def test_each_is_planned_or_refused_with_a_reason() -> None:
    outcomes: Counter[str] = Counter()
    for mode, protect, auth, family, (name, mesh), overlay, nat in itertools.product(
        ("transport", "tunnel"), ("overlay", "hosts"), ("certificates", "psk"), ("ipv4", "ipv6"), MESHES.items(),
        ("vxlan", "geneve"), ("always", "never"),
    ):  # fmt: skip
        file = {
            "underlay": {"family": family},
            "ipsec": {"mode": mode, "protect": protect, "auth": auth, "mesh": mesh, "nat_traversal": nat},
            "overlay": {"type": overlay},
        }
        words = f"{mode:9} {protect:7} {auth:12} {family} {name:8} {overlay:6} NAT-T {nat:6}"
        loaded = PlanFile.model_validate({"name": "demo", "inventory": "i", **file})
        found = errors(validate(LoadedPlan(loaded, Source("plan.yaml"), Path("plan.yaml"))))
        if found:
            assert all(p.message and p.hint for p in found)
            outcomes["refused"] += 1
            print(f"{words}  refused: {found[0].message}")
            continue
        plan = make_planned(3, **file).plan
        files = bundle.build(plan)  # reads every swanctl.conf back
        assert sum(f.path.endswith("conf.d/ipsecplan.conf") for f in files) == 3
        outcomes["planned"] += 1
        print(f"{words}  pod MTU {plan.pod_mtu}")
    print(dict(outcomes))
    assert outcomes == {"planned": 128, "refused": 192}
