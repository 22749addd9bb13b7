"""Raw public keys: collected from requests, kept, given to peers only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netplan.ipsec import connections, rawkeys, swanctl
from netplan.ipsec.ca import public_key
from netplan.ipsec.swanctl_parser import read
from netplan.model.ids import node_id
from netplan.problems import ProblemError
from netplan.rollout.credentials import Credentials
from netplan.rollout.nodes.targets import Target
from netplan.rollout.outcome import Failed
from netplan.rollout.phases import Step
from netplan.rollout.record.journal import ClusterState
from tests.support.certificates import csr
from tests.support.plans import make_planned

ONE, TWO, THREE = (node_id("demo", f"n{n}") for n in (1, 2, 3))


def test_keys_are_kept_and_a_new_one_replaces_the_old(tmp_path: Path) -> None:
    path = tmp_path / "pubkeys.json"
    first, second = csr(), csr()
    known = rawkeys.collect(path, {ONE: first, TWO: second})
    assert known == {ONE: public_key(first, ONE), TWO: public_key(second, TWO)}
    assert "PRIVATE" not in path.read_text()
    again = csr()
    assert rawkeys.collect(path, {ONE: again}) == {ONE: public_key(again, ONE), TWO: known[TWO]}
    assert rawkeys.read(path)[ONE] == public_key(again, ONE)
    with pytest.raises(ProblemError, match="same key"):
        rawkeys.collect(path, {THREE: again})
    with pytest.raises(ProblemError, match=f"public key of {THREE}"):
        rawkeys.of_peers(known, [ONE, THREE])


def test_what_is_no_list_of_keys_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pubkeys.json"
    for text in ("", "[]", json.dumps({"schema": 2, "keys": {}}), json.dumps({"schema": 1, "keys": {"../x": ""}})):
        path.write_text(text)
        with pytest.raises(ProblemError, match="no list of public keys"):
            rawkeys.read(path)


def test_each_node_gets_the_keys_of_its_own_peers(tmp_path: Path) -> None:
    plan = make_planned(3, ipsec={"auth": "raw-keys", "topology": {"hub": "n1"}}).plan
    from netplan.bundle.node_json import node_facts

    targets = [Target(n.id, n.name, "d" * 64, node_facts(plan, n), (), {}, {}) for n in plan.nodes]
    state = ClusterState(tmp_path / "state", "demo")
    state.folder.mkdir(parents=True)
    credentials = Credentials(state, "demo", {target.id: target for target in targets})
    credentials.take({n.id: {"request": csr()} for n in plan.nodes})
    given = {target.id: credentials.request(Step(phases=("credentials",)), target) for target in targets}
    assert {node: set(keys["publics"]) for node, keys in given.items()} == {
        ONE: {TWO, THREE},
        TWO: {ONE},
        THREE: {ONE},
    }
    with pytest.raises(Failed, match="no certificate request"):
        credentials.take({ONE: {"request": "nonsense"}})


def test_every_peer_is_pinned_to_its_own_file() -> None:
    plan = make_planned(3, ipsec={"auth": "raw-keys"}).plan
    node = plan.nodes[0]
    found = swanctl.connections_of(read(connections.connection_file(plan, node) + swanctl.start_file("none")))
    assert {c["remote"]["pubkeys"] for c in found.values()} == {f"ipsecplan-{p.id}.pem" for p, _ in plan.peers(node)}
    assert {(c["local"]["pubkeys"], c["local"]["certs"]) for c in found.values()} == {("ipsecplan.pem", "")}


def test_an_unmanaged_peer_can_not_be_pinned() -> None:
    with pytest.raises(ProblemError, match="nobody has its public key"):
        make_planned(4, {4: {"ipsecplan_managed": False}}, ipsec={"auth": "raw-keys"})
