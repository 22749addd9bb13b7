"""Everything that is wrong with a plan and its hosts is said in one run, in the order of the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from netplan import pipeline
from netplan.explain.numbers import number
from netplan.problems import Problem, ProblemError, counted
from netplan.stack.transforms import UnknownAlgorithm, esp_transform, usual_name
from tests.support.plans import make_planned

PLAN = """\
name: demo
inventory: inventory.yml
underlay:
  mtu: "x"
ipsec:
  lifetimes: {ike: 4 hours, child: 1d}
"""
INVENTORY = """\
all:
  hosts:
    zz: {underlay_address: 192.0.2.9, pod_cidr: 10.1.9.0/33}
    n2: {underlay_address: 192.0.2.2, pod_cidr: 10.1.2.0/24, underlay_mtu: 99}
    aa: {underlay_address: 192.0.2.3, pod_cidr: [10.1.3.0/24, fd00::/64]}
"""


def wrong(folder: Path, plan: str = PLAN, inventory: str = INVENTORY) -> list[Problem]:
    """Return all problems of a plan and its inventory."""
    (folder / "plan.yaml").write_text(plan)
    (folder / "inventory.yml").write_text(inventory)
    with pytest.raises(ProblemError) as caught:
        pipeline.make(folder / "plan.yaml")
    return list(caught.value.problems)


def places(problems: list[Problem]) -> list[tuple[str, int | None]]:
    return [(Path(str(p.location.path)).name, p.location.line) for p in problems]


def test_a_wrong_type_hides_neither_rules_nor_hosts(tmp_path: Path) -> None:
    found = wrong(tmp_path)
    assert places(found) == [
        *(("plan.yaml", 4), ("plan.yaml", 6), ("plan.yaml", 6)),
        *(("inventory.yml", 3), ("inventory.yml", 4), ("inventory.yml", 5)),
    ]
    assert [p.location.column for p in found[1:3]] == sorted(p.location.column or 0 for p in found[1:3])


def test_what_follows_from_a_missing_value_is_not_said(tmp_path: Path) -> None:
    plan = 'name: demo\ninventory: 5\nunderlay: {mtu: "x", family: ipv6, paths: [{between: [a, b], mtu: 900}]}\n'
    assert [p.code for p in wrong(tmp_path, plan)] == ["IPP208", "IPP208"], "not that 900 is too small for IPv6"


def test_hosts_are_not_read_in_the_light_of_a_guess(tmp_path: Path) -> None:
    plan = "name: demo\ninventory: inventory.yml\nipsec: {protect: hots}\nname2: x\n"
    assert {p.location.path for p in wrong(tmp_path, plan)} == {str(tmp_path / "plan.yaml")}


def test_a_plan_that_is_none_is_said_alone(tmp_path: Path) -> None:
    assert [p.code for p in wrong(tmp_path, "inventory: inventory.yml\nunderlay: 5\n")] == ["IPP207", "IPP208"]


def test_pods_of_two_subnets_are_said_to_be_unsupported(tmp_path: Path) -> None:
    assert "several subnets; one is supported" in wrong(tmp_path)[-1].message


def test_what_limits_a_class_is_named() -> None:
    many = make_planned(60, {n: {"underlay_mtu": 1450} for n in (2, 20, 40, 50, 60)}).plan
    assert many.limiting.limited_by == "5 of 60 hosts: n2, n20, n40, n50 and 1 more"
    one = make_planned(3, {2: {"underlay_mtu": 1450}}).plan
    assert [c.limited_by for c in one.classes] == ["2 of 3 hosts: n1, n3", "1 of 3 hosts: n2"]
    assert make_planned(3).plan.limiting.limited_by == "the link of every host"
    path = make_planned(4, underlay={"paths": [{"between": ["zone_a", "zone_b"], "mtu": 1400}]}).plan
    assert path.limiting.limited_by == "the path zone_a - zone_b"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("aes-256-gcm", "aes256gcm16"),
        ("AES_256_GCM_12-x25519", "aes256gcm12-x25519"),
        ("aes-gcm-16-128", "aes128gcm16"),
        ("aes128-ccm-8", "aes128ccm8"),
        ("chacha20-poly1305", "chacha20poly1305"),
        ("aes256gcm16", None),
        ("aes-256-cbc", None),
        ("aes-512-gcm", None),
    ],
)
def test_names_of_other_programs_are_understood(theirs: str, ours: str | None) -> None:
    assert usual_name(theirs) == ours
    if ours:
        assert esp_transform(theirs.lower()) == esp_transform(ours)


def test_a_name_of_nobody_is_still_refused() -> None:
    with pytest.raises(UnknownAlgorithm):
        esp_transform("aes-512-gcm")


def test_a_weak_cipher_is_said_to_be_one() -> None:
    notes = " ".join(esp_transform("3des-md5").notes)
    assert "64 bits" in notes
    assert "md5 is broken" in notes


def test_numbers_that_everybody_has_heard_are_known() -> None:
    assert "VXLAN" in number(50)[1]
    assert "Cilium" in number(77)[1]
    first = number(1450)[1]
    assert "calico" in first, "asked for more than the clouds with this link"


def test_one_is_not_many() -> None:
    assert (counted(1, "pair"), counted(0, "pair"), counted(2, "pair")) == ("1 pair", "0 pairs", "2 pairs")
