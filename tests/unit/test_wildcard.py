"""``topology: trap-any`` in a plan: one connection of one size, one list of proposals, and what it does not go with."""

from __future__ import annotations

import dataclasses
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netplan.bundle import build
from netplan.bundle.node_json import node_facts
from netplan.ipsec import connections, trap_any
from netplan.ipsec.impact import Impact, Side, changes
from netplan.ipsec.swanctl import connections_of, start_file
from netplan.ipsec.swanctl_parser import read
from netplan.plan.notes import consequences
from netplan.plan.types import Plan
from netplan.problems import ProblemError
from tests.support.plans import make_planned

ANY = {"ipsec": {"topology": "trap-any"}}
SMALL = {"strongswan_version": "5.9.8"}
LARGE = {
    "strongswan_version": "6.0.2",
    "strongswan_algorithms": ["AES_GCM_16", "CURVE_25519", "ML_KEM_768", "ECP_384", "PRF_HMAC_SHA2_384"],
}


def file_of(plan: Plan, number: int = 0) -> str:
    return trap_any.connection_file(plan, plan.nodes[number])


def test_the_file_has_one_size_whatever_the_cluster_has() -> None:
    sizes = {count: len(file_of(make_planned(count, **ANY).plan).encode()) for count in (2, 10, 1000)}
    large = make_planned(1000, **ANY).plan
    rehearsal = len(connections.connection_file(large, large.nodes[0]).encode())
    print(f"\nany.conf: {sizes[10]} bytes for 10 peers, {sizes[1000]} for 1,000; pairs.conf for 1,000: {rehearsal}")
    assert max(sizes.values()) - min(sizes.values()) <= 8 * len("0")  # digits of a subnet, four times, and its width
    assert sizes[1000] < 1800


@given(st.lists(st.integers(1, 2**32 - 2), min_size=2, max_size=6, unique=True))
def test_the_span_holds_every_host_and_is_the_smallest_that_does(numbers: list[int]) -> None:
    plan = make_planned(2, **ANY).plan
    nodes = tuple(dataclasses.replace(plan.nodes[0], address=str(a)) for a in map(ipaddress.IPv4Address, numbers))
    held = dataclasses.replace(plan, fabrics=(dataclasses.replace(plan.main, nodes=nodes),))
    network = ipaddress.ip_network(trap_any.span(held))
    assert all(ipaddress.ip_address(node.address) in network for node in nodes)
    assert network.prefixlen < 32
    halves = list(network.subnets())
    assert not any(all(ipaddress.ip_address(node.address) in half for node in nodes) for half in halves)


def test_what_lies_on_a_node() -> None:
    plan = make_planned(4, **ANY).plan
    files = {f.path: f for f in build.build(plan)}
    for node in plan.nodes:
        under = f"nodes/{node.id}/"
        assert under + "etc/swanctl/conf.d/ipsecplan.conf" not in files, "the node puts one of two there"
        pairs, rest = (files[under + f"etc/ipsecplan/{name}.conf"] for name in ("pairs", "any"))
        assert (pairs.mode, rest.mode) == ("0640", "0640")
        found = connections_of(read(pairs.text + start_file("none")))
        assert {c["remote_addrs"] for c in found.values()} == {p.address for p, _ in plan.peers(node)}
        assert "unique = no" in pairs.text, "the wildcard's IKE_SAs live beside those of a rollout"
        (one,) = connections_of(read(rest.text + start_file("trap"))).values()
        assert one["remote"]["id"] == "%any"
        assert one["remote"]["cacerts"] == "ipsecplan-ca.pem, ipsecplan-ca-next.pem"
        assert {child["start_action"] for child in one["children"].values()} == {"trap"}
        assert one["proposals"] == next(iter(found.values()))["proposals"]
        facts = node_facts(plan, node)
        assert facts["wildcard"] == trap_any.span(plan)
        assert "elements" not in files[under + "etc/ipsecplan/guard-drop.nft"].text, "the overlay's port, whoever it is"
    assert "wildcard" not in node_facts(make_planned(2).plan, make_planned(2).plan.nodes[0])


def test_all_hosts_get_the_proposals_that_all_know() -> None:
    mixed = make_planned(3, {1: SMALL, 2: LARGE, 3: LARGE}, ipsec={"topology": "trap-any", "profile": "pq-hybrid"}).plan
    pairs = make_planned(3, {1: SMALL, 2: LARGE, 3: LARGE}, ipsec={"profile": "pq-hybrid"}).plan
    assert {c.offer.esp for c in mixed.classes} == {("aes256gcm16-x25519-esn-noesn",)}
    assert len({c.offer.esp for c in pairs.classes}) == 2, "with pairs the two new ones have more"
    assert 'esp_proposals = "aes256gcm16-x25519-esn-noesn"' in file_of(mixed, 1)
    said = [text for text in consequences(mixed) if text.startswith("all pairs: ")]
    assert any("ke1_mlkem768 is not offered: strongSwan 5.9.8 has no additional key exchanges" in text for text in said)
    modern = make_planned(2, {1: LARGE, 2: LARGE}, ipsec={"topology": "trap-any", "profile": "pq-hybrid"}).plan
    assert "mlkem768" in file_of(modern)


def test_nothing_in_common_is_refused_at_the_host_that_lacks_it() -> None:
    with pytest.raises(ProblemError) as raised:
        make_planned(
            3,
            {1: LARGE, 2: SMALL, 3: LARGE},
            ipsec={"topology": "trap-any", "profile": "pq-hybrid", "esp": ["aes256gcm16-x25519-ke1_mlkem768"]},
        )
    (problem,) = raised.value.problems
    assert problem.code == "IPP408"
    assert "strongSwan 5.9.8 has no additional key exchanges" in problem.message


def test_plan_and_review_say_what_is_given_up() -> None:
    plan = make_planned(3, **ANY).plan
    review = next(f.text for f in build.build(plan) if f.path == "REVIEW.md")
    for words in ("can answer for any peer's address", "the ones that every host knows", "has no SA"):
        assert any(words in text for text in consequences(plan))
        assert words in review
    assert "`/etc/ipsecplan/any.conf`" in review


def test_a_change_of_the_mesh_is_named() -> None:
    def side(**ipsec: object) -> Side:
        plan = make_planned(2, ipsec=ipsec).plan
        node = plan.nodes[0]
        found_there = connections_of(read(connections.connection_file(plan, node) + start_file("none")))
        return Side(connections=found_there, facts=node_facts(plan, node), partial=False)

    (found,) = changes(side(), side(topology="trap-any"))
    assert (found.what, found.before, found.after, found.apply) == ("topology", "full-mesh", "trap-any", Impact.NONE)
    (found,) = changes(side(topology="trap-any"), side())
    assert (found.before, found.after) == ("trap-any", "full-mesh")
    assert changes(side(topology="trap-any"), side(topology="trap-any")) == []
