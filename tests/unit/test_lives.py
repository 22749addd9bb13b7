"""The fifteen points of rekeys, clocks and dead peers that good guesses get wrong, each with what we do about it.

Measured with strongSwan 5.9.8 and 6.1.0 and libreswan 5.2 in November 2026: docs/strongswan.md, "Lives, rekeys and
DPD". A point is the number in a test's name; what a node does about 1, 5, 6 and 7 is in test_live_sas and
test_rekey_proof.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.phases import live_sas
from netplan.bundle import build
from netplan.bundle.node_json import node_facts
from netplan.explain.errors import CODE_HELP
from netplan.inputs.load import LoadedPlan
from netplan.inputs.rules import validate
from netplan.inputs.yaml_source import Source
from netplan.ipsec import charon, connections, impact, swanctl, trap_any, unmanaged_peer
from netplan.ipsec.swanctl_parser import read
from netplan.model import lifetimes
from netplan.model.planfile import PlanFile
from netplan.model.proposals.capabilities import Capabilities
from netplan.plan import lives
from netplan.problems import DefectError, ProblemError
from netplan.rollout import phases
from netplan.stack import parse, solve
from tests.support.plans import make_planned

DOCS = Path("docs")
SINCE = {"strongswan_version": "6.1.0"}
WORKS = {**SINCE, "kernel_iptfs": "works", "kernel_per_cpu_sas": "works"}


def files(**about: Any) -> dict[str, str]:
    plan = make_planned(3, **about).plan
    return {file.path: file.text for file in build.build(plan)}


@pytest.fixture(scope="module")
def everything() -> dict[str, str]:
    """The files of a plan for pairs and of one with a wildcard, an unmanaged host among them."""
    pairs = files(host_vars={3: {"ipsecplan_managed": False}})
    return {**pairs, **{f"any/{path}": text for path, text in files(ipsec={"topology": "trap-any"}).items()}}


def settings(everything: dict[str, str]) -> list[str]:
    return [text for path, text in everything.items() if "swanctl" in path or path.endswith(("any.conf", "plan.conf"))]


def test_point_1_nothing_of_ours_reauthenticates(everything: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for text in settings(everything):
        assert not re.search(r"(?m)^\s*reauth_time", text)
    (page,) = (text for path, text in everything.items() if path.endswith("PARAMETERS.md"))
    assert "| reauthentication | off: with it on both ends IKE SAs multiply without end |" in page
    plan = make_planned(2).plan
    original = connections.render

    def with_it(template: str, *words: Any, **values: Any) -> str:
        return original(template, *words, **values).replace(
            "    mobike = no\n", "    mobike = no\n    reauth_time = 3h\n"
        )

    monkeypatch.setattr(connections, "render", with_it)
    with pytest.raises(DefectError, match="does not read back as planned"):
        connections.connection_file(plan, plan.nodes[0])


@pytest.mark.parametrize("life", [300, 301, 1800, 3600, 28800])
def test_point_2_the_end_is_far_behind_the_rekey_and_only_one_end_begins(life: int) -> None:
    assert lifetimes.margin(life) >= lifetimes.LEAST_MARGIN_S == 14
    earliest_of_the_responder = lifetimes.responder(life) - lifetimes.margin(lifetimes.responder(life))
    assert earliest_of_the_responder - life >= lifetimes.LEAST_MARGIN_S, "a rekey of the initiator is over by then"


def test_point_2_a_life_that_ends_too_soon_behind_its_rekey_is_refused(everything: dict[str, str]) -> None:
    file = PlanFile.model_validate({"name": "demo", "inventory": "i", "ipsec": {"lifetimes": {"child": "130s"}}})
    found = validate(LoadedPlan(file, Source("plan.yaml"), Path("plan.yaml")))
    assert [p.code for p in found if "too short" in p.message] == ["IPP409"]
    assert not any(re.search(r"(?m)^\s*(rand_time|life_time)", text) for text in settings(everything)), (
        "strongSwan's tenth, by chance and behind the rekey"
    )


def test_point_3_the_proof_of_a_rekey_costs_no_error_that_is_counted() -> None:
    order = [phase for step in phases.APPLY for phase in step.phases]
    (step,) = (step for step in phases.APPLY if "rekey" in step.phases)
    assert order.index("rekey") < order.index("soak")
    assert "soak" not in step.phases, "another node would count while one rekeys"
    runbook = (DOCS / "runbook-sas.md").read_text(encoding="utf-8")
    for word in ("EINVAL", "EOVERFLOW", "XfrmOutStateInvalid", "ignoring request with ID N, already processing"):
        assert word in runbook


def test_point_4_sequence_numbers_never_run_out_and_a_rate_warns() -> None:
    for initiator in (lifetimes.REKEY_PACKETS, lifetimes.responder(lifetimes.REKEY_PACKETS)):
        assert initiator * 11 // 10 < 2**32, "life_packets is a tenth more"
    fast = {"lifetimes": {"packets": 1_200_000}}
    (warning,) = lives.problems(make_planned(3, ipsec=fast).plan)
    assert (warning.code, warning.severity) == ("IPP405", "warning")
    assert "use up the 2^32 sequence numbers of an SA in 3579 s" in warning.message
    assert "3 pairs without ESN are rekeyed by packets, every 1789 s" in warning.message
    assert warning.hint == (
        "`-esn-noesn` behind each ESP proposal; it is added by itself where `ipsecplan facts` knows the strongSwan of "
        "both ends"
    )
    assert lives.problems(make_planned(3).plan) == []
    assert lives.problems(make_planned(3, ipsec={"lifetimes": {"packets": 400_000}}).plan) == []
    assert lives.problems(make_planned(3, dict.fromkeys((1, 2, 3), SINCE), ipsec=fast).plan) == []


def test_point_4_extended_numbers_are_offered_where_both_ends_can() -> None:
    plan = make_planned(3, {1: SINCE, 2: {"strongswan_version": "5.9.8"}}).plan
    one, two, three = plan.nodes
    assert plan.class_of(one, two).offer.esp == ("aes256gcm16-x25519-esn-noesn",)
    assert plan.class_of(one, three).offer.esp == ("aes256gcm16-x25519",)
    assert plan.class_of(one, two).inner_mtu == plan.class_of(one, three).inner_mtu, "no byte of a packet"
    assert "1 of 3 pairs offer extended sequence numbers" in lives.sentences(plan)[0]
    own = make_planned(2, {1: SINCE, 2: SINCE}, ipsec={"esp": ["aes256gcm16-x25519-noesn"]}).plan
    assert own.classes[0].offer.esp == ("aes256gcm16-x25519-noesn",), "what the plan says counts"


def test_point_4_a_change_to_both_kinds_leaves_something_in_common() -> None:
    def side(esp: str) -> impact.Side:
        plan = make_planned(2, ipsec={"esp": [esp]}).plan
        text = connections.connection_file(plan, plan.nodes[0]) + swanctl.start_file("none")
        return impact.Side(
            connections=swanctl.connections_of(read(text)), facts=node_facts(plan, plan.nodes[0]), partial=False
        )

    plain, both, extended = (side("aes256gcm16-x25519" + more) for more in ("", "-esn-noesn", "-esn"))
    (found,) = impact.changes(plain, both)
    assert found.reload is impact.Impact.NONE
    (found,) = impact.changes(plain, extended)
    assert found.reload is impact.Impact.BLACKHOLE


@pytest.mark.parametrize(("code", "repair"), [("IPP687", "swanctl --rekey --child"), ("IPP685", "systemctl restart")])
def test_points_5_and_7_status_names_them_and_the_runbook_repairs(code: str, repair: str) -> None:
    assert repair in CODE_HELP[code].remedy
    runbook = (DOCS / "runbook-sas.md").read_text(encoding="utf-8")
    assert f"({code})" in runbook
    assert repair in runbook


def test_point_6_every_esp_proposal_with_a_key_exchange_is_proven_by_a_rekey(everything: dict[str, str]) -> None:
    assert any("rekey" in step.phases for step in phases.APPLY)
    (page,) = (text for path, text in everything.items() if path.endswith("PARAMETERS.md"))
    assert "one child SA is rekeyed before the change is kept" in page


def test_point_7_a_charon_that_starts_sweeps_what_it_does_not_know(everything: dict[str, str]) -> None:
    (unit,) = {text for path, text in everything.items() if "strongswan.service.d" in path}
    assert "ExecStartPre=-/bin/sh /usr/local/lib/ipsecplan/guard.sh orphans" in unit


@pytest.mark.parametrize(
    ("peers", "version", "delay"),
    [
        (3, "5.9.8", 20),
        (3, "6.1.0", 20),
        (400, "5.9.8", 20),
        (400, "6.0.0", 20),
        (400, "6.0.1", 80),
        (400, "", 80),
        (1000, "5.9.8", 50),
        (1000, "6.1.0", 200),
    ],
)
def test_point_8_the_delay_follows_the_peers_and_the_version(peers: int, version: str, delay: int) -> None:
    known = Capabilities(tuple(map(int, version.split("."))) if version else ())
    assert lifetimes.dpd_delay(peers, always=known.asks_always) == delay
    assert peers / lifetimes.dpd_delay(peers) <= 5, "questions a second, of a 6.x"


def test_point_8_it_is_in_both_kinds_of_files() -> None:
    plan = make_planned(402, {n: {"strongswan_version": "5.9.8"} for n in range(1, 201)}).plan
    old, new = (next(n for n in plan.nodes if n.name == name) for name in ("n1", "n300"))
    assert "dpd_delay = 21s" in connections.connection_file(plan, old)
    assert "dpd_delay = 81s" in connections.connection_file(plan, new)
    wild = make_planned(402, ipsec={"topology": "trap-any"}).plan
    assert "dpd_delay = 81s" in trap_any.connection_file(wild, wild.nodes[0])


def test_point_9_how_long_a_peer_is_taken_for_alive() -> None:
    values = charon.expected(charon.sizes(3), Capabilities())
    timeout, base, tries = (float(values[f"retransmit_{key}"]) for key in ("timeout", "base", "tries"))
    gives_up = sum(timeout * base**n for n in range(int(tries) + 1))
    assert round(gives_up) == 22
    assert "20 + 22 s" in (DOCS / "runbook-sas.md").read_text(encoding="utf-8")
    assert live_sas.LATE_S > 165, "with strongSwan's own retransmissions a rekey may take so long"


def test_point_10_what_was_lost_is_made_anew_by_its_trap(everything: dict[str, str]) -> None:
    assert not any("dpd_action" in text for text in settings(everything)), "restart crosses the trap: 4 s against 0.4 s"
    assert sum("close_action = none" in text for text in settings(everything)) >= 2


def test_point_11_replay_windows_are_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_planned(2).plan
    assert f"replay_window = {lives.WINDOW}" in connections.connection_file(plan, plan.nodes[0])
    original = connections.render
    monkeypatch.setattr(connections, "render", lambda *a, **k: original(*a, **k).replace("window = 256", "window = 32"))
    with pytest.raises(DefectError):
        connections.connection_file(plan, plan.nodes[0])


def test_point_12_no_rekey_by_bytes_and_room_for_one_by_packets(everything: dict[str, str]) -> None:
    assert not any(re.search(r"(rekey|life)_bytes", text) for text in settings(everything))
    assert lifetimes.REKEY_PACKETS // 10 // lifetimes.LEAST_MARGIN_S > 15_000_000, "packets/s that one SA never has"


def test_point_13_no_connection_leaves_its_proposals_to_a_version(everything: dict[str, str]) -> None:
    for text in settings(everything):
        for found in re.findall(r"(?m)^\s*(?:esp_)?proposals = (.*)$", text):
            assert found.startswith('"'), found
            assert "default" not in found


def test_point_14_what_rekeys_leave_in_memory_is_said_where_it_is_much() -> None:
    assert not any("of each rekey" in said for said in lives.sentences(make_planned(10).plan))
    (said,) = lives.sentences(make_planned(1000).plan)
    assert said.startswith("charon keeps about 200 bytes of each rekey: 3.3 GiB a year with 999 peers")


def test_point_15_the_other_program_has_the_longer_life() -> None:
    plan = make_planned(3, {3: {"ipsecplan_managed": False}}).plan
    (far,) = (node for node in plan.nodes if not node.managed)
    page = unmanaged_peer.parameters(plan, far)
    assert "rekey after 75m or later, at most 4950s" in page
    assert lifetimes.responder(3600) == 4500, "lives aren't negotiated: whoever is earlier rekeys, which is us"


def test_files_say_why(everything: dict[str, str]) -> None:
    head = next(text for path, text in everything.items() if path.endswith("conf.d/ipsecplan.conf"))
    for words in ("comes again 4 s later", "never under 14 s", "half of 2^32", "multiply without end", "come 40 late"):
        assert words in head
    wild = next(text for path, text in everything.items() if path.endswith("/any.conf"))
    assert "no reauth_time" in wild


REFUSED = [
    ({}, "nobody has tried it with a packet there"),
    ({**SINCE, "kernel_iptfs": "drops"}, "its kernel accepts such an SA and then drops every packet"),
    ({**SINCE, "kernel_iptfs": "refused"}, "its kernel refuses such an SA"),
    ({"strongswan_version": "5.9.8", "kernel_iptfs": "works"}, "strongSwan 5.9.8 has no mode = iptfs"),
    ({"kernel_iptfs": "works"}, "nobody has tried it"),
]


@pytest.mark.parametrize(("host", "reason"), REFUSED)
def test_iptfs_is_refused_where_no_packet_came_through(host: dict[str, str], reason: str) -> None:
    with pytest.raises(ProblemError) as raised:
        make_planned(3, {1: WORKS, 2: host, 3: WORKS}, ipsec={"mode": "iptfs"})
    (found,) = raised.value.problems
    assert found.code == "IPP410"
    assert f"host 'n2' can't have ipsec.mode iptfs: {reason}" in found.message.replace('"', "'")
    assert "mode: tunnel" in str(found.hint)


def test_many_hosts_that_lack_it_are_a_number() -> None:
    with pytest.raises(ProblemError) as raised:
        make_planned(30, ipsec={"per_cpu_sas": True})
    assert len(raised.value.problems) == 8
    assert raised.value.problems[-1].message.endswith(", as for 22 more hosts")


def test_iptfs_where_every_host_has_it() -> None:
    plan = make_planned(2, {1: WORKS, 2: WORKS}, ipsec={"mode": "iptfs", "per_cpu_sas": True}).plan
    assert plan.pod_mtu == solve(parse("ip4/esp:aes256gcm16/iptfs/ip4/udp/vxlan/eth/ip4"), 1500).inner_mtu == 1392
    made = {file.path: file.text for file in build.build(plan)}
    node = plan.nodes[0]
    under = f"nodes/{node.id}/etc/"
    assert "    mode = iptfs\n" in made[under + "swanctl/conf.d/ipsecplan.conf"]
    assert "iptfs {\n        dont_frag = yes\n    }" in made[under + "strongswan.d/ipsecplan.conf"]
    starts = [made[f"{under}ipsecplan/start-{action}.conf"] for action in ("none", "trap")]
    assert ["per_cpu_sas = yes" in text for text in starts] == [False, True]
    facts = node_facts(plan, node)["esp"]
    assert (facts["mode"], facts["per_cpu_sas"]) == ("IPTFS", True)


def test_per_cpu_sas_and_a_wildcard_do_not_go_together() -> None:
    ipsec = {"topology": "trap-any", "per_cpu_sas": True}
    file = PlanFile.model_validate({"name": "demo", "inventory": "i", "ipsec": ipsec})
    found = validate(LoadedPlan(file, Source("plan.yaml"), Path("plan.yaml")))
    assert any(p.code == "IPP402" and "per_cpu_sas" in p.message for p in found)


def test_hybrid_key_exchanges_go_to_pairs_that_have_them_and_the_others_have_a_reason() -> None:
    both = {
        "strongswan_version": "6.1.0",
        "strongswan_algorithms": "AES_GCM_16 CURVE_25519 PRF_HMAC_SHA2_384 ML_KEM_768",
    }
    plan = make_planned(3, {1: both, 2: both, 3: {"strongswan_version": "5.9.8"}}, ipsec={"profile": "pq-hybrid"}).plan
    one, two, three = plan.nodes
    assert plan.class_of(one, two).offer.esp[0] == "aes256gcm16-x25519-ke1_mlkem768-esn-noesn"
    why = plan.class_of(one, three).offer.downgrades
    assert why[0].endswith("strongSwan 5.9.8 has no additional key exchanges (RFC 9370); they came with 6.0.0")
