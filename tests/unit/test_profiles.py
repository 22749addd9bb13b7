"""Profiles, lifetimes and capabilities: what is offered to whom, and why not more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netplan.inputs.load import LoadedPlan
from netplan.inputs.rules import validate
from netplan.inputs.yaml_source import Source
from netplan.ipsec import connections, swanctl
from netplan.ipsec.swanctl_parser import read
from netplan.model import lifetimes
from netplan.model.planfile import PlanFile
from netplan.model.proposals import IkeProposal, esp_proposal, ike_proposal
from netplan.model.proposals.capabilities import Capabilities, algorithms, version
from netplan.model.proposals.profiles import PROFILES
from netplan.problems import ProblemError, errors
from tests.support.plans import make_planned

DEBIAN_12 = {"strongswan_version": "5.9.8-5+deb12u6"}
ML_KEM = {
    "strongswan_version": "6.0.2",
    "strongswan_algorithms": "AES_GCM_16 CURVE_25519 ECP_384 PRF_HMAC_SHA2_384 ML_KEM_768 ML_KEM_1024",
}


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_valid_by_its_own_rules(name: str) -> None:
    file = PlanFile.model_validate({"name": "demo", "inventory": "i", "ipsec": {"profile": name}})
    assert tuple(file.ipsec.esp) == PROFILES[name].esp
    assert tuple(file.ipsec.ike) == PROFILES[name].ike
    assert errors(validate(LoadedPlan(file, Source("plan.yaml"), Path("plan.yaml")))) == []


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_plans_where_all_nodes_can_do_everything(name: str) -> None:
    every = sorted(
        set().union(
            *(p.needs for x in PROFILES.values() for t in x.esp if (p := esp_proposal(t))),
            *(p.needs for x in PROFILES.values() for t in x.ike if isinstance(p := ike_proposal(t), IkeProposal)),
        )
    )
    hosts = {n: {"strongswan_version": "6.0.4", "strongswan_algorithms": every} for n in (1, 2, 3)}
    plan = make_planned(3, hosts, ipsec={"profile": name}).plan
    assert len(plan.classes) == 1
    assert plan.classes[0].offer.esp == tuple(f"{text}-esn-noesn" for text in PROFILES[name].esp)
    assert plan.classes[0].offer.downgrades == ()
    assert "aes256gcm16" in plan.limiting.worst.proposal.suite or plan.pod_mtu == 1408


def test_a_mixed_fleet_offers_each_pair_what_both_ends_know_and_says_why_not_more() -> None:
    hosts = {1: DEBIAN_12, 2: ML_KEM, 3: ML_KEM, 4: {"strongswan_version": "6.0.1"}}
    plan = make_planned(4, hosts, ipsec={"profile": "pq-hybrid"}).plan
    by_name = {node.name: node for node in plan.nodes}

    def offered(one: str, other: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        found = plan.class_of(by_name[one], by_name[other]).offer
        return found.esp, found.downgrades

    assert offered("n2", "n3") == (tuple(f"{text}-esn-noesn" for text in PROFILES["pq-hybrid"].esp), ())
    esp, why = offered("n1", "n2")
    assert esp == ("aes256gcm16-x25519-esn-noesn",)
    assert why[0] == (
        "aes256gcm16-x25519-ke1_mlkem768 is not offered: strongSwan 5.9.8 has no additional key exchanges (RFC 9370); "
        "they came with 6.0.0"
    )
    # Debian 13's 6.0.1 has no plugin for ML-KEM: a version alone is not enough
    assert "nobody has seen ML_KEM_768" in offered("n3", "n4")[1][0]
    # 5.9.8 discards a connection with a keyword it does not know, so it must never see one
    for peer, pair in plan.peers(by_name["n1"]):
        assert "ke1_" not in "".join(pair.pair_class.offer.esp + pair.pair_class.offer.ike), peer
    assert "ke1_" not in connections.connection_file(plan, by_name["n1"])
    text = connections.connection_file(plan, by_name["n2"])
    assert len(set(re.findall(r"^ *esp_proposals = (.*)$", text, re.MULTILINE))) == 2


def test_no_common_proposal_is_refused_at_the_host() -> None:
    with pytest.raises(ProblemError) as raised:
        make_planned(2, {1: DEBIAN_12, 2: ML_KEM}, ipsec={"profile": "cnsa2"})
    assert {p.code for p in raised.value.problems} == {"IPP408"}
    assert any("'n1'" in p.message and "5.9.8" in p.message for p in raised.value.problems)


def test_one_proposal_in_common_is_what_counts_for_the_mtu() -> None:
    only_cbc = {
        "strongswan_version": "5.9.8",
        "strongswan_algorithms": "AES_CBC HMAC_SHA2_256_128 MODP_2048 "
        "PRF_HMAC_SHA2_256 PRF_HMAC_SHA2_384 AES_GCM_16 ECP_384",
    }
    esp = ["aes256gcm16-x25519", "aes256-sha256-modp2048"]
    plan = make_planned(3, {3: only_cbc}, ipsec={"esp": esp}).plan
    found = {c.pairs: [s.proposal.text for s in c.sized] for c in plan.classes}
    assert found == {1: esp, 2: esp[1:]}
    assert plan.pod_mtu == 1408


def test_list_algs_is_read() -> None:
    text = "encryption:\n  AES_CBC[openssl]\naead:\n  AES_GCM_16[openssl]\ndh:\n  CURVE_25519[openssl]\n"
    assert algorithms(text) == ("AES_CBC", "AES_GCM_16", "CURVE_25519")


@pytest.mark.parametrize(
    ("text", "found"),
    [("5.9.8", (5, 9, 8)), ("6.0.1-6+deb13u7", (6, 0, 1)), ("6", None), ("", None), ("Linux", None)],
)
def test_versions(text: str, found: tuple[int, ...] | None) -> None:
    assert version(text) == found


def test_an_unknown_version_is_trusted_with_what_every_build_has_and_nothing_else() -> None:
    nobody = Capabilities()
    assert nobody.lacks(esp_proposal("aes256gcm16-x25519")) is None  # type: ignore[arg-type]
    assert nobody.lacks(esp_proposal("aes256gcm16-x448")) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("aes256gcm16-prfsha384-ecp384", None),
        ("aes256-sha256-modp3072", None),
        ("aes256gcm16-prfsha384-x25519-ke1_mlkem768", None),
        ("aes256gcm16-ecp384", "needs a PRF"),
        ("aes256-modp3072", "needs integrity"),
        ("aes256gcm16-sha384-prfsha384-ecp384", "excludes sha384"),
        ("aes256gcm16-prfsha384", "one key exchange"),
        ("aes256gcm16-prfsha384-ecp384-ecp256", "two key exchanges"),
        ("aes256gcm16-prfsha384-ecp384-ke1_mlkem768-ke1_mlkem512", "twice"),
        ("aes256gcm16-prfsha384-ecp384-ke8_mlkem768", "ke8_mlkem768 is no"),
        ("sha256-ecp384", "does not begin with a cipher"),
        ("aes256gcm16 prfsha384", "not keywords"),
    ],
)
def test_ike_proposals(text: str, why: str | None) -> None:
    found = ike_proposal(text)
    assert isinstance(found, IkeProposal) if why is None else isinstance(found, str) and why in found


@pytest.mark.parametrize(("text", "life"), [("1h", 3600), ("90m", 5400), ("3600s", 3600), ("1d", 86400)])
def test_times(text: str, life: int) -> None:
    assert lifetimes.seconds(text) == life
    assert lifetimes.seconds(lifetimes.duration(life)) == life


@pytest.mark.parametrize("text", ["", "h", "1 h", "-1h", "0h", "1.5h", "1w", "4h\n"])
def test_no_times(text: str) -> None:
    assert lifetimes.seconds(text) is None


def test_the_longest_life_is_within_the_limit_that_the_hint_names() -> None:
    for limit in (3600, 4 * 3600, 8 * 3600, 86400):
        assert lifetimes.longest(lifetimes.shortest(limit)) <= limit


def test_lifetimes_reach_the_file_and_the_responder_waits_longer() -> None:
    plan = make_planned(6, ipsec={"lifetimes": {"ike": "2h", "child": "40m"}}).plan
    text = connections.connection_file(plan, plan.nodes[0])
    found = swanctl.connections_of(read(text))
    lives = {(c["rekey_time"], next(iter(c["children"].values()))["rekey_time"]) for c in found.values()}
    assert lives == {("2h", "40m"), ("150m", "50m")}
