"""A plan over a network that makes its own overlay: what that decides, what hosts must say, what bundles hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from netplan import pipeline
from netplan.bundle import build
from netplan.bundle.node_json import node_facts
from netplan.cni.render import OPTIONS, network_plan
from netplan.host.firewall import plan_problems
from netplan.inputs.rules_network import namespaces
from netplan.problems import ProblemError, errors
from tests.support.plans import make_planned

Cluster = Callable[..., Path]


def text_of(plan: object, suffix: str) -> str:
    return next(f.text for f in build.build(plan) if f.path.endswith(suffix))  # type: ignore[arg-type]


def test_the_network_decides_what_the_plan_leaves_out() -> None:
    file = make_planned(2, cni={"plugin": "kube-ovn"}).plan.file
    assert (file.overlay.type, file.overlay.udp_port, file.encapsulation) == ("geneve", 6081, "geneve:8")
    file = make_planned(2, cni={"plugin": "cilium"}).plan.file
    assert (file.overlay.type, file.overlay.udp_port, file.encapsulation) == ("vxlan", 8472, "vxlan")
    file = make_planned(2, cni={"plugin": "kube-ovn"}, overlay={"type": "vxlan"}).plan.file
    assert (file.overlay.udp_port, file.encapsulation) == (4789, "vxlan")
    assert make_planned(2).plan.file.overlay_facts is None


def test_openshift_gets_what_it_insists_on_and_review_says_so() -> None:
    plan = make_planned(2, cni={"plugin": "openshift", "options": {"from": "1400"}}).plan
    assert (plan.limiting.inner_mtu, plan.pod_mtu) == (1408, 1400)
    assert "openshift refuses more than 1400 on this link: 8 bytes stay unused" in text_of(plan, "REVIEW.md")
    assert plan.outer_packet(plan.limiting) <= 1500


def test_pod_subnets_where_the_network_has_them() -> None:
    bare = {n: {"pod_cidr": None} for n in (1, 2)}
    plan = make_planned(2, bare, cni={"plugin": "cilium"}).plan
    assert [node.pod_cidr for node in plan.nodes] == ["", ""]
    with pytest.raises(ProblemError, match="pod_cidr"):
        make_planned(2, bare, cni={"plugin": "antrea"})
    antrea = make_planned(2, cni={"plugin": "antrea"}).plan
    assert antrea.nodes[0].overlay_address == "10.128.1.1", "antrea-gw0 has the first address"
    told = make_planned(2, {1: {"overlay_address": "10.0.0.7"}}, cni={"plugin": "cilium"}).plan
    assert [node.overlay_address for node in told.nodes] == ["10.0.0.7", ""]
    with pytest.raises(ProblemError, match="overlay_address"):
        make_planned(2, {1: {"overlay_address": "10.0.0.7"}})


def test_ipv6_pods_where_the_overlay_is_not_ours() -> None:
    six = {n: {"pod_cidr": f"fd01:{n}::/64"} for n in (1, 2)}
    plan = make_planned(2, six, underlay={"family": "ipv6"}, cni={"plugin": "calico"}).plan
    assert node_facts(plan, plan.nodes[0])["overlay"]["tunnel"] == "vxlan-v6.calico"
    with pytest.raises(ProblemError, match="IPv4 pods"):
        make_planned(2, six, underlay={"family": "ipv6"})


def test_a_patch_keeps_what_the_cluster_has(cluster: Cluster) -> None:
    plan = cluster("cni: {plugin: flannel, existing: [cm.yaml]}\n")
    conf = '{"Network": "10.244.0.0/16", "EnableNFTables": true, "Backend": {"Type": "vxlan", "Learning": true}}'
    (plan.parent / "cm.yaml").write_text(yaml.safe_dump({"kind": "ConfigMap", "data": {"net-conf.json": conf}}))
    made = pipeline.make(plan).plan
    patch = yaml.safe_load(network_plan(made).files["flannel/kube-flannel-cfg.patch.yaml"])
    kept = yaml.safe_load(patch["data"]["net-conf.json"])
    assert (kept["Network"], kept["EnableNFTables"]) == ("10.244.0.0/16", True)
    assert kept["Backend"] == {"Type": "vxlan", "Learning": True, "MTU": 1466}


def test_networks_without_an_overlay_get_a_file_for_each_node() -> None:
    plan = make_planned(2, cni={"plugin": "podman"}).plan
    files = network_plan(plan).files
    found = {node.id: yaml.safe_load(files[f"{node.id}/etc/containers/networks/pods.json"]) for node in plan.nodes}
    assert [found[n.id]["subnets"][0]["subnet"] for n in plan.nodes] == [n.pod_cidr for n in plan.nodes]
    assert all(body["options"]["mtu"] == str(plan.pod_mtu) for body in found.values())
    assert node_facts(plan, plan.nodes[0])["overlay"]["bridge"] == "podman1"


NAMESPACES = [
    {"name": "shop", "allow_from": ["monitoring"], "allow_to": ["billing"]},
    {"name": "vault", "ingress_controller": None, "allow_within": False},
]


def test_namespaces_are_closed_last() -> None:
    plan = make_planned(2, cni={"plugin": "calico"}, namespaces=NAMESPACES).plan
    found = network_plan(plan)
    kinds = {path: yaml.safe_load(text) for path, text in found.files.items() if path.startswith("policies/")}
    assert {path.split("/")[-1] for path in kinds if "/vault/" in path} == {"default-deny.yaml", "allow-dns.yaml"}
    assert len([path for path in kinds if "/shop/" in path]) == 6
    (peer,) = kinds["policies/shop/allow-from-named.yaml"]["spec"]["ingress"][0]["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
    for name in ("shop", "vault"):
        lines = [step.command for step in found.steps if f"policies/{name}/" in step.command]
        applied = [line for line in lines if "--dry-run" not in line]
        assert lines[: len(applied)] == [line.replace("apply -f", "apply --dry-run=server -f") for line in applied]
        assert applied[-1].endswith("default-deny.yaml'") or applied[-1].endswith("default-deny.yaml")


def test_namespaces_with_an_overlay_of_ours() -> None:
    plan = make_planned(2, namespaces=NAMESPACES[:1]).plan
    files = {f.path for f in build.build(plan)}
    assert "cluster/policies/shop/default-deny.yaml" in files
    assert "cluster/STEPS.md" in files
    assert not any(f.path.startswith("cluster/") for f in build.build(make_planned(2).plan))


def test_the_steps_come_before_apply_in_review() -> None:
    review = text_of(make_planned(2, cni={"plugin": "calico"}).plan, "REVIEW.md")
    assert "Take these steps first" in review
    assert "kubectl patch installation default --dry-run=server" in review
    assert "10-ipsecplan.conflist" not in review
    assert "MTU read back" in review


def _corpus() -> list[str]:
    path = Path(__file__).parents[1] / "data" / "injections.jsonl"
    return [json.loads(line)["text"] for line in path.read_text().splitlines() if line.strip()]


@pytest.mark.parametrize("option", [key for key in OPTIONS if key != "links"])
def test_hostile_options_are_refused_or_plain_words(option: str) -> None:
    for text in _corpus():
        plan = make_planned(2, cni={"plugin": "calico", "options": {option: text}}).plan
        assert network_plan(plan).problems or re.fullmatch(r"[A-Za-z0-9_.:/-]+", text), text


def test_hostile_names_of_namespaces_and_firewalls_are_refused() -> None:
    for text in _corpus():
        for namespace in ({"name": text}, {"name": "shop", "allow_from": [text]}, {"name": "shop", "allow_to": [text]}):
            loaded = make_planned(2, cni={"plugin": "calico"}, namespaces=[namespace]).loaded
            assert errors(list(namespaces(loaded))) or re.fullmatch(r"[a-z0-9-]{1,63}", text), text
        for key in ("table", "chain", "zone"):
            plan = make_planned(2, firewall={"kind": "nftables", key: text}).plan
            assert plan_problems(plan) or re.fullmatch(r"(inet |ip |ip6 )?[A-Za-z0-9_-]+", text), text
