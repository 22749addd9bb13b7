"""The static reader of inventories against Ansible's own: the same hosts, variables and groups, or no answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netplan.inputs import ansible_inventory, static_inventory

NAMES = st.sampled_from(["n1", "n2", "node-3", "4.example", "N5"])
GROUPS = st.sampled_from(["kube_node", "etcd", "zone-a", "g1", "g2"])
VALUES = st.one_of(
    st.sampled_from(
        ["10.0.0.1", "10.0.0.0/24", "yes", "{{ lookup('pipe', 'id') }}", "", "0x10", "1e3", "0755", "é", "~"]
    ),
    *(st.integers(-5, 1 << 40), st.booleans(), st.none(), st.floats(0, 9, width=16)),
    st.lists(st.sampled_from(["AES_GCM_16_256", 3]), max_size=2),
)
VARIABLES = st.dictionaries(st.sampled_from(["underlay_address", "pod_cidr", "underlay_mtu", "ansible_user"]), VALUES)


def bodies(depth: int) -> st.SearchStrategy[dict[str, Any] | None]:
    parts: dict[str, st.SearchStrategy[Any]] = {
        "hosts": st.none() | st.dictionaries(NAMES, st.none() | VARIABLES, max_size=3),
        "vars": st.none() | VARIABLES,
    }
    if depth:
        parts["children"] = st.dictionaries(GROUPS, bodies(depth - 1), max_size=2)
    return st.none() | st.fixed_dictionaries({}, optional=parts)


INVENTORIES = st.dictionaries(st.just("all") | GROUPS, bodies(2), min_size=1, max_size=3)


def _plain(members: static_inventory.Members) -> list[Any]:
    return sorted((host, own, sorted(groups)) for host, (own, groups) in members.items())


def both(path: Path, pattern: str) -> None:
    """Compare the answers of both readers, where the static one has one."""
    mine = static_inventory.read(path, pattern)
    if mine is not None:
        ansible = ansible_inventory.members(path, pattern, path.name)
        # as text: types and the order of keys count, too
        assert repr(_plain(mine)) == repr(_plain(ansible))


@pytest.mark.slow  # each asks Ansible
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=INVENTORIES, pattern=st.just("all") | GROUPS, suffix=st.sampled_from([".yml", ".json"]))
def test_a_static_answer_is_that_of_ansible(
    document: Mapping[str, Any], pattern: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"hosts{suffix}"
    path.write_text(json.dumps(document) if suffix == ".json" else yaml.safe_dump(dict(document)), encoding="utf-8")
    both(path, pattern)


INI = """
# comment
[kube_node]
n1 underlay_address=10.0.0.1 underlay_mtu=1500 behind_nat=True note=0x10
n2   underlay_address=fd00::2 name=-x- rack=1e3 zone=007
n3

[kube_node:vars]
pod_cidr = 10.0.0.0/24
rack=none
[all:vars]
ansible_user=ops
[k8s:children]
kube_node
etcd
[etcd]
n1
"""
YAML = """
all:
  vars: {a: 1, b: all}
  children:
    z: {vars: {b: z, c: z}, children: {a: {}}, hosts: {n1: {}}}
    a: {vars: {b: a, c: a}, hosts: {n1: {d: host}, n2: }}
    m: {vars: {b: m, c: m}, hosts: {n1: }}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "text"), [("hosts", INI), ("hosts.ini", INI), ("hosts.yaml", YAML)])
def test_usual_inventories_are_read_statically_and_alike(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert static_inventory.read(path, "all")
    both(path, "all")
    both(path, "n1")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("h.yml", "all: {hosts: {'n[1:3]': {}}}"),
        ("h.yml", "all: {hosts: {'n1:22': {}}}"),
        ("h.yml", "all: {hosts: {n1: {a: 2026-01-01}}}"),
        ("h.yml", "all: {hosts: {n1: {a: !vault x}}}"),
        ("h.yml", "all: {hosts: {n1: &a {b: 1}, n2: *a}}"),
        ("h.yml", "all: {hosts: {n1: {ansible_group_priority: 3}}}"),
        ("h.yml", "all: {hosts: {1: {}}}"),
        ("h.yml", "all: {hosts: {localhost: {}}}"),
        ("h.yml", "a: {children: {b: {children: {a: {}}}}, hosts: {n1: {}}}"),
        ("h.yml", "n1: {hosts: {n1: {}}}"),
        ("h.yml", "plugin: constructed"),
        ("h.yml", "all: {hosts: [n1]}"),
        ("h.yml", "all: {hosts: {n1: {}}"),
        ("h.json", '{"all": {"hosts": {"n1": {"a": {"__ansible_unsafe": "x"}}}}}'),
        ("h.ini", "n1"),
        ("h.ini", "[a]\nn1 b='c d'"),
        ("h.ini", "[a]\nn1 b=[1,2]"),
        ("h.ini", "[a]\nn[1:3]"),
        ("h.ini", "[a:vars]\nb=1"),
        ("h.ini", "[a:children]\nb"),
        ("h.toml", "[all]"),
        ("h.yml", "\0"),
        ("h.yml", ""),
    ],
)
def test_what_needs_ansible_is_left_to_it(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert static_inventory.read(path, "all") is None


@pytest.mark.parametrize("beside", ["group_vars", "host_vars"])
def test_variables_beside_the_file_are_left_to_ansible(beside: str, tmp_path: Path) -> None:
    path = tmp_path / "h.yml"
    path.write_text(YAML, encoding="utf-8")
    (tmp_path / beside).mkdir()
    assert static_inventory.read(path, "all") is None


def test_settings_programs_and_patterns_are_left_to_ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "h.yml"
    path.write_text(YAML, encoding="utf-8")
    assert static_inventory.read(path, "all:!n1") is None
    assert static_inventory.read(path, "n*") is None
    assert static_inventory.read(tmp_path, "all") is None
    monkeypatch.setenv("ANSIBLE_HASH_BEHAVIOUR", "merge")
    assert static_inventory.read(path, "all") is None
    monkeypatch.delenv("ANSIBLE_HASH_BEHAVIOUR")
    assert static_inventory.read(path, "all") is not None
    path.chmod(0o700)
    assert static_inventory.read(path, "all") is None
