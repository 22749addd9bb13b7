"""Every combination of mode, protection, authentication, family, topology, overlay and NAT-T: planned or refused.

One in four of what is planned is built too. `IPSECPLAN_DRILLS=1 pytest -s tests/unit/test_combinations.py` builds and
prints all of it; tests/lab/test_strongswan_matrix.py runs it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from netplan.bundle import build
from netplan.inputs.load import LoadedPlan
from netplan.inputs.rules import validate
from netplan.inputs.yaml_source import Source
from netplan.model.planfile import PlanFile
from netplan.problems import errors
from tests.sizes import size
from tests.support.plans import make_planned

from ..combinations import every


def test_each_is_planned_or_refused_with_a_reason() -> None:
    outcomes: Counter[str] = Counter()
    for one in every():
        loaded = PlanFile.model_validate({"name": "demo", "inventory": "i", **one.file()})
        found = errors(validate(LoadedPlan(loaded, Source("plan.yaml"), Path("plan.yaml"))))
        if found:
            assert all(p.message and p.hint for p in found)
            outcomes["refused"] += 1
            print(f"{one.name}  refused: {found[0].message}")
            continue
        outcomes["planned"] += 1
        if outcomes["planned"] % size(4, 1):
            continue
        plan = make_planned(3, **one.file()).plan
        files = build.build(plan)  # reads every swanctl.conf back
        names = [f.path.rsplit("/", 1)[-1] for f in files if "/etc/" in f.path and "sysctl.d" not in f.path]
        assert names.count("pairs.conf" if one.topology == "trap-any" else "ipsecplan.conf") >= 3
        print(f"{one.name}  pod MTU {plan.pod_mtu}")
    print(dict(outcomes))
    assert outcomes == {"planned": 1012, "refused": 1148}
