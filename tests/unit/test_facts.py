"""What hosts can do: gathered by one verb, read by the plan, checked before an apply."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.phases.facts import lacking, strongswan
from netplan.agent.system import vici
from netplan.bundle.node_json import node_facts
from netplan.inputs import inventory
from netplan.problems import ProblemError
from tests.support.plans import make_planned

INVENTORY = """all:
  hosts:
    n1: {underlay_address: 10.77.0.11, pod_cidr: 10.244.1.0/24}
    n2: {underlay_address: 10.77.0.12, pod_cidr: 10.244.2.0/24, strongswan_version: 6.0.4}
"""
SEEN = {"strongswan_version": "5.9.8", "strongswan_algorithms": ["AES_GCM_16", "CURVE_25519"]}


def test_the_inventory_counts_more_than_what_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(INVENTORY)
    before = inventory.read(path)
    file = inventory.facts_file(path)
    assert file.name == "hosts.yml.facts.json"
    file.write_text(json.dumps({"schema": 1, "hosts": {"n1": SEEN, "n2": SEEN, "gone": SEEN}}))
    one, two = inventory.read(path).hosts
    assert (one.variables["strongswan_version"], two.variables["strongswan_version"]) == ("5.9.8", "6.0.4")
    assert (
        one.variables["strongswan_algorithms"]
        == two.variables["strongswan_algorithms"]
        == ["AES_GCM_16", "CURVE_25519"]
    )
    assert inventory.read(path).digest == before.digest, "a bundle that was made before can still be applied"
    path.write_text(INVENTORY.replace("6.0.4", "6.0.1"))
    assert inventory.read(path).digest != before.digest, "what the inventory itself says is the plan's"


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 2, "hosts": {}}', '{"schema": 1, "hosts": {"n1": {}}}'])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(INVENTORY)
    inventory.facts_file(path).write_text(text)
    with pytest.raises(ProblemError) as raised:
        inventory.read(path)
    assert raised.value.problems[0].code == "IPP310"


def test_a_node_that_lacks_an_algorithm_says_so(monkeypatch: pytest.MonkeyPatch) -> None:

    class Link:
        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def call(self, command: str) -> dict[str, Any]:
            if command == "version":
                return {"daemon": "charon-systemd", "version": "5.9.8"}
            return {
                "aead": {"AES_GCM_16": "openssl"},
                "ke": {"CURVE_25519": "openssl"},
                "prf": {"PRF_HMAC_SHA2_384": "x"},
            }

    monkeypatch.setattr(vici, "Vici", Link)
    plan = make_planned(3, ipsec={"esp": ["aes256gcm16-x25519"], "ike": ["aes256gcm16-prfsha384-ecp384"]}).plan
    node = node_facts(plan, plan.nodes[0])
    assert node["needs"] == ["AES_GCM_16", "CURVE_25519", "ECP_384", "PRF_HMAC_SHA2_384"]
    has = strongswan()
    (found,) = lacking(node, has)
    assert "has no ECP_384" in found["message"]
    assert lacking({**node, "needs": node["needs"][:2]}, has) == []
