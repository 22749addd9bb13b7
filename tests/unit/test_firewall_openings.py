"""The key ``firewall``: what each host's own firewall has to let in, and nothing more."""

from __future__ import annotations

import pytest

from netplan.bundle import build
from netplan.host.firewall import plan_problems
from tests.support.plans import make_planned


def files_of(**plan: object) -> dict[str, str]:
    return {f.path: f.text for f in build.build(make_planned(3, **plan).plan) if f.path.startswith("cluster/")}  # type: ignore[arg-type]


def test_nothing_without_the_key() -> None:
    assert files_of() == {}


def test_nftables_lets_in_ike_esp_and_the_overlay_from_peers() -> None:
    files = files_of(firewall={"kind": "nftables"}, overlay={"port": 4790})
    rules = [text for path, text in files.items() if path.endswith(".nft")]
    assert len(rules) == 3
    accepted = [line.strip() for line in rules[0].splitlines() if line.strip().endswith("accept")]
    assert accepted == [
        "ip saddr @ipsecplan_peers4 udp dport 500 accept",
        "ip saddr @ipsecplan_peers4 meta l4proto esp accept",
        "ip saddr @ipsecplan_peers4 udp dport 4790 meta ipsec exists accept",
        "icmp type destination-unreachable icmp code frag-needed accept",
    ]
    commands = next(text for path, text in files.items() if path.endswith("COMMANDS")).splitlines()
    assert commands[-1] == "nft insert rule inet filter input jump ipsecplan_in"


def test_behind_nat_there_is_no_plain_esp() -> None:
    files = files_of(firewall={"kind": "nftables"}, ipsec={"nat_traversal": "always"})
    text = next(text for path, text in files.items() if path.endswith(".nft"))
    assert "udp dport { 500, 4500 } accept" in text
    assert "l4proto esp" not in text


def test_firewalld_gets_its_own_files() -> None:
    files = files_of(firewall={"kind": "firewalld", "zone": "internal"}, cni={"plugin": "cilium"})
    service = next(text for path, text in files.items() if path.endswith("services/ipsecplan.xml"))
    assert 'port="8472"' in service, "the network's own port"
    commands = next(text for path, text in files.items() if path.endswith("COMMANDS"))
    assert "--zone=internal" in commands


@pytest.mark.parametrize(
    "firewall",
    [{"table": "inet filter; flush ruleset"}, {"chain": "in put"}, {"zone": "public\n"}, {"table": "filter"}],
)
def test_names_that_could_do_harm_are_refused(firewall: dict[str, str]) -> None:
    plan = make_planned(2, firewall={"kind": "nftables", **firewall}).plan
    assert [p.code for p in plan_problems(plan)] == ["IPP905"]
