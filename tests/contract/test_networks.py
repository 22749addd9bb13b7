"""Every container network, every encapsulation it has, with and without IPsec: what it renders is valid, and the pod
MTU that its program ends with is the plan's."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml

from netplan.cni import ADAPTERS
from netplan.cni.adapter import Adapter, CniRequest, Overhead, Setting
from netplan.cni.kubernetes import commands, ordered
from netplan.cni.schema_check import check
from netplan.cni.yaml_document import Piece, parse
from netplan.problems import errors
from tests.support.networks import IPSEC, LINK, READERS, planned
from tests.support.present import merge

GENEVE_OPTIONS = {"ovn-kubernetes", "openshift", "kube-ovn"}
CASES = [
    pytest.param(name, encap, family, ipsec, id=f"{name}-{encap}-{family}-{ipsec}")
    for name, adapter in ADAPTERS.items()
    for encap, family in adapter.overhead.by
    for ipsec in IPSEC
]


def found_in(adapter: Adapter, network: CniRequest) -> list[Setting]:
    reader = ADAPTERS[READERS.get(adapter.name, adapter.name)]
    settings = []
    for artifact in adapter.render(network):
        if artifact.schema == "ovs/script":
            from netplan.cni.adapters.ovs import audit_text

            settings += audit_text(artifact.path, artifact.text)
            continue
        given = network.existing.get("values.yaml", "") if artifact.patch == "values" else ""
        for document in parse(artifact.text, artifact.path):
            # values are added to those of the release
            piece = Piece(document, (), merge(yaml.safe_load(given), document.data) if given else document.data)
            settings += reader.audit(piece)
    found = [s for s in settings if isinstance(s, Setting)]
    # a forced pod MTU makes moot what a backend without a number of its own would choose
    forced = any(s.semantics == "pod" and s.value for s in found)
    return [s for s in found if not (forced and s.semantics == "underlay" and s.value is None)]


@pytest.mark.parametrize(("name", "encap", "family", "ipsec"), CASES)
def test_pods_end_with_the_planned_mtu(name, encap, family, ipsec):
    adapter = ADAPTERS[name]
    network = planned(adapter, encap, family, ipsec)
    assert not errors(adapter.supports(network))
    artifacts = adapter.render(network)
    assert artifacts
    for artifact in artifacts:
        assert check(artifact) == [], artifact.text
    assert adapter.pod_mtu_for(adapter.field_value(network), network) == network.pod_mtu
    settings = found_in(adapter, network)
    pods = [s for s in settings if s.semantics != "device" or name == "ovs"]
    assert pods, "audit reads what render writes"
    for setting in pods:
        assert setting.resulting_mtu(LINK, encap, family) == network.pod_mtu, setting
        if setting.may_be_set:
            assert setting.required_value(network.pod_mtu, encap, family) == setting.value


def test_the_registry_is_not_empty_and_names_agree():
    assert len(CASES) > 400
    for name, adapter in ADAPTERS.items():
        assert adapter.name == name
        assert re.search(r"\d", adapter.facts.checked_against), name
        assert adapter.goes_live
        assert adapter.title


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_steps_are_ordered_by_direction(name):
    adapter = ADAPTERS[name]
    encap, family = next(iter(adapter.overhead.by))
    network = planned(adapter, encap, family, "gcm")
    steps = adapter.steps(network)
    assert any(step.stage == "config" for step in steps)
    lowering = [s.stage for s in ordered(steps, "lower")]
    raising = [s.stage for s in ordered(steps, "raise")]
    if "devices" in lowering:
        assert lowering.index("devices") > lowering.index("pods" if "pods" in lowering else "config")
        assert raising[0] == "devices"
    if adapter.pods_keep:
        assert "pods" in lowering


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_own_ipsec_on_top_of_host_ipsec_is_refused_with_the_reason(name):
    adapter = ADAPTERS[name]
    encap, family = next(iter(adapter.overhead.by))
    network = planned(adapter, encap, family, "gcm")
    import dataclasses

    problems = adapter.supports(dataclasses.replace(network, own_ipsec=True))
    if adapter.brings_ipsec:
        assert next(p.code for p in errors(problems)) == "IPP902"
        assert adapter.brings_ipsec in problems[0].message
    else:
        assert next(p.code for p in errors(problems)) == "IPP901"


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_an_encapsulation_it_does_not_have_is_refused(name):
    network = CniRequest(pod_mtu=1400, link_mtu=1500, encap="udp", family="ipv4")
    problems = ADAPTERS[name].supports(network)
    assert [p.code for p in problems] == ["IPP901"]
    assert problems[0].hint


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_pods_with_ipv6_never_get_less_than_1280(name):
    adapter = ADAPTERS[name]
    encap, family = next(iter(adapter.overhead.by))
    network = CniRequest(pod_mtu=1278, link_mtu=1500, encap=encap, family=family, pod_families=("ipv6",))
    assert "IPP903" in [p.code for p in adapter.supports(network)]


SUBNETS = "---\n".join(
    f"{{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {{name: {name}}}, spec: {{mtu: 1400}}}}\n" for name in "ab"
)


def test_kubectl_runs_everything_dry_first():
    network = planned(ADAPTERS["kube-ovn"], "vxlan", "ipv4", "gcm")
    network = replace(network, existing={"s.yaml": SUBNETS})
    lines = commands(ADAPTERS["kube-ovn"].render(network), "/etc/kube config")
    half = len(lines) // 2
    assert half == 2
    assert all("--dry-run=server" in line for line in lines[:half])
    assert not any("--dry-run" in line for line in lines[half:])
    assert all("--kubeconfig '/etc/kube config'" in line for line in lines)


# What the programs do by themselves on a link, from their source: field value -> pod MTU.
AUTOMATIC = [
    ("calico", "vxlan", "ipv4", 1500, 1450),
    ("calico", "vxlan", "ipv6", 1500, 1430),
    ("calico", "ipip", "ipv4", 1500, 1480),
    ("calico", "vxlan", "ipv4", 1400, 1350),
    ("cilium", "vxlan", "ipv6", 1500, 1430),
    ("flannel", "vxlan", "ipv4", 1500, 1450),
    ("flannel", "vxlan", "ipv6", 1500, 1450),  # 20 too large: it subtracts 50 over IPv6 too
    ("antrea", "geneve", "ipv4", 1500, 1450),
    ("antrea", "vxlan", "ipv6", 1500, 1430),
    ("antrea", "gre", "ipv4", 1500, 1458),
    ("kube-ovn", "geneve:8", "ipv4", 1500, 1400),
    ("kube-ovn", "geneve:8", "ipv6", 1500, 1380),
    ("kube-ovn", "vxlan", "ipv6", 1500, 1430),
    ("kube-ovn", "stt", "ipv6", 1500, 1408),
    ("cilium", "vxlan", "ipv4", 1500, 1450),
    ("cilium", "geneve", "ipv4", 1500, 1450),
    ("cilium", "geneve", "ipv6", 1500, 1430),
    ("antrea", "vxlan", "ipv4", 1500, 1450),
    ("antrea", "geneve", "ipv6", 1500, 1430),
    ("canal", "vxlan", "ipv4", 1500, 1500),  # Felix writes the link's MTU: 50 too large
    ("podman", "none", "ipv4", 1400, 1400),
    ("kube-ovn", "vxlan", "ipv4", 1500, 1450),
    ("kube-ovn", "stt", "ipv4", 1500, 1428),
    ("openshift", "geneve:8", "ipv4", 1500, 1400),
]


@pytest.mark.parametrize(("name", "encap", "family", "link", "pod"), AUTOMATIC)
def test_what_the_programs_subtract_is_what_their_source_says(name, encap, family, link, pod):
    assert ADAPTERS[name].automatic.pod_mtu(link, encap, family) == pod


@pytest.mark.parametrize(("family", "pod"), [("ipv4", 1440), ("ipv6", 1420)])
def test_calico_leaves_room_for_wireguard_by_family(family, pod):
    from netplan.cni.adapters.calico import AUTOMATIC as takes

    assert 1500 - takes["wireguard", family] == pod


def test_docker_rounds_encrypted_overlays():
    from netplan.cni.adapters.docker import ENCRYPTED_OVERLAY, OVERLAY

    assert ENCRYPTED_OVERLAY.pod_mtu(1500, "vxlan", "ipv4") == 1424
    assert ENCRYPTED_OVERLAY.pod_mtu(1430, "vxlan", "ipv4") == 1352
    assert OVERLAY.pod_mtu(1500, "vxlan", "ipv4") == 1450


@pytest.mark.parametrize("multiple", [1, 4])
def test_an_overhead_and_its_inverse_agree(multiple):
    overhead = Overhead({("vxlan", "ipv4"): 50}, extra=26, multiple=multiple)
    for size in range(576, 9000, multiple):
        assert overhead.pod_mtu(overhead.field_value(size, "vxlan", "ipv4"), "vxlan", "ipv4") == size
    assert overhead.size("geneve", "ipv4") is None
    assert overhead.pod_mtu(1500, "geneve", "ipv4") is None
    assert overhead.field_value(1400, "geneve", "ipv4") is None
    assert Overhead(otherwise=20).size("geneve", "ipv4") == 20
