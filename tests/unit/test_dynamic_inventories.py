"""Inventories that Ansible's plugins make: read by Ansible's own code when that is asked for, and refused otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netplan.inputs import inventory
from netplan.problems import ProblemError

PLUGINS = Path(__file__).resolve().parents[1] / "data" / "inventory_plugins"
CONSTRUCTED = """plugin: ansible.builtin.constructed
strict: true
compose:
  underlay_address: cloud.private_ip
  pod_cidr: "'10.244.' ~ cloud.index ~ '.0/24'"
groups:
  k8s_nodes: cloud.role in ('server', 'agent')
keyed_groups:
  - {key: cloud.zone, prefix: zone}
"""
HOSTS = """all:
  hosts:
    web1: {cloud: {private_ip: 10.0.0.1, index: 1, role: server, zone: a}}
    web2: {cloud: {private_ip: 10.0.0.2, index: 2, role: agent, zone: b}}
    db1: {cloud: {private_ip: 10.0.0.3, index: 3, role: db, zone: a}}
"""
CLOUD = """plugin: recorded_cloud
answer: {answer}
compose:
  ansible_host: publicipaddress
  underlay_address: privateipaddress
groups:
  k8s_nodes: "'node' in tags.Role"
"""


def constructed(tmp_path: Path) -> Path:
    folder = tmp_path / "inventory"
    folder.mkdir()
    (folder / "1-hosts.yml").write_text(HOSTS)
    (folder / "2-constructed.yml").write_text(CONSTRUCTED)
    return folder


def cloud(tmp_path: Path) -> Path:
    rows = [("i-0a", "10.1.0.1", "198.51.100.1", "node"), ("i-0b", "10.1.0.2", "198.51.100.2", "db")]
    instances = [
        {"InstanceId": i, "PrivateIpAddress": private, "PublicIpAddress": public, "Tags": {"Role": role}}
        for i, private, public, role in rows
    ]
    (tmp_path / "answer.json").write_text(json.dumps({"Instances": instances}))
    path = tmp_path / "cloud.yml"
    path.write_text(CLOUD.format(answer=tmp_path / "answer.json"))
    return path


@pytest.mark.slow
def test_constructed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_INVENTORY_ENABLED", "ansible.builtin.yaml,ansible.builtin.constructed")
    found = inventory.read(constructed(tmp_path), "k8s_nodes")
    assert {host.name: (host.variables["underlay_address"], host.variables["pod_cidr"]) for host in found.hosts} == {
        "web1": ("10.0.0.1", "10.244.1.0/24"),
        "web2": ("10.0.0.2", "10.244.2.0/24"),
    }
    assert {host.name: "zone_a" in host.groups for host in found.hosts} == {"web1": True, "web2": False}


@pytest.mark.slow
def test_a_cloud_s_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_INVENTORY_PLUGINS", str(PLUGINS))
    monkeypatch.setenv("ANSIBLE_INVENTORY_ENABLED", "recorded_cloud")
    [host] = inventory.read(cloud(tmp_path), "k8s_nodes").hosts
    assert (host.name, host.variables["underlay_address"], host.variables["ansible_host"]) == (
        "i-0a",
        "10.1.0.1",
        "198.51.100.1",
    )


@pytest.mark.slow
def test_nothing_is_evaluated_that_nobody_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor for a bundle's own inventory, whatever the environment says: who wrote the bundle is not who runs it."""
    monkeypatch.delenv("ANSIBLE_INVENTORY_ENABLED", raising=False)
    with pytest.raises(ProblemError, match="evaluate templates") as caught:
        inventory.read(constructed(tmp_path), "k8s_nodes")
    assert "ANSIBLE_INVENTORY_ENABLED=auto" in str(caught.value.problems[0].hint)
    monkeypatch.setenv("ANSIBLE_INVENTORY_ENABLED", "ansible.builtin.yaml,ansible.builtin.constructed")
    with pytest.raises(ProblemError):
        inventory.read(tmp_path / "inventory", "k8s_nodes", programs=False)
