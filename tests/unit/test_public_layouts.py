"""Inventories as five public projects lay them out, in our own words: init, plan and render without an edit of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from netplan.bundle import reader
from netplan.cli.main import main
from netplan.inputs import inventory
from netplan.inputs.their_variables import MEANINGS, PATH, proposed
from netplan.problems import ProblemError
from netplan.rollout.nodes.targets import read_inventory

# name -> (files, pattern, network, what init proposes, addresses that the plan has)
KUBESPRAY = """\
[all]
node1 ansible_host=192.0.2.11 ip=10.3.0.11 access_ip=192.0.2.11 etcd_member_name=etcd1
node2 ansible_host=192.0.2.12 ip=10.3.0.12 access_ip=192.0.2.12
bastion ansible_host=198.51.100.9

[kube_control_plane]
node1

[kube_node]
node1
node2

[k8s_cluster:children]
kube_control_plane
kube_node
"""
KUBEADM = """\
all:
  vars:
    site_net: 10.4.0
    pod_net: 10.244.0.0/16
    ansible_user: ops
  children:
    masters:
      hosts:
        cp1: {number: 1}
    workers:
      hosts:
        w1: {number: 2}
        w2: {number: 3}
  hosts: {}
"""
KUBEADM_GROUP = """\
ansible_host: "{{ inventory_hostname }}.example.org"
underlay_address: "{{ site_net }}.{{ 10 + number }}"
pod_cidr: "{{ pod_net | ansible.utils.ipsubnet(24, number) }}"
"""
RKE2 = """\
rke2_cluster:
  children:
    rke2_servers:
      hosts:
        s1: {ansible_host: 192.0.2.21, host_rke2_config: {node-ip: 10.5.0.21, node-taint: []}}
    rke2_agents:
      hosts:
        a1: {ansible_host: 192.0.2.22, host_rke2_config: {node-ip: 10.5.0.22}}
"""
K3S = """\
k3s_cluster:
  vars:
    private_net: 10.6.0
    k3s_server: {node-ip: "{{ private_net }}.{{ last }}", disable: [traefik]}
  children:
    server:
      hosts:
        k1: {ansible_host: 192.0.2.31, last: 31}
    agent:
      hosts:
        k2: {ansible_host: 192.0.2.32, last: 32}
"""
SYSTEM_ROLES = """\
[vpn]
h1.example.org
h2.example.org

[vpn:vars]
vpn_auth_method=cert
ansible_python_interpreter=auto_silent
"""
SYSTEM_ROLES_HOSTS = {
    "h1.example.org": "node_ip: 10.7.0.1\nnode_pod_cidr: 10.201.1.0/24\n",
    "h2.example.org": "node_ip: 10.7.0.2\nnode_pod_cidr: 10.201.2.0/24\n",
}
LAYOUTS = {
    "kubespray": (
        {"inventory.ini": KUBESPRAY},
        "k8s_cluster",
        "cilium",
        {"underlay_address": "ip"},
        ["10.3.0.11", "10.3.0.12"],
    ),
    "kubeadm": (
        {"inventory.yml": KUBEADM, "group_vars/all.yml": KUBEADM_GROUP},
        "all",
        "bridge",
        {},
        ["10.4.0.11", "10.4.0.12", "10.4.0.13"],
    ),
    "rke2": (
        {"inventory.yml": RKE2},
        "rke2_cluster",
        "cilium",
        {"underlay_address": "host_rke2_config.node-ip"},
        ["10.5.0.21", "10.5.0.22"],
    ),
    "k3s": (
        {"inventory.yml": K3S},
        "k3s_cluster",
        "cilium",
        {"underlay_address": "k3s_server.node-ip"},
        ["10.6.0.31", "10.6.0.32"],
    ),
    "linux-system-roles": (
        {"inventory.ini": SYSTEM_ROLES, **{f"host_vars/{h}.yml": text for h, text in SYSTEM_ROLES_HOSTS.items()}},
        "vpn",
        "bridge",
        {"underlay_address": "node_ip", "pod_cidr": "node_pod_cidr"},
        ["10.7.0.1", "10.7.0.2"],
    ),
}


SHORT = ("kubespray", "k3s")  # in `make test`; a run of Ansible costs seconds


@pytest.mark.slow  # Ansible reads these
@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in SHORT else pytest.mark.drill) for n in LAYOUTS])
def test_a_public_layout_is_planned_and_rendered_as_it_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files, pattern, network, theirs, addresses = LAYOUTS[name]
    monkeypatch.chdir(tmp_path)
    for place, text in files.items():
        Path(place).parent.mkdir(exist_ok=True)
        Path(place).write_text(text)
    main_file = next(iter(files))
    assert main(["init", "--inventory", main_file, "--nodes", pattern, "--name", "demo"]) == 0
    said = capsys.readouterr().out
    for ours, their_name in theirs.items():
        assert f"{ours} of each host is its {their_name} in {main_file}" in said
    plan = Path("plan.yaml").read_text()
    if network != "bridge":
        plan = plan.partition("overlay:\n")[0] + f"cni: {{plugin: {network}}}\n"  # the overlay is its own
        Path("plan.yaml").write_text(plan)
    assert main(["render", "plan.yaml", "--to", "bundle"]) == 0, capsys.readouterr().err
    bundle = reader.read(Path("bundle"))
    assert sorted(bundle.node(node)["underlay"]["address"] for node in bundle.nodes) == addresses
    assert bundle.manifest["inventory"].get("host_vars", {}) == theirs
    assert len(read_inventory(bundle, None).hosts) == len(addresses), "apply reads it the same way"
    assert {place: Path(place).read_text() for place in files} == files
    if name == "kubespray":
        Path(main_file).write_text(KUBESPRAY.replace("ip=10.3.0.12", "ip=10.3.0.13"))
        with pytest.raises(ProblemError, match="changed: node2"):
            read_inventory(bundle, None)


@pytest.mark.slow
def test_an_address_of_management_is_said_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hosts.ini").write_text(
        "n1 ansible_host=192.0.2.1 pod_cidr=10.1.1.0/24\nn2 ansible_host=192.0.2.2 pod_cidr=10.1.2.0/24\n"
    )
    Path("plan.yaml").write_text("name: demo\ninventory: hosts.ini\n")
    assert main(["plan"]) == 0
    assert "- taken from ansible_host, for lack of underlay_address: the underlay address of n1, n2" in (
        capsys.readouterr().out
    )
    Path("hosts.ini").write_text(
        "n1 ansible_host=192.0.2.1 pod_cidr=10.1.1.0/24 ip=10.3.0.1\n"
        "n2 ansible_host=192.0.2.2 pod_cidr=10.1.2.0/24 net=10.3.0 ip='{{ net }}.2' access_ip=192.0.2.2\n"
    )
    assert main(["plan"]) == 3
    said = capsys.readouterr().err
    for name, line, address in (("n1", 1, "10.3.0.1"), ("n2", 2, "10.3.0.2")):
        assert f"hosts.ini:{line}:" in said
        taken = f"host '{name}': its underlay_address would be ansible_host, 192.0.2.{line}"
        assert f"{taken}, but ip says {address}" in said
    assert "host_vars: {underlay_address: ip}" in said
    Path("plan.yaml").write_text("name: demo\ninventory: hosts.ini\nhost_vars: {underlay_address: ip}\n")
    assert main(["plan"]) == 0
    assert "ansible_host" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("{underlay_adress: ip}", "did you mean underlay_address?"),
        ("{underlay_address: 'ip; rm'}", "host_vars.underlay_address"),
        ("{underlay_address: '{{ ip }}'}", "host_vars.underlay_address"),
        ("{pod_cidr: 5}", "host_vars.pod_cidr"),
    ],
)
def test_names_that_are_none_are_refused(
    wrong: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plan.yaml").write_text(f"name: demo\ninventory: hosts.ini\nhost_vars: {wrong}\n")
    assert main(["plan"]) == 3
    shown = capsys.readouterr().err
    assert "plan.yaml:3:" in shown
    assert said in shown


def test_what_is_proposed_is_what_all_hosts_have() -> None:
    assert proposed([{"ip": "10.0.0.1"}, {"ip": "10.0.0.2", "access_ip": "x"}]) == {"underlay_address": "ip"}
    assert proposed([{"ip": "10.0.0.1"}, {}]) == {}
    assert proposed([{"ip": "10.0.0.1", "underlay_address": "10.0.0.9"}]) == {}
    assert proposed([]) == {}
    assert all(PATH.match(name) for names in MEANINGS.values() for name in names)


def test_a_host_that_lacks_their_variable_says_so_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text("all: {hosts: {n1: {ip: nonsense}, n2: {ip: 10.0.0.2}}}\n")
    found = inventory.read(path, host_vars={"underlay_address": "ip"})
    assert [host.variables["underlay_address"] for host in found.hosts] == ["nonsense", "10.0.0.2"]
    where = found.problem("IPP304", "x", "n1", "underlay_address").location
    assert where
    assert (where.line, where.column) == (1, 24)
