"""What the program renders itself is clean for its own audit: the same numbers from the plan and from the files."""

from __future__ import annotations

import pytest

from netplan.audit import Given, Text, audit
from netplan.bundle.build import build
from tests.support.plans import make_planned

HOSTS = {"ipsec": {"protect": "hosts"}}  # without it a plan with GRE or IPIP is refused
KINDS = {"vxlan": {}, "geneve": {}, "gre": HOSTS, "ipip": HOSTS}
PLANS = [
    *({"overlay": {"type": kind}, **more} for kind, more in KINDS.items()),
    *({"overlay": {"type": kind}, "underlay": {"family": "ipv6"}, **more} for kind, more in KINDS.items()),
    {"overlay": {"type": "geneve"}, "ipsec": {"protect": "hosts"}},
    {"overlay": {"type": "vxlan"}, "ipsec": {"mode": "tunnel", "xfrm_interface": True}},
]


@pytest.mark.parametrize("mtu", [None, 1500])
@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_own_bundle_is_clean(plan, mtu):
    planned = make_planned(3, **plan).plan
    texts = [Text(f.path, f.text) for f in build(planned) if "/etc/" in f.path]
    outcome = audit([t for t in texts if t.text.strip()], Given(link_mtu=mtu, said="--mtu"))
    assert [f for f in outcome.findings if f.code != "IPP918"] == []
    bridges = [v for v in outcome.verdicts if v.setting.system == "bridge"]
    assert bridges
    # which packets go into an XFRM interface is in routes, which no file has
    if "xfrm_interface" not in plan.get("ipsec", {}):
        assert {v.exact for v in bridges} == {planned.pod_mtu}
    assert {v.status for v in bridges} == {"assumed"}
