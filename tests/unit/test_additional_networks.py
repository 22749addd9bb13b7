"""Several networks between the hosts: a connection of its own for each pair on each, and what the node makes of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from netplan.agent.phases import ike, kernel_trial
from netplan.agent.system import addresses, core, xfrm
from netplan.agent.system.core import Done
from netplan.agent.transaction import state, sysctl
from netplan.bundle import build
from netplan.bundle.node_json import node_facts
from netplan.host import firewall
from netplan.ipsec import connections, psk, swanctl, unmanaged_peer
from netplan.ipsec.ca import open_authority
from netplan.ipsec.swanctl_parser import read
from netplan.model.ids import pair_id
from netplan.plan.notes import consequences
from netplan.plan.types import Plan
from netplan.rollout.nodes.targets import Target
from netplan.rollout.nodes.view import deferred_peers, fitted, order, psk_owners
from netplan.verify import reach
from netplan.verify.verdict import judge
from tests.support.plans import make_planned

STORAGE = {"name": "storage", "mtu": 9000}


def plan_of(
    count: int = 3, *, on_storage: int = 2, family: str = "dual", extra: dict[int, Any] | None = None, **ipsec: Any
) -> Plan:
    hosts: dict[int, dict[str, object]] = {
        n: {"underlay_networks": {"storage": {"address": f"10.1.0.{n}"}}} for n in range(1, on_storage + 1)
    }
    for n, more in (extra or {}).items():
        hosts[n] = {**hosts.get(n, {}), **more}
    underlay = {"family": family, "networks": [STORAGE]}
    return make_planned(count, hosts, underlay=underlay, ipsec={"protect": "hosts", **ipsec}).plan


def facts(plan: Plan, number: int = 0) -> dict[str, Any]:
    return node_facts(plan, plan.nodes[number])


def test_each_network_has_its_pairs_its_room_and_its_identities() -> None:
    plan = plan_of()
    one, two, three = plan.nodes
    links = {
        (c.fabric.name, c.remote.name): (c.local.address, c.remote.address, c.pair.id) for c in plan.connections(one)
    }
    assert list(links) == [("", "n2"), ("", "n3"), ("ipv6", "n2"), ("ipv6", "n3"), ("storage", "n2")]
    assert links["", "n2"] == ("10.77.0.11", "10.77.0.12", pair_id(one.id, two.id))
    assert links["storage", "n2"][:2] == ("10.1.0.1", "10.1.0.2")
    assert len({pair for *_, pair in links.values()}) == 5
    back = {(c.fabric.name, c.remote.name): c.pair.id for c in plan.connections(two)}
    assert links["ipv6", "n2"][2] == back["ipv6", "n1"]
    assert [c.fabric.name for c in plan.connections(three)] == ["", "", "ipv6", "ipv6"]
    named = {c.fabric.name: bool(c.local.identity) for c in plan.connections(one)}
    assert named == {"": False, "ipv6": False, "storage": True}, "charon tells the families apart by itself"
    limits = {fabric.name: [fabric.host_packet_limit(c) for c in fabric.classes] for fabric in plan.additional}
    assert limits == {"ipv6": [1466], "storage": [8966]}
    known = facts(plan)
    storage = next(peer for peer in known["peers"] if peer.get("network") == "storage")
    assert (storage["inner_mtu"], storage["outer_packet"], storage["host_over"]) == (8966, 9000, 8967)
    assert known["identities"] == [storage["own_identity"]] != [storage["identity"]]
    assert "host_over" not in next(
        peer for peer in known["peers"] if peer.get("network") == "ipv6"
    )  # sent as fragments
    assert known["networks"] == [
        {"name": "ipv6", "address": "fd00:77::1", "mtu": 1500},
        {"name": "storage", "address": "10.1.0.1", "mtu": 9000},
    ]
    assert plan.as_json()["networks"][1]["classes"][0]["host_mtu"] == 8966


def test_path_nat_and_link_count_for_each_network_alone() -> None:
    underlay = {
        "networks": [{**STORAGE, "paths": [{"between": ["zone_a", "zone_b"], "mtu": 1400}]}],
        "paths": [{"between": ["zone_a", "zone_a"], "mtu": 1450}],
    }
    hosts: dict[int, dict[str, object]] = {
        n: {"underlay_networks": {"storage": {"address": f"10.1.0.{n}", "nat": n == 3}}} for n in (1, 2, 3)
    }
    plan = make_planned(3, hosts, underlay=underlay, ipsec={"protect": "hosts"}).plan
    (storage,) = plan.additional
    found = {(c.link_mtu, c.nat_t, storage.host_packet_limit(c)) for c in storage.classes}
    # 1-2 over the narrow path; 2-3 the same behind NAT; 1-3 in one zone, behind NAT
    assert found == {(1400, False, 1366), (1400, True, 1358), (9000, True, 8958)}
    assert {(c.link_mtu, c.nat_t) for c in plan.classes} == {(1500, False), (1450, False)}


def test_without_networks_nothing_of_it_is_anywhere() -> None:
    planned = make_planned(3, ipsec={"protect": "hosts"})
    files = build.build(planned.plan)
    assert not any('"network' in f.text for f in files if f.path.startswith("nodes/") and "lib" not in f.path)
    assert "networks" not in planned.plan.as_json()


def test_connections_say_their_own_address_and_identity() -> None:
    plan = plan_of()
    text = connections.connection_file(plan, plan.nodes[0])
    found = swanctl.connections_of(read(text + swanctl.start_file("none")))
    names = {c.fabric.name: c.pair.id for c in plan.connections(plan.nodes[0]) if c.remote.name == "n2"}
    main, six, storage = (found[names[network]] for network in ("", "ipv6", "storage"))
    assert [c["local_addrs"] for c in (main, six, storage)] == ["10.77.0.11", "fd00:77::1", "10.1.0.1"]
    assert main["local"] == six["local"]
    assert {main["local"]["id"], storage["local"]["id"]} == {plan.nodes[0].id, facts(plan)["identities"][0]}
    assert storage["local"]["certs"] == "ipsecplan.pem"
    clear = swanctl.bypassed(read(text + swanctl.start_file("none")))
    own = {local.partition("[")[0] for local, _ in clear.values()}
    assert own == {"10.77.0.11/32", "fd00:77::1/128", "10.1.0.1/32", "::/0"}
    assert sum("nd-" in name for name in clear) == 2


def test_the_guard_knows_every_address_and_what_crosses() -> None:
    plan = plan_of()
    files = {f.path.partition("/etc/")[2]: f.text for f in build.node_files(plan, plan.nodes[0])}
    rules = files["ipsecplan/guard-drop.nft"]
    assert "elements = { 10.77.0.12, 10.77.0.13, 10.1.0.2 }" in rules
    assert "elements = { fd00:77::2, fd00:77::3 }" in rules
    assert "ip saddr { 10.77.0.11, 10.1.0.1 } ip daddr @protected rt ipsec missing counter" in rules
    assert "ip6 saddr fd00:77::1 ip6 daddr @protected2 rt ipsec missing counter" in rules
    assert len(re.findall(" drop$", rules, re.M)) == 4
    assert [line.split()[:2] for line in files["ipsecplan/peers"].splitlines()][-1] == ["10.1.0.1", "10.1.0.2"]


def test_people_are_told() -> None:
    plan = plan_of()
    said = "\n".join(consequences(plan))
    assert "on network storage (ipv4) they carry packets of up to 8966 bytes" in said
    assert "n3 has no address on network storage" in said
    assert "addresses of the hosts that the plan doesn't name stay clear" in said
    review = next(f.text for f in build.build(plan) if f.path == "REVIEW.md")
    assert "## Network storage (ipv4)" in review
    assert "| c1 | 1 | 9000 | no | 8966 |" in review
    alone = plan_of(
        4, on_storage=3, extra={2: {"underlay_networks": {}}}, topology={"between": [["n1", "n2"], ["n3", "n4"]]}
    )
    assert "network storage stays clear: ipsec.topology joins no two hosts on it" in "\n".join(consequences(alone))


def test_an_unmanaged_peer_gets_one_address_for_each_network() -> None:
    plan = plan_of(3, on_storage=3, extra={3: {"ipsecplan_managed": False}})
    far = next(node for node in plan.nodes if not node.managed)
    page = unmanaged_peer.parameters(plan, far)
    identity = next(c.local.identity for c in plan.connections(far) if c.fabric.name == "storage")
    for words in (
        "address on network storage, identity there | 10.1.0.3",
        "fd00:77::3",
        f"ca issue` --identity {identity}",
        "on network ipv6",
        "10.1.0.1",
    ):
        assert words in page, words


def test_the_hosts_firewall_lets_every_network_in() -> None:
    hosts: dict[int, dict[str, object]] = {
        n: {"underlay_networks": {"storage": {"address": f"10.1.0.{n}"}}} for n in (1, 2)
    }
    plan = make_planned(
        2, hosts, underlay={"networks": [STORAGE]}, ipsec={"protect": "hosts"}, firewall={"kind": "nftables"}
    ).plan
    (text,) = firewall.of_node(plan, plan.nodes[0])[0].values()
    assert "10.1.0.2" in text


def test_one_key_for_two_hosts_under_each_identity(tmp_path: Path) -> None:
    plan = plan_of(auth="psk")
    known = facts(plan)
    peers, more = psk_owners(known)
    store = psk.Store(tmp_path / "psk.json")
    store.ensure(peers)
    found = read(psk.secrets_file(store, known["id"], peers, 0, more)).section("secrets").sections
    storage = next(peer for peer in known["peers"] if peer.get("network") == "storage")
    main = next(peer for peer in known["peers"] if peer["id"] == storage["id"] and not peer.get("network"))
    one, other = found[f"ike-{main['pair']}-1"], found[f"ike-{storage['pair']}-1"]
    assert one.values["secret"] == other.values["secret"]
    assert (other.values["id-1"], other.values["id-2"]) == (storage["own_identity"], storage["identity"])
    assert len(found) == 3, "the network of the other family goes by the same identities"


def test_a_certificate_has_every_identity(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    asked = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA384())
    pem = asked.public_bytes(serialization.Encoding.PEM).decode()
    authority, (first, second) = open_authority(tmp_path, "demo"), ("n-000000000001", "n-000000000002")
    made = x509.load_pem_x509_certificate(authority.sign(pem, first, [second]).encode())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [first, second]
    with pytest.raises(ValueError, match="evil"):
        authority.sign(pem, first, ["evil.example"])


def test_a_run_fits_networks_too() -> None:
    plan = plan_of()
    known = facts(plan)
    small = fitted(known, (), 1300)
    assert {p.get("network", ""): p["inner_mtu"] for p in small["peers"]} == {"": 1300, "ipv6": 1466, "storage": 8966}
    away = plan.nodes[1].id
    assert {p.get("network", "") for p in fitted(known, (away,), None)["peers"]} == {"", "ipv6"}
    assert [p["address"] for p in deferred_peers(known, (away,))] == ["10.77.0.12", "fd00:77::2", "10.1.0.2"]
    targets = {n.id: Target(n.id, n.name, "", facts(plan, i), (), {}, {}) for i, n in enumerate(plan.nodes)}
    assert sum(len(wave.pairs) for wave in order(targets, None)) == 3 + 3 + 1


ROW: dict[str, Any] = {
    "passes": True,
    "refused": True,
    "over_answers": 0,
    "said": "",
    "said_over": "",
    "esp": 9,
    "esp_full": 3,
    "outer": 1500,
    "fragments": 0,
    "plaintext": 0,
    "planted": 1,
    "planted_seen": 1,
    "algorithms": ["AES_GCM_16-256"],
    "unlike": [],
    "n": 1416,
    "modes": ["TRANSPORT"],
    "flow_sent": 20,
    "flow_gap": 0,
    "host": {"passes": True, "refused": True, "said": ""},
}


def rows(known: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for peer in known["peers"]:
        row = {**ROW, "peer": peer["id"], "network": peer.get("network", ""), "outer": peer["outer_packet"]}
        found.append({**row, "refused": "host_over" in peer or not peer.get("network")})
    return found


def test_every_network_is_judged_by_its_own_numbers() -> None:
    plan = plan_of(2)
    nodes = [facts(plan, n) for n in (0, 1)]
    measured = {node["id"]: rows(node) for node in nodes}
    verdict = judge(nodes, measured)
    assert verdict.ok, [p.message for p in verdict.problems()]
    assert [pair.line() for pair in verdict.pairs][:3] == [
        "n1 -> n2  DF 1396 passes, 1397 refused, ESP seen (outer 1480), 0 plaintext (1 planted, seen)",
        "n1 -> n2 (ipv6)  DF 1466 passes, ESP seen (outer 1500), 0 plaintext (1 planted, seen)",
        "n1 -> n2 (storage)  DF 8966 passes, 8967 refused, ESP seen (outer 9000), 0 plaintext (1 planted, seen)",
    ]
    assert [pair.as_json()["one_more_refused"] for pair in verdict.pairs][:3] == [True, None, True]
    measured[nodes[0]["id"]][0]["outer"] = 1500  # a full packet between the hosts is larger than a full one of pods
    assert judge(nodes, measured).ok
    measured[nodes[0]["id"]][0]["outer"] = 1504
    assert "1504 bytes left the node" in judge(nodes, measured).problems()[0].message
    measured[nodes[0]["id"]][0]["outer"] = 1480
    measured[nodes[0]["id"]][2].update(plaintext=2, refused=False)
    (problem,) = judge(nodes, measured).problems()
    assert problem.message == (
        "n1 -> n2 (storage): a DF packet of 8967 bytes was not refused (); 2 packets left the node in clear"
    )
    measured[nodes[0]["id"]].pop(2)
    (problem,) = judge(nodes, measured).problems()
    assert problem.message == "n1 -> n2 (storage): not measured"


def test_what_does_not_pass_is_said_of_its_network() -> None:
    plan = plan_of(2)
    nodes = [facts(plan, n) for n in (0, 1)]
    every = dict.fromkeys(("esp", "esp_full", "udp", "udp_full"), True)
    heard = {
        node["id"]: [
            {
                **every,
                "peer": peer["id"],
                **(
                    {"network": peer["network"], "esp_full": peer["network"] != "storage"}
                    if peer.get("network")
                    else {}
                ),
            }
            for peer in node["peers"]
        ]
        for node in nodes
    }
    said = [problem.message for problem in reach.judge(nodes, heard)]
    assert said == [
        "n2 -> n1 (storage): protocol 50 passes, but no DF packet of 9000 bytes of it",
        "n1 -> n2 (storage): protocol 50 passes, but no DF packet of 9000 bytes of it",
    ]


# the node


def policy(src: str, dst: str, **more: Any) -> dict[str, Any]:
    return {
        "src": src,
        "dst": dst,
        "sport": 0,
        "dport": 0,
        "dir": "in",
        "priority": 1,
        "action": "allow",
        "template": False,
        **more,
    }


def test_every_own_address_is_accepted_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    node = facts(plan_of())
    kernel = [policy("0.0.0.0/0", "10.77.0.11/32"), policy("::/0", "fd00:77::1/128")]
    monkeypatch.setattr(xfrm, "policies", lambda: kernel)
    assert (xfrm.lacking(node), xfrm.permissive(node)) == (["10.1.0.1"], False)
    assert xfrm.open_to(node) == ["10.77.0.11", "fd00:77::1"]
    ran: list[list[str]] = []

    def must(*words: str) -> None:
        ran.append(list(words))
        kernel.append(policy(words[7], words[9]))

    monkeypatch.setattr(core, "must", must)
    monkeypatch.setattr(sysctl, "sysctl", lambda *_: False)
    ike.permissive({"node": node, "tx": "tx-1"})
    assert [words[6:10] for words in ran] == [["src", "0.0.0.0/0", "dst", "10.1.0.1/32"]]
    assert xfrm.permissive(node)
    assert xfrm.ours(policy("10.1.0.1/32", "10.1.0.2/32", template=True), node)
    assert xfrm.ours(policy("fd00:77::1/128", "fd00:77::2/128", template=True), node)
    assert not xfrm.ours(policy("10.1.0.9/32", "10.1.0.2/32", template=True), node)


def test_an_sa_is_as_planned_on_its_own_network() -> None:
    node = facts(plan_of())
    peer = next(p for p in node["peers"] if p.get("network") == "storage")
    child = {
        "state": "INSTALLED",
        "mode": "TRANSPORT",
        "encr-alg": "AES_GCM_16",
        "encr-keysize": "256",
        "local-ts": ["10.1.0.1/32"],
        "remote-ts": ["10.1.0.2/32"],
    }
    assert ike.wrong_with(node, peer, peer["children"][0], child) is None
    other = {**child, "local-ts": ["10.77.0.11/32"]}
    assert "protects 10.77.0.11/32" in str(ike.wrong_with(node, peer, peer["children"][0], other))
    sa = {"state": "ESTABLISHED", "remote-id": peer["identity"]}
    assert ike.ike_sas(node, [(peer["pair"], sa)])[peer["pair"]] == [sa]
    assert ike.ike_sas(node, [(peer["pair"], {**sa, "remote-id": peer["id"]})])[peer["pair"]] == []


def test_what_the_revert_needs_names_every_network(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(state, "arm", lambda *_: None)
    state.begin("tx-1", facts(plan_of()), 60, "apply x", pytest.fail)
    folder = home / "tx" / "tx-1"
    assert [line.split()[3] for line in (folder / "policy").read_text().splitlines()] == [
        "10.77.0.11/32",
        "fd00:77::1/128",
        "10.1.0.1/32",
    ]
    assert [line.split()[8] for line in (folder / "both").read_text().splitlines()] == [
        "10.77.0.11",
        "fd00:77::1",
        "10.1.0.1",
    ]
    assert (folder / "peers").read_text().splitlines()[-1] == "10.1.0.1 10.1.0.2"
    assert len((folder / "pairs").read_text().split()) == 5


def test_a_route_that_leaves_from_another_address_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    node = facts(plan_of())
    peer = next(p for p in node["peers"] if p.get("network") == "storage")
    answer = '[{"dst": "10.1.0.2", "dev": "eth0", "prefsrc": "10.77.0.11"}]'
    monkeypatch.setattr(core, "run", lambda *_: Done(0, answer, ""))
    (found,) = addresses.way_out(node, peer)
    assert found["message"] == "packets to n2 (storage) (10.1.0.2) leave from 10.77.0.11, not from 10.1.0.1"
    monkeypatch.setattr(core, "run", lambda *_: Done(0, answer.replace("77.0.11", "1.0.1"), ""))
    assert addresses.way_out(node, peer) == []
    assert addresses.way_out(node, node["peers"][0]) == []


def test_both_families_are_tried_on_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(*words: object, **_: Any) -> Any:
        ran.append(" ".join(map(str, words)))
        return Done(0, "", "")

    monkeypatch.setattr(kernel_trial, "run", run)
    assert kernel_trial.trial(facts(plan_of())) == []
    assert [sum("state add" in line and word in line for line in ran) for word in ("192.0.2.1", "2001:db8::1")] == [
        1,
        1,
    ]
