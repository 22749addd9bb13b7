"""What single networks do beyond the contract: keep what they don't own, refuse what their schemas miss."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from netplan.cni import ADAPTERS
from netplan.cni.adapter import Artifact, CniRequest
from netplan.cni.policies import Baseline, policies
from netplan.cni.render import NetworkPlan, adapter, encapsulation, geneve_options
from netplan.cni.schema_check import check
from netplan.problems import ProblemError

NETAVARK = {"name": "x", "id": "0" * 64, "driver": "bridge"}
NETWORK = CniRequest(pod_mtu=1416, link_mtu=1500, port=4789, vni=4096)


def test_flannel_keeps_what_the_config_map_has():
    existing = {
        "net-conf.json": json.dumps(
            {"Network": "10.9.0.0/16", "EnableNFTables": True, "backend": {"type": "vxlan", "DirectRouting": True}}
        )
    }
    (artifact,) = ADAPTERS["flannel"].render(replace(NETWORK, existing=existing))
    conf = json.loads(yaml.safe_load(artifact.text)["data"]["net-conf.json"])
    assert conf["Network"] == "10.9.0.0/16"
    assert conf["EnableNFTables"] is True
    assert conf["backend"] == {"type": "vxlan", "DirectRouting": True, "MTU": 1466}


def test_daemon_json_keeps_other_settings():
    existing = {"daemon.json": '{"log-driver": "journald", "mtu": 1500}'}
    artifact = ADAPTERS["docker"].render(replace(NETWORK, existing=existing))[0]
    assert json.loads(artifact.text)["log-driver"] == "journald"
    assert json.loads(artifact.text)["mtu"] == 1416


def test_an_old_dockerd_gets_no_key_that_it_refuses_to_start_with():
    artifact = ADAPTERS["docker"].render(replace(NETWORK, options={"version": "20.10.24"}))[0]
    assert json.loads(artifact.text) == {"mtu": 1416}


def test_antrea_keeps_the_rest_of_its_file():
    existing = {"antrea-agent.conf": "featureGates:\n  Egress: true\ndefaultMTU: 0\n"}
    (artifact,) = ADAPTERS["antrea"].render(replace(NETWORK, existing=existing))
    conf = yaml.safe_load(yaml.safe_load(artifact.text)["data"]["antrea-agent.conf"])
    assert conf["featureGates"] == {"Egress": True}
    assert conf["defaultMTU"] == 1416


BAD = [
    ("cilium/values", "MTUU: 1\n", "did you mean MTU?"),
    ("cilium/values", "MTU: -5\n", "at least 0"),
    ("cilium/values", "MTU: '1466'\n", "must be integer"),
    ("cilium/values", "tunnelProtocol: gre\n", "vxlan"),
    (
        "calico/installation",
        "apiVersion: operator.tigera.io/v1\nkind: Installation\nmetadata:\n  name: default\n"
        "spec:\n  calicoNetwork:\n    mtuu: 1416\n",
        "did you mean mtu?",
    ),
    ("docker/daemon", '{"mtu": "1450"}', "must be integer"),
    ("docker/daemon", '{"default-network-opts": {"bridge": {"com.docker.network.driver.mtu": 1450}}}', "string"),
    ("podman/network", json.dumps(NETAVARK | {"options": {"mtu": 1450}}), "string"),
    ("podman/network", json.dumps(NETAVARK | {"id": ""}), "fit pattern"),
    ("flannel/net-conf", '{"Network": "10.0.0.0/8", "Backend": {"Type": "host-gw", "MTU": 1400}}', "MTU"),
    (
        "cni/conflist",
        '{"cniVersion": "0.4.0", "name": "x", "plugins": [{"type": "host-device", "device": "eth1", "mtu": 1}]}',
        "mtu",
    ),
]


@pytest.mark.parametrize(("schema", "text", "says"), BAD)
def test_what_upstream_lets_through_is_an_error(schema, text, says):
    problems = check(Artifact(path="x.yaml", text=text, schema=schema))
    assert [p.code for p in problems] == ["IPP904"]
    assert says in problems[0].message + (problems[0].hint or "")
    assert problems[0].location.line is not None


def test_nested_texts_are_checked_at_their_line():
    text = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: kube-flannel-cfg\ndata:\n  net-conf.json: |\n"
        '    {\n      "Network": "10.0.0.0/8",\n      "Backend": {"Type": "vxlan", "MTU": "1450"}\n    }\n'
    )
    (problem,) = check(Artifact(path="cm.yaml", text=text, schema="flannel/config"))
    assert problem.location.line == 9
    assert "MTU" in (problem.location.source or "")


def test_an_unknown_network_names_the_nearest():
    with pytest.raises(ProblemError) as caught:
        adapter("calcio")
    assert caught.value.problems[0].hint == "did you mean calico?"


def test_openshift_insists_on_its_headroom():
    network = CniRequest(pod_mtu=1408, link_mtu=1500, encap="geneve:8", options={"from": "1400"})
    with pytest.raises(ProblemError) as caught:
        NetworkPlan(ADAPTERS["openshift"], network).artifacts  # noqa: B018
    (problem,) = [p for p in caught.value.problems if p.severity == "error"]
    assert "1400" in (problem.hint or "")


def test_openshift_migrates_in_two_patches():
    request = CniRequest(pod_mtu=1354, link_mtu=1500, encap="geneve:8", options={"from": "1400"})
    first, second = NetworkPlan(ADAPTERS["openshift"], request).artifacts
    assert yaml.safe_load(first.text)["spec"]["migration"]["mtu"]["network"] == {"from": 1400, "to": 1354}
    assert yaml.safe_load(second.text)["spec"]["migration"] is None
    assert yaml.safe_load(second.text)["spec"]["defaultNetwork"]["ovnKubernetesConfig"]["mtu"] == 1354


def test_the_second_openshift_patch_waits_for_the_reboots():
    network = CniRequest(pod_mtu=1354, link_mtu=1500, encap="geneve:8", options={"from": "1400"})
    lines = [s.command for s in NetworkPlan(ADAPTERS["openshift"], network, "lower", "/kubeconfig").steps]
    first, second = (next(i for i, x in enumerate(lines) if n in x and "dry" not in x) for n in ("/1-", "/2-"))
    assert "--dry-run=server" in lines[0]
    assert any("oc wait mcp" in line for line in lines[first:second])
    assert not any(line.startswith("kubectl") for line in lines)


def test_ovn_has_options_in_its_geneve_header():
    assert encapsulation("kube-ovn", "geneve") == "geneve:8"
    assert encapsulation("antrea", "geneve") == "geneve"
    assert geneve_options("openshift") == 8


def test_steps_run_dry_before_they_apply():
    found = NetworkPlan(ADAPTERS["calico-manifest"], NETWORK, "lower", "/root/.kube/config").steps
    lines = [s.command for s in found if s.command.startswith("kubectl --kubeconfig")]
    assert ["--dry-run=server" in line for line in lines] == [True, False]
    stages = [s.stage for s in found]
    assert stages == sorted(stages, key=["config", "restart", "pods", "devices", "check"].index)
    assert NetworkPlan(ADAPTERS["calico-manifest"], NETWORK, "raise").steps[0].stage == "devices"


@pytest.mark.parametrize("name", ["docker", "docker-overlay"])
def test_docker_gets_no_kubectl_and_the_network_goes_before_it_comes(name):
    encap = "vxlan" if name == "docker-overlay" else "none"
    steps = NetworkPlan(ADAPTERS[name], replace(NETWORK, encap=encap), "lower").steps
    assert [step.text for step in steps if "kubectl" in (step.command or "")] == []
    said = [step.text for step in steps]
    if name == "docker-overlay":
        assert said[0].startswith("remove the services")
        assert said[1].startswith("deploy")


def test_baseline_closes_everything_and_keeps_dns():
    made = policies(Baseline(namespace="shop", from_namespaces=("monitoring",), to_namespaces=("billing",)))
    assert [check(a) for a in made] == [[]] * 6
    dns, *_, deny = (yaml.safe_load(a.text)["spec"] for a in made)
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (peer,) = dns["egress"][0]["to"]
    assert set(peer) == {"namespaceSelector", "podSelector"}, "both selectors in one peer, not one of two"
    assert {p["port"] for p in dns["egress"][0]["ports"]} == {53}


def test_baseline_never_closes_what_runs_the_cluster():
    assert Baseline(namespace="kube-system").problems()
    assert Baseline(namespace="Shop\n").problems()
    assert Baseline(namespace="shop").problems() == []


def test_an_existing_text_that_anchors_multiply_is_refused_before_it_is_written_out():
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 12))
    existing = {"antrea-agent.conf": f"l0: &l0 [x]\n{levels}"}
    with pytest.raises(ProblemError, match="after anchors are expanded"):
        ADAPTERS["antrea"].render(replace(NETWORK, existing=existing))
