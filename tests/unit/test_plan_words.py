"""What is said of a plan, word for word: what follows from its numbers, its one line, and its JSON.

One file for each plan in tests/cases/plans; ``make golden`` writes them anew, then read the difference.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from netplan.plan import lives
from netplan.plan.notes import consequences, sum_of
from netplan.plan.types import Plan
from tests.support.golden import check
from tests.support.plans import make_planned

ROOT = Path(__file__).parents[1] / "cases" / "plans"
OLD, NEW = {"strongswan_version": "5.9.8"}, {"strongswan_version": "6.1.0"}
PQ = {**NEW, "strongswan_algorithms": ["AES_GCM_16", "CURVE_25519", "ML_KEM_768", "ECP_384", "PRF_HMAC_SHA2_384"]}
ZONES = {"topology": {"zones": ["zone_a", "zone_b"]}}
STORAGE = {"family": "dual", "networks": [{"name": "storage", "mtu": 9000}]}
TWO = ["aes256gcm16-x25519", "aes256-sha512-x25519"]


def on_storage(*numbers: int) -> dict[int, dict[str, Any]]:
    return {n: {"underlay_networks": {"storage": {"address": f"10.1.0.{n}"}}} for n in numbers}


PLANS: dict[str, tuple[int, dict[int, dict[str, Any]], dict[str, Any]]] = {
    "alike": (3, {}, {}),
    "classes": (6, {2: {"underlay_mtu": 1450}, 4: {"behind_nat": True}, 5: {"underlay_mtu": 1450}}, {}),
    "two-proposals": (3, {1: OLD, 2: NEW, 3: NEW}, {"ipsec": {"esp": TWO}}),
    "tunnel-six": (3, {}, {"underlay": {"family": "ipv6"}, "ipsec": {"mode": "tunnel", "esp": ["aes128-sha1-x25519"]}}),
    "zones": (5, {}, {"ipsec": ZONES}),
    "trap-any": (3, {1: OLD, 2: PQ, 3: PQ}, {"ipsec": {"topology": "trap-any", "profile": "pq-hybrid"}}),
    "hosts": (3, {3: {"underlay_mtu": 1450}}, {"ipsec": {"protect": "hosts"}}),
    "hosts-six": (3, {}, {"underlay": {"family": "ipv6"}, "ipsec": {"protect": "hosts", "clear": []}}),
    "networks": (7, on_storage(1, 2), {"underlay": STORAGE, "ipsec": {"protect": "hosts"}}),
    "networks-one-absent": (3, on_storage(1, 2), {"underlay": STORAGE, "ipsec": {"protect": "hosts"}}),
    "networks-clear": (4, on_storage(1, 3), {"underlay": STORAGE, "ipsec": {"protect": "hosts", **ZONES}}),
    "hybrid": (3, {1: OLD, 2: PQ, 3: PQ}, {"ipsec": {"profile": "pq-hybrid"}}),
    "busy": (3, {}, {"ipsec": {"lifetimes": {"packets": 1_200_000}}}),
    "unmanaged": (3, {3: {"ipsecplan_managed": False, **NEW}}, {}),
    "refused-by-its-network": (3, {}, {"cni": {"plugin": "openshift", "options": {"from": "1400"}}}),
}


def told(plan: Plan) -> str:
    found = plan.as_json()
    for one in found["classes"]:
        for proposal in one["proposals"]:
            del proposal["ledger"], proposal["link_ledger"]  # tests/cases/stack has them
    warned = [f"{p.code} {p.message} / {p.hint}" for p in lives.problems(plan)]
    return "\n".join([*consequences(plan), sum_of(plan), *warned, json.dumps(found, indent=1)]) + "\n"


def test_each_file_is_one_of_a_plan() -> None:
    assert {path.name for path in ROOT.iterdir()} == PLANS.keys()


@pytest.mark.parametrize("name", PLANS)
def test_what_is_said_of_a_plan_is_worded_as_before(name: str) -> None:
    count, hosts, keys = PLANS[name]
    check(ROOT / name, told(make_planned(count, hosts, **keys).plan))
