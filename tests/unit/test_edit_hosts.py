"""One variable of one host is edited where the inventory has it, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from netplan.inputs import inventory
from netplan.inputs.edit_hosts import edit_host
from netplan.problems import ProblemError

YAML = """\
all:
  hosts:
    n1: {underlay_address: 10.0.0.1, pod_cidr: 10.1.0.0/24}   # first
    n2:
      underlay_address: 10.0.0.2   # kept
      pod_cidr: 10.1.1.0/24
"""
INI = "[all]\nn1 underlay_address=10.0.0.1  pod_cidr=10.1.0.0/24 # first\nn2 underlay_address=10.0.0.2\n"


def edited(path: Path, host: str, variable: str, text: str) -> str:
    change = edit_host(inventory.read(path, programs=False), host, variable, text)
    change.save()
    return path.read_text()


@pytest.mark.parametrize(
    ("host", "variable", "text", "gone", "come"),
    [
        ("n2", "underlay_address", "10.0.0.9", "10.0.0.2   # kept", '"10.0.0.9" # kept'),
        ("n2", "pod_cidr", "", "      pod_cidr: 10.1.1.0/24\n", ""),
        ("n2", "underlay_mtu", "1450", "", "      underlay_mtu: 1450\n"),
        ("n1", "behind_nat", "true", "10.1.0.0/24}", "10.1.0.0/24, behind_nat: true}"),
    ],
)
def test_yaml(tmp_path: Path, host: str, variable: str, text: str, gone: str, come: str) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text(YAML)
    found = edited(path, host, variable, text)
    assert come in found
    assert len(found.splitlines()) - len(YAML.splitlines()) == come.count("\n") - gone.count("\n")
    value = {h.name: h.variables for h in inventory.read(path, programs=False).hosts}[host].get(variable)
    assert value == {"1450": 1450, "true": True, "": None}.get(text, text)


@pytest.mark.parametrize(
    ("host", "variable", "text", "line"),
    [
        ("n1", "pod_cidr", "10.9.0.0/24", "n1 underlay_address=10.0.0.1  pod_cidr=10.9.0.0/24 # first"),
        ("n2", "underlay_mtu", "1450", "n2 underlay_address=10.0.0.2 underlay_mtu=1450"),
        ("n2", "underlay_address", "", "n2"),
    ],
)
def test_ini(tmp_path: Path, host: str, variable: str, text: str, line: str) -> None:
    path = tmp_path / "hosts.ini"
    path.write_text(INI)
    found = edited(path, host, variable, text).splitlines()
    assert line in found
    assert sum(a != b for a, b in zip(found, INI.splitlines(), strict=True)) == 1


@pytest.mark.parametrize(
    ("content", "host", "text", "said"),
    [
        ("[all]\nn[1:2] pod_cidr=10.1.0.0/24\n", "n1", "1450", "no line of its own"),
        (INI, "n1", "1450 ansible_connection=local", "can't be written into a line of INI"),
        (INI, "n1", "$(id)", "can't be written into a line of INI"),
    ],
)
def test_what_has_no_place_is_refused(tmp_path: Path, content: str, host: str, text: str, said: str) -> None:
    path = tmp_path / "hosts.ini"
    path.write_text(content)
    with pytest.raises(ProblemError) as caught:
        edit_host(inventory.read(path, programs=False), host, "underlay_mtu", text)
    assert caught.value.problems[0].code == "IPP210"
    assert said in caught.value.problems[0].message
    assert path.read_text() == content


def test_a_file_that_somebody_else_changed_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "hosts.ini"
    path.write_text(INI)
    change = edit_host(inventory.read(path, programs=False), "n1", "underlay_mtu", "1450")
    path.write_text(INI + "n3\n")
    with pytest.raises(ProblemError, match="somebody else"):
        change.save()
    assert path.read_text() == INI + "n3\n"
