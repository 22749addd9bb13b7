"""Every combination that the plan admits, in real charons: loaded without a warning, encrypted, judged like ``verify``.

test_strongswan_applied.py proves that a rollout brings up what it is told to. Here the files are put into the nodes of
one lab directly, with the rollout's own code but without Ansible, timer and transaction, some seconds each:
``IPSECPLAN_DRILLS=1 pytest -m drill -s tests/lab/test_strongswan_matrix.py`` runs them all, ``-k`` some.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from netplan.inputs.load import LoadedPlan
from netplan.inputs.rules import validate
from netplan.inputs.yaml_source import Source
from netplan.model.planfile import PlanFile
from netplan.problems import errors

from ..combinations import AUTHS, FAMILIES, MODES, PROTECTS, TOPOLOGIES, Combination, every
from .conftest import ClusterFactory
from .matrix import Matrix

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.weight(18)]


def admitted(one: Combination) -> bool:
    loaded = PlanFile.model_validate({"name": "matrix", "inventory": "i", **one.file()})
    return not errors(validate(LoadedPlan(loaded, Source("plan"), Path("plan"))))


# Each value of each key is in one of these, each mode with each protection that it has
COVER = {
    "transport-overlay-psk-ipv4-between-vxlan-nat_always",
    "transport-hosts-raw-keys-ipv6-full-mesh-vxlan-nat_never",
    "tunnel-overlay-certificates-ipv4-zones-geneve-nat_always",
    "tunnel-hosts-psk-ipv6-hub-geneve-nat_never",
    "tunnel-hosts-psk-dual-zones-geneve-nat_always",
    "xfrm-overlay-certificates-ipv6-full-mesh-geneve-nat_always",
    "transport-overlay-certificates-ipv4-trap-any-vxlan-nat_never",
}


# the overlays without a port, over each family and in each mode
TUNNELS = {
    "transport-hosts-certificates-ipv4-full-mesh-gre-nat_never",
    "tunnel-hosts-certificates-ipv6-full-mesh-gre-nat_always",
    "transport-hosts-psk-ipv6-hub-ipip-nat_never",
    "tunnel-hosts-psk-ipv4-full-mesh-ipip-nat_never",
}


def in_lab(one: Combination) -> bool:
    """Overlay and UDP encapsulation alternate instead of making it four times as many: neither decides how IPsec comes
    up, and each meets every mode, protection, authentication, family and topology."""
    if one.overlay in ("gre", "ipip"):
        return one.name in TUNNELS
    places = [
        list(MODES).index(one.mode),
        PROTECTS.index(one.protect),
        AUTHS.index(one.auth),
        FAMILIES.index(one.family),
    ]
    topology = list(TOPOLOGIES).index(one.topology)
    vxlan, always = (sum(places) + topology) % 2 == 0, (sum(places[:2]) + places[2] + topology // 2) % 2 == 0
    if one.topology == "trap-any":  # which NAT-T does not go with
        always = False
    return (one.overlay == "vxlan", one.nat == "always") == (vxlan, always)


ADMITTED = [one for one in every() if admitted(one) and in_lab(one)]


@pytest.fixture(scope="module")
def matrix(module_clusters: ClusterFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    lab = module_clusters(nodes=3, family="ipv6")  # its nodes have IPv4 addresses too
    with Matrix(lab, tmp_path_factory.mktemp("matrix")) as running:
        yield running


@pytest.mark.parametrize(
    "one",
    [pytest.param(one, marks=() if one.name in COVER else pytest.mark.drill, id=one.name) for one in ADMITTED],
)
def test_it_comes_up_as_planned(matrix: Matrix, one: Combination) -> None:
    measured = matrix.run(one)
    line = measured.line(one)
    print("\n" + line, *measured.noted, sep="\n  ")
    if log := os.environ.get("IPSECPLAN_MATRIX_LOG"):
        with open(log, "a", encoding="utf-8") as file:
            file.write(line + "\n")
    assert not measured.said, measured.said
    assert measured.verdict.ok, [p.message for p in measured.verdict.problems()]
    directions = {
        (c.local.name, f"{c.remote.name} ({c.fabric.name})" if c.fabric.name else c.remote.name)
        for node in measured.plan.nodes
        for c in measured.plan.connections(node)
    }
    assert {(pair.source, pair.destination) for pair in measured.verdict.pairs} == directions
