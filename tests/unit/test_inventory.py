"""Hosts from any Ansible inventory: formats, patterns, positions, and that nothing in it is ever evaluated."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from netplan import pipeline
from netplan.inputs import inventory
from netplan.problems import ProblemError

INI = """\
[zone_a]
n1 underlay_address=10.0.0.1 pod_cidr=10.244.1.0/24
[zone_b]
n2 underlay_address=10.0.0.2 pod_cidr=10.244.2.0/24 behind_nat=true
[k8s:children]
zone_a
zone_b
[k8s:vars]
underlay_mtu=1450
"""


def test_ini(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text(INI)
    found = inventory.read(path, "k8s")
    assert [h.name for h in found.hosts] == ["n1", "n2"]
    assert found.hosts[0].variables["underlay_mtu"] == 1450
    assert found.hosts[1].groups >= {"k8s", "zone_b", "all"}
    assert [h.name for h in inventory.read(path, "k8s:!zone_b").hosts] == ["n1"]
    assert str(found.problem("IPP304", "x", "n2", "pod_cidr").location) == f"{path}:4:39"


def test_a_directory_with_host_vars(tmp_path: Path) -> None:
    (tmp_path / "inv" / "host_vars").mkdir(parents=True)
    (tmp_path / "inv" / "hosts.yml").write_text("k8s:\n  hosts:\n    n1:\n    n2:\n")
    for n in (1, 2):
        text = f"underlay_address: 10.0.0.{n}\npod_cidr: 10.244.{n}.0/24\n"
        (tmp_path / "inv" / "host_vars" / f"n{n}.yml").write_text(text)
    found = inventory.read(tmp_path / "inv", shown="inv")
    assert [h.variables["underlay_address"] for h in found.hosts] == ["10.0.0.1", "10.0.0.2"]
    assert str(found.problem("IPP304", "x", "n2", "pod_cidr").location) == "inv/host_vars/n2.yml:2:11"


def test_a_program(tmp_path: Path) -> None:
    path = tmp_path / "dynamic"
    hosts = {f"n{n}": {"underlay_address": f"10.0.0.{n}", "pod_cidr": f"10.244.{n}.0/24"} for n in (1, 2)}
    answer = {"k8s": {"hosts": list(hosts)}, "_meta": {"hostvars": hosts}}
    path.write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(answer)}\nE\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    assert [h.name for h in inventory.read(path, "k8s").hosts] == ["n1", "n2"]


@pytest.mark.parametrize("place", ["name", "underlay_address", "pod_cidr", "other", "group"])
def test_a_template_in_the_inventory_runs_nothing(tmp_path: Path, place: str) -> None:
    canary = tmp_path / "ran"
    evil = "{{ lookup('pipe', 'touch " + str(canary) + "') }}"
    host = {"underlay_address": "10.0.0.1", "pod_cidr": "10.244.1.0/24", "other": "x"}
    name = json.dumps(evil) if place == "name" else "n1"
    host |= {place: evil} if place in host else {}
    group = {"underlay_mtu": evil} if place == "group" else {}
    text = f"k8s:\n  vars: {json.dumps(group)}\n  hosts:\n    {name}: {json.dumps(host)}\n"
    text += "    n2: {underlay_address: 10.0.0.2, pod_cidr: 10.244.2.0/24}\n"
    (tmp_path / "hosts.yml").write_text(text)
    (tmp_path / "plan.yaml").write_text("name: demo\ninventory: hosts.yml\n")
    if place == "other":  # a variable that the plan doesn't read stays text
        pipeline.make(tmp_path / "plan.yaml")
    else:
        with pytest.raises(ProblemError) as raised:
            pipeline.make(tmp_path / "plan.yaml")
        assert {p.code for p in raised.value.problems} <= {"IPP305", "IPP307"}
    assert not canary.exists()


def test_positions_survive_what_our_own_reader_refuses(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text("k8s:\n  hosts:\n    n1: &a {pod_cidr: x}\n    n2: *a\n")
    found = inventory.read(path)
    assert found.problem("IPP304", "x", "n1", "pod_cidr").location.line is None  # no position beats a wrong one


def test_the_digest_sees_every_change(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text(INI)
    one = inventory.read(path, "k8s").digest
    assert one == inventory.read(path, "k8s").digest
    path.write_text(INI.replace("underlay_mtu=1450", "underlay_mtu=1451"))
    assert one != inventory.read(path, "k8s").digest


def test_a_talkative_environment_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ansible's debug output goes between the lines of its JSON, and its log file would have the whole inventory."""
    path, log = tmp_path / "hosts.yml", tmp_path / "log"
    path.write_text("all: {hosts: {n1: {a: 1}}}\n")
    for name, value in {"DEBUG": "1", "VERBOSITY": "4", "LOG_PATH": str(log)}.items():
        monkeypatch.setenv(f"ANSIBLE_{name}", value)
    assert [host.name for host in inventory.read(path, "all").hosts] == ["n1"]
    assert not log.exists()
