"""Which pairs are protected: hub, zones, explicit pairs; the guard names those peers only, the rest is said aloud."""

from __future__ import annotations

import dataclasses
import itertools
import re

import pytest

from netplan.agent.transaction import deferred_pairs
from netplan.bundle import build
from netplan.bundle.node_json import node_facts
from netplan.host import guard
from netplan.ipsec import swanctl
from netplan.ipsec.swanctl_parser import read
from netplan.model.planfile import PlanFile
from netplan.plan.notes import consequences
from netplan.plan.types import Plan
from netplan.problems import ProblemError
from tests.support.plans import make_planned

TOPOLOGIES = {
    "full-mesh": lambda a, b: a != b,
    "hub": lambda a, b: "n1" in (a, b),
    "zones": lambda a, b: (int(a[1:]) - int(b[1:])) % 2,
    "between": lambda a, b: {a, b} in ({"n1", "n2"}, {"n3", "n4"}, {"n2", "n5"}),
}


def topology(name: str) -> object:
    return {
        "hub": {"hub": "n1"},
        "zones": {"zones": ["zone_a", "zone_b"]},
        "between": {"between": [["n1", "n2"], ["n4", "n3"], ["n5", "n2"]]},
    }.get(name, name)


@pytest.mark.parametrize("network", ["demo", "storage"])
def test_a_pair_is_the_same_by_itself_and_among_the_neighbours(network: str) -> None:
    """Its id and who begins: the managed end towards a host that is managed elsewhere, whichever way it is asked."""
    plan = make_planned(5, {3: {"ipsecplan_managed": False}}).plan
    fabric = dataclasses.replace(plan.main, name="" if network == "demo" else network)
    seen = []
    for one, other in itertools.permutations(fabric.nodes, 2):
        pair = fabric.pair(one, other)
        assert pair == fabric.pair(other, one)
        assert (plan.pair(one, other) == pair) == (network == "demo")
        if one.managed:
            neighbour = next(found for peer, found in fabric.peers(one) if peer.id == other.id)
            assert (neighbour.id, neighbour.initiator.id) == (pair.id, pair.initiator.id)
        assert {pair.initiator.id, pair.responder.id} == {one.id, other.id}
        assert pair.initiator.managed
        seen.append(pair.id)
    assert len(set(seen)) == 10
    assert len({pair.initiator.id for pair in fabric.pairs()}) > 2


def planned(name: str, **more: object) -> Plan:
    return make_planned(5, ipsec={"topology": topology(name)}, **more).plan


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_exactly_the_pairs_of_the_topology_are_protected(name: str) -> None:
    plan = planned(name)
    for one, other in itertools.combinations(plan.nodes, 2):
        assert plan.class_of(one, other).protected == bool(TOPOLOGIES[name](one.name, other.name)), (
            one.name,
            other.name,
        )
    assert sum(c.pairs for c in plan.classes) == 10
    protected = sum(c.pairs for c in plan.classes if c.protected)
    assert protected == sum(bool(TOPOLOGIES[name](a.name, b.name)) for a, b in itertools.combinations(plan.nodes, 2))
    assert protected == sum(len(list(plan.peers(n))) for n in plan.nodes) / 2
    said = [s for s in consequences(plan) if "stay clear" in s]
    assert bool(said) == (protected < 10)
    if said:
        assert said[0].startswith(f"{10 - protected} of 10 pairs stay clear")


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_files_guard_and_facts_name_the_same_peers(name: str, family: str) -> None:
    plan = planned(name, underlay={"family": family})
    files = {f.path: f.text for f in build.build(plan)}
    for node in plan.nodes:
        peers = {peer.address for peer, _ in plan.peers(node)}
        under = f"nodes/{node.id}/"
        conf = swanctl.connections_of(read(files[under + "etc/swanctl/conf.d/ipsecplan.conf"]))
        assert {c["remote_addrs"] for c in conf.values()} == peers
        assert {p["address"] for p in node_facts(plan, node)["peers"]} == peers
        # the overlay is one: every node stays reachable over it, encrypted or not
        device = next(text for path, text in files.items() if path.startswith(under) and path.endswith("ov0.network"))
        assert all(other.address in device for other in plan.others(node))
        for mode in ("count", "drop"):
            text = files[under + f"etc/ipsecplan/guard-{mode}.nft"]
            named = set(re.findall(r"[0-9a-f.:]{5,}(?=[,} ])", "".join(re.findall(r"elements = .*", text))))
            assert named == (set() if name == "full-mesh" else peers)


def test_a_clear_pair_on_a_narrow_path_still_limits_the_pods() -> None:
    plan = make_planned(
        5,
        ipsec={"topology": {"between": [["n1", "n2"], ["n3", "n4"], ["n5", "n1"]]}},
        underlay={"paths": [{"between": ["n2", "n3"], "mtu": 1300}]},
    ).plan
    assert not plan.limiting.protected
    assert plan.pod_mtu == 1250  # 1300 without ESP: 50 bytes of VXLAN over IPv4
    assert {c.inner_mtu for c in plan.classes} == {1416, 1450, 1250}


def test_zones_leave_nobody_alone_or_say_so() -> None:
    with pytest.raises(ProblemError) as raised:
        make_planned(4, ipsec={"topology": {"between": [["n1", "n2"]]}})
    assert [p.code for p in raised.value.problems] == ["IPP408", "IPP408"]
    assert "'n3'" in raised.value.problems[0].message


def test_a_hub_of_one_group_with_itself() -> None:
    plan = make_planned(4, ipsec={"topology": {"hub": "zone_a"}}).plan
    names = {tuple(sorted((p.initiator.name, p.responder.name))) for p in plan.pairs() if p.pair_class.protected}
    assert names == {("n1", "n2"), ("n1", "n3"), ("n1", "n4"), ("n2", "n3"), ("n3", "n4")}


@pytest.mark.parametrize(
    ("value", "text"),
    [("full-mesh", "full-mesh"), ({"hub": "gw"}, "hub: gw"), ({"zones": ["a", "b"]}, 'zones: ["a", "b"]')],
)
def test_the_topology_says_what_it_is(value: object, text: str) -> None:
    file = PlanFile.model_validate({"name": "demo", "inventory": "i", "ipsec": {"topology": value}})
    assert str(file.ipsec.topology) == text


def test_the_guard_takes_addresses_only() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        guard.ruleset(4789, drop=True, peers=["10.0.0.1 }; flush ruleset"])


@pytest.mark.parametrize("family", ["ipv4", "dual"])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_each_peer_of_a_node_has_a_block_policy_and_nobody_else(name: str, family: str) -> None:
    ipsec = {"topology": topology(name), **({"protect": "hosts"} if family == "dual" else {})}
    plan = make_planned(5, ipsec=ipsec, underlay={"family": family}).plan
    for node in plan.nodes:
        files = {file.path: file.text for file in build.node_files(plan, node)}
        policies, peers = (files[f"nodes/{node.id}/etc/ipsecplan/{file}"] for file in ("floor-all", "peers"))
        blocked = [line.split()[8] for line in deferred_pairs.floor(policies, peers, node.address).splitlines()]
        assert blocked == [f"{peer.address}/32" for peer in plan.main.neighbours(node).peers]
