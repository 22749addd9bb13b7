"""An inventory that turns the check of host keys off is said, and refused where secrets would travel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netplan.inputs.inventory import Host, Inventory
from netplan.problems import ProblemError
from netplan.rollout.nodes.host_keys import unchecked
from netplan.rollout.nodes.targets import Target
from tests.support import replies

OFF = [
    "-o StrictHostKeyChecking=no",
    "-oStrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    '-o "StrictHostKeyChecking no"',
    "-o stricthostkeychecking=off",
    "-o 'StrictHostKeyChecking = no'",
    "-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=/dev/null",
]
ON = [
    "",
    "-o StrictHostKeyChecking=yes",
    "-o StrictHostKeyChecking=accept-new",
    "-o ControlMaster=no",
    "-o UserKnownHostsFile=/etc/ssh/nodes",
    "-o UserKnownHostsFile=/etc/ssh/nodes -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes",
    "-o StrictHostKeyChecking=ask -o NoHostAuthenticationForLocalhost=no",
]


def cluster(tmp_path: Path, auth: str, name: str, value: str, count: int = 2) -> tuple[list[Target], Inventory]:
    path = tmp_path / "hosts.yml"
    ids = [f"n-{n:012}" for n in range(count)]
    hosts = tuple(Host(i, {name: value}, frozenset({"all"})) for i in ids)
    path.write_text(json.dumps({"all": {"hosts": {host.name: host.variables for host in hosts}}}))
    found = [
        Target(i, i, "0" * 64, replies.node_json(i, [], auth=auth), (), Path("/"), {name: value})  # type: ignore[arg-type]
        for i in ids
    ]
    return found, Inventory(path, "hosts.yml", "all", hosts)


@pytest.mark.parametrize("name", ["ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"])
@pytest.mark.parametrize("value", OFF)
def test_check_that_is_off_is_a_warning_and_with_psk_an_error(tmp_path: Path, name: str, value: str) -> None:
    for auth in ("certificates", "raw-keys"):
        (problem,) = unchecked(*cluster(tmp_path, auth, name, value))
        assert (problem.code, problem.severity, problem.location.line) == ("IPP652", "warning", 1)
        assert name in problem.message
    with pytest.raises(ProblemError, match="pre-shared keys would travel"):
        unchecked(*cluster(tmp_path, "psk", name, value))


@pytest.mark.parametrize("value", ON)
def test_check_that_is_on_is_not_spoken_of(tmp_path: Path, value: str) -> None:
    assert unchecked(*cluster(tmp_path, "psk", "ansible_ssh_common_args", value)) == []


def test_many_nodes_are_one_line(tmp_path: Path) -> None:
    (problem,) = unchecked(*cluster(tmp_path, "certificates", "ansible_ssh_args", OFF[0], 1000))
    assert problem.message.endswith("and 997 more")
