"""What Ansible gets to see: our own inventory, nothing to evaluate, nothing secret, and a folder that goes away."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, is_trusted_as_template  # type: ignore[attr-defined]

from netplan.inputs.inventory import Host, Inventory
from netplan.problems import ProblemError
from netplan.rollout.nodes import targets
from netplan.rollout.nodes.targets import Target, connection_of, read_inventory
from netplan.rollout.pace import Pace
from netplan.rollout.transport import ansible, exchange
from netplan.rollout.transport.ansible import AnsibleTransport, remove_leftovers
from netplan.rollout.transport.exchange import inventory_text
from netplan.rollout.transport.reply import Answer

ID = "n-0123456789ab"
EVIL = "{{ lookup('pipe', 'touch /tmp/ipsecplan-was-here') }}"


def inventory(tmp_path: Path, **variables: object) -> tuple[Host, Inventory]:
    path = tmp_path / "hosts.yml"
    path.write_text(json.dumps({"all": {"hosts": {"web1": variables}}}))
    host = Host("web1", dict(variables), frozenset({"all"}))
    return host, Inventory(path, "hosts.yml", "all", (host,))


def target(**connection: object) -> Target:
    return Target(ID, "web1", "0" * 64, {}, (), {}, dict(connection))


def test_only_connection_variables_are_taken(tmp_path: Path) -> None:
    host, whole = inventory(
        tmp_path,
        ansible_host="192.0.2.1",
        ansible_port=2222,
        ansible_become=True,
        underlay_address="10.0.0.1",
        secret="hunter2",
        ansible_connection="local",
        ansible_ssh_executable="/tmp/evil",
    )
    found, problems = connection_of(host, whole)
    assert problems == []
    assert found == {"ansible_host": "192.0.2.1", "ansible_port": 2222, "ansible_become": True}


def test_the_inventory_name_is_the_address_where_none_is_given(tmp_path: Path) -> None:
    assert connection_of(*inventory(tmp_path))[0] == {"ansible_host": "web1"}


@pytest.mark.parametrize("value", ["auto", "auto_silent", "auto_legacy", "auto_legacy_silent"])
def test_ansible_s_own_search_for_python_is_the_node_s_python3(tmp_path: Path, value: str) -> None:
    found, problems = connection_of(*inventory(tmp_path, ansible_python_interpreter=value))
    assert (found, problems) == ({"ansible_host": "web1"}, [])


@pytest.mark.parametrize(
    "value", ["/usr/bin/python3", "python3.12", "/opt/py-3.9+x/bin/python", "/usr/bin/env python3"]
)
def test_a_python_that_is_named(tmp_path: Path, value: str) -> None:
    found, problems = connection_of(*inventory(tmp_path, ansible_python_interpreter=value))
    assert (found["ansible_python_interpreter"], problems) == (value, [])


@pytest.mark.parametrize("value", ["python3 -u", "$(touch x)", "/usr/bin/env", "a;b", "", True])
def test_what_is_no_python_is_refused(tmp_path: Path, value: object) -> None:
    _, problems = connection_of(*inventory(tmp_path, ansible_python_interpreter=value))
    assert [(p.code, "ansible_python_interpreter" in p.message) for p in problems] == [("IPP652", True)]


def test_a_full_disk_here_is_an_answer_and_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ansible.tempfile, "gettempdir", lambda: str(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/tmp/x")

    with AnsibleTransport() as transport:
        monkeypatch.setattr(exchange, "put", full)
        heard: list[str] = []
        answers = transport.step(
            {ID: {"phases": ["status"]}},
            {ID: target()},
            payload=False,
            fresh=False,
            arrived=lambda node, _: heard.append(node),
        )
    assert answers == {ID: Answer(broken="this machine: /tmp/x: can't be used: No space left on device")}
    assert heard == [ID]


@pytest.mark.parametrize("value", [EVIL, "{% for x in y %}", "{# x #}", "a{{b"])
@pytest.mark.parametrize("name", ["ansible_host", "ansible_user", "ansible_ssh_common_args"])
def test_a_template_in_a_field_we_use_is_refused(tmp_path: Path, name: str, value: str) -> None:
    _, problems = connection_of(*inventory(tmp_path, **{name: value}))
    assert [(p.code, name in p.message) for p in problems] == [("IPP307", True)]


def test_a_template_in_a_field_we_do_not_use_is_nobody_s_business(tmp_path: Path) -> None:
    found, problems = connection_of(*inventory(tmp_path, motd=EVIL))
    assert (found, problems) == ({"ansible_host": "web1"}, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ansible_password", "x"),
        ("ansible_ssh_pass", "x"),
        ("ansible_host", "-oProxyCommand=x"),
        ("ansible_user", ["x"]),
    ],
)
def test_passwords_and_options_in_disguise_are_refused(tmp_path: Path, name: str, value: object) -> None:
    _, problems = connection_of(*inventory(tmp_path, **{name: value}))
    assert [p.code for p in problems] == ["IPP652"]
    assert not any("hunter2" in p.message for p in problems)


def test_ansible_never_evaluates_a_value_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(inventory_text({ID: target(ansible_host=EVIL, ansible_port=22, ansible_user='a"b\n: c')}))
    loader = DataLoader()
    host = InventoryManager(loader=loader, sources=[str(path)]).get_host(ID)
    assert host is not None
    value = host.get_vars()["ansible_host"]
    assert not is_trusted_as_template(value)
    assert Templar(loader=loader, variables={}).template(value) == EVIL
    assert host.get_vars()["ansible_user"] == 'a"b\n: c'
    assert host.get_vars()["ansible_port"] == 22


def test_the_private_directory_is_private_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with AnsibleTransport() as transport:
        assert transport.folder
        assert transport.folder.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_removed_and_what_is_alive_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name, pid in (("dead", 2**22 + 1), ("alive", os.getpid())):
        folder = tmp_path / (ansible.PREFIX + name)
        folder.mkdir()
        (folder / "pid").write_text(str(pid))
    (tmp_path / (ansible.PREFIX + "link")).symlink_to(tmp_path)
    remove_leftovers()
    assert sorted(p.name for p in tmp_path.iterdir()) == [ansible.PREFIX + "alive", ansible.PREFIX + "link"]


def test_host_keys_are_checked_and_confirm_opens_its_own_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with AnsibleTransport() as transport:
        usual, fresh = transport._environment(False, 3), transport._environment(True, 3)
    assert usual["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert "ControlPersist" in usual["ANSIBLE_SSH_ARGS"]
    assert "ControlMaster=no" in fresh["ANSIBLE_SSH_ARGS"]
    assert "ControlPath=none" in fresh["ANSIBLE_SSH_ARGS"]
    assert "ForwardAgent=no" in fresh["ANSIBLE_SSH_ARGS"]


def test_what_is_waited_for_follows_from_the_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with AnsibleTransport() as transport:
        first = transport._environment(False, 80)
        transport.limits = Pace(trip_s=30, nodes=3).limits()
        slow = transport._environment(False, 3)
        transport.limits = Pace(trip_s=1, nodes=3).limits()
        quick = transport._environment(False, 3)
    assert "ConnectTimeout=30 -o ServerAliveInterval=10 -o ServerAliveCountMax=3" in first["ANSIBLE_SSH_ARGS"]
    assert "ConnectTimeout=90 -o ServerAliveInterval=15 " in slow["ANSIBLE_SSH_ARGS"]
    assert "ConnectTimeout=10 -o ServerAliveInterval=5 " in quick["ANSIBLE_SSH_ARGS"]
    assert {env["ANSIBLE_TIMEOUT"] for env in (first, slow, quick)} == {"60"}
    assert (first["ANSIBLE_FORKS"], slow["ANSIBLE_FORKS"]) == ("50", "3")


def test_a_step_that_hangs_says_for_how_long_it_was_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    asked: dict[str, Any] = {}

    def run(**words: Any) -> SimpleNamespace:
        asked.update(words)
        return SimpleNamespace(status="timeout")

    monkeypatch.setitem(sys.modules, "ansible_runner", SimpleNamespace(run=run))
    with AnsibleTransport() as transport:
        transport.limits = Pace(trip_s=30, soak_s=86400, nodes=3).limits(86580)
        answers = transport.step({ID: {}}, {ID: target()}, payload=False, fresh=False, arrived=lambda *_: None)
    assert asked["timeout"] == 86685, "longer than the timer that the step arms: whoever hangs is ended by that"
    assert answers[ID].broken == "nothing came back within 86685 s, and Ansible was ended"


def test_answers(tmp_path: Path) -> None:
    path = tmp_path / "answer"
    request: Any = {"phases": ["arm"]}
    assert ansible._answer(path, request) == Answer()
    result: Any = {"phase": "arm", "ok": True, "changed": False, "detail": "", "findings": [], "seconds": 0.1}
    path.write_text(json.dumps({"results": [result], "clock": 1.5, "wall": 2.5}))
    assert ansible._answer(path, request) == Answer(results=[result], clock=1.5, wall=2.5)
    path.write_text('{"unreachable": "refused"}')
    assert ansible._answer(path, request) == Answer(unreachable="refused")
    path.write_text('{"resul')
    assert ansible._answer(path, request) == Answer(broken="its reply is not JSON")


def test_the_plays_are_found() -> None:
    assert (ansible.playbooks() / "step.yml").is_file()


def test_a_long_temporary_directory_leaves_room_for_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long, short = tmp_path / ("x" * 90), tmp_path / "s"
    long.mkdir()
    short.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    monkeypatch.setattr(ansible, "SHORT", str(short))
    with AnsibleTransport() as transport:
        assert transport.folder
        assert transport.folder.parent == long
        assert f"ControlPath={short}/" in transport._environment(False, 1)["ANSIBLE_SSH_ARGS"]
    assert list(long.iterdir()) == list(short.iterdir()) == []


def test_an_inventory_that_changed_after_the_bundle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def now(address: str) -> Inventory:
        host = Host("n1", {"ansible_host": address}, frozenset())
        return Inventory(tmp_path / "hosts.yml", "hosts.yml", "all", (host,))

    recorded = {"path": str(tmp_path / "hosts.yml"), "pattern": "all", "digest": now("192.0.2.1").digest}
    bundle: Any = SimpleNamespace(manifest={"inventory": recorded})
    monkeypatch.setattr(targets.inventory_module, "read", lambda *_, **__: now("192.0.2.1"))
    assert read_inventory(bundle, None).digest == recorded["digest"]
    monkeypatch.setattr(targets.inventory_module, "read", lambda *_, **__: now("192.0.2.9"))
    with pytest.raises(ProblemError, match="changed after the bundle was rendered"):
        read_inventory(bundle, None)
    assert read_inventory(bundle, tmp_path / "hosts.yml"), "unless it is given by hand"
