"""From typed input to numbers: classes, path rules, NAT traversal, several proposals, initiators."""

from __future__ import annotations

from collections import Counter

import pytest

from netplan.model.ids import is_initiator, node_id, pair_id
from netplan.stack import parse, solve
from tests.support.plans import make_planned


def test_the_headline_number() -> None:
    plan = make_planned().plan
    assert plan.pod_mtu == 1416
    assert [c.pairs for c in plan.classes] == [3]
    assert sum(row.bytes for row in plan.limiting.worst.solution.ledger) == 1500


@pytest.mark.parametrize(
    ("file", "mtu"),
    [
        ({"overlay": {"type": "geneve"}}, 1416),
        ({"ipsec": {"nat_traversal": "always"}}, 1408),
        ({"ipsec": {"esp": ["aes256-sha256-x25519"]}}, 1408),
        ({"underlay": {"family": "ipv6"}}, 1396),
        ({"underlay": {"family": "ipv6"}, "ipsec": {"esp": ["aes128-sha256-x25519"]}}, 1376),
        ({"underlay": {"mtu": 9000}}, 8916),
        ({"ipsec": {"mode": "tunnel"}}, 1396),
        ({"ipsec": {"mode": "tunnel", "nat_traversal": "always", "esp": ["aes128-sha256-x25519"]}}, 1372),
        ({"ipsec": {"mode": "tunnel"}, "underlay": {"family": "ipv6"}}, 1356),
    ],
)
def test_the_plan_agrees_with_the_stack_it_names(file: dict[str, object], mtu: int) -> None:
    plan = make_planned(**file).plan
    worst = plan.limiting.worst
    assert plan.pod_mtu == mtu
    assert solve(parse(worst.stack.text), plan.limiting.link_mtu).inner_mtu == mtu
    assert plan.outer_packet(plan.limiting) == worst.solution.outer_packet


def test_several_proposals_are_safe_for_the_worst_and_name_it() -> None:
    plan = make_planned(ipsec={"esp": ["aes256gcm16-x25519", "aes256-sha512-x25519"]}).plan
    assert plan.pod_mtu == 1392
    assert plan.limiting.worst.proposal.text == "aes256-sha512-x25519"
    # what travels is the preferred proposal with the safe size
    assert plan.outer_packet(plan.limiting) == 1476


def test_a_slow_host_and_a_slow_path_make_classes() -> None:
    plan = make_planned(
        6, {6: {"underlay_mtu": 1400}}, underlay={"paths": [{"between": ["zone_a", "zone_b"], "mtu": 1450}]}
    ).plan
    by_link = {c.link_mtu: c for c in plan.classes}
    assert {link: c.pairs for link, c in by_link.items()} == {1500: 3 + 1, 1450: 6, 1400: 5}
    assert by_link[1450].limited_by == "the path zone_a - zone_b"
    assert plan.limiting.link_mtu == 1400
    counted = Counter(pair.pair_class.link_mtu for pair in plan.pairs())
    assert counted == {1500: 4, 1450: 6, 1400: 5}


def test_nat_is_decided_for_each_pair() -> None:
    plan = make_planned(3, {2: {"behind_nat": True}}).plan
    assert {(c.nat_t, c.inner_mtu, c.pairs) for c in plan.classes} == {(True, 1408, 2), (False, 1416, 1)}


def test_every_pair_has_one_initiator_and_the_load_is_even() -> None:
    ids = [node_id("demo", f"n{n}") for n in range(60)]
    assert len(set(ids)) == 60
    started: Counter[str] = Counter()
    for i, one in enumerate(ids):
        for other in ids[i + 1 :]:
            assert is_initiator(one, other) != is_initiator(other, one)
            assert pair_id(one, other) == pair_id(other, one)
            started[one if is_initiator(one, other) else other] += 1
    assert min(started.values()) > 15
    assert max(started.values()) < 45


def test_classes_not_pairs_carry_the_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    import netplan.plan

    calls = []
    monkeypatch.setattr(netplan.plan.build, "solve", lambda *a: calls.append(a) or solve(*a))
    plan = make_planned(400, {n: {"underlay_mtu": 1500 - n % 4} for n in range(1, 401)}).plan
    assert sum(c.pairs for c in plan.classes) == 400 * 399 // 2
    assert len(calls) == len(plan.classes) == 4


def test_dual_stack_is_safe_for_the_worst_family_and_exact_on_the_wire() -> None:
    four, six, dual = (make_planned(underlay={"family": f}).plan for f in ("ipv4", "ipv6", "dual"))
    assert (four.pod_mtu, six.pod_mtu, dual.pod_mtu) == (1416, 1396, 1396)
    assert dual.limiting.worst.stack.text == six.limiting.worst.stack.text
    assert dual.nodes == four.nodes  # the overlay runs over IPv4
    assert dual.outer_packet(dual.limiting) == 1480  # 1396 inside, over IPv4
    cbc = [make_planned(underlay={"family": f}, ipsec={"esp": ["aes128-sha256-x25519"]}).plan for f in ("ipv6", "dual")]
    assert cbc[0].pod_mtu == cbc[1].pod_mtu == 1376
