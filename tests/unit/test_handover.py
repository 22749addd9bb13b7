"""Secrets reach Ansible through a socket and no file; nothing of the caller's Ansible settings reaches it at all."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import ansible_runner
import pytest

from netplan.rollout.nodes.targets import Target
from netplan.rollout.transport.ansible import AnsibleTransport, playbooks
from netplan.rollout.transport.parts import agent_code
from netplan.rollout.transport.secret_socket import LINK, NAME, Handover, own_environment

MOVED = "from ipsecplan_node.transaction import state; state.ROOT = state.RUN = '{}/here'\nmain(h, s)"
ID, CANARY = "n-aaaaaaaaaaaa", "canary-" + "5" * 40
LOUD = {
    "ANSIBLE_VERBOSITY": "4",
    "ANSIBLE_DEBUG": "1",
    "ANSIBLE_NO_LOG": "False",
    "ANSIBLE_KEEP_REMOTE_FILES": "1",
    "ANSIBLE_DIFF_ALWAYS": "1",
    "ANSIBLE_CALLBACK_PLUGINS": "/nonexistent",
    "AWX_LIB_DIRECTORY": "/nonexistent",
    "RUNNER_ONLY_FAILED_EVENTS": "True",
}


@pytest.fixture(scope="module")
def plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plugin", playbooks() / "action_plugins" / "ipsecplan_node.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_is_given_once_and_then_the_socket_is_gone(tmp_path: Path, plugin: ModuleType) -> None:
    large = b"x" * 3_000_000
    (tmp_path / "in").mkdir()
    with Handover(tmp_path, {"a": b"one", "b": large}) as hand:
        (tmp_path / LINK).symlink_to(hand.path)
        ask = plugin.ActionModule._request
        assert ask(tmp_path, "b") == large
        assert (ask(tmp_path, "a"), ask(tmp_path, "a"), ask(tmp_path, "c")) == (b"one", b"", b"")
    assert not (tmp_path / NAME).exists()
    with pytest.raises(OSError, match=r"refused|No such file"):
        ask(tmp_path, "a")
    assert not [t for t in threading.enumerate() if t.daemon and t.name.endswith("(_serve)")]


def test_who_hangs_up_stops_nobody(tmp_path: Path, plugin: ModuleType) -> None:
    (tmp_path / "in").mkdir()
    with Handover(tmp_path, {"a": b"x" * 3_000_000, "b": b"two"}) as hand:
        (tmp_path / LINK).symlink_to(hand.path)
        with socket.socket(socket.AF_UNIX) as rude:
            rude.connect(str(hand.path))
            rude.sendall(b"a")
        assert plugin.ActionModule._request(tmp_path, "b") == b"two"


def test_a_public_request_is_a_file(tmp_path: Path, plugin: ModuleType) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / ID).write_text("{}")
    assert plugin.ActionModule._request(tmp_path, ID) == b"{}"


def test_the_environment_of_the_caller_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LOUD.items():
        monkeypatch.setenv(name, value)
    with own_environment():
        assert not set(LOUD) & set(os.environ)
    assert {name: os.environ[name] for name in LOUD} == LOUD


@pytest.mark.parametrize("secret", [True, False])
def test_a_step_writes_no_secret_and_takes_no_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: ModuleType, secret: bool
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name, value in LOUD.items():
        monkeypatch.setenv(name, value)
    request = {"phases": ["load-psk"], **({"secrets": CANARY} if secret else {})}
    seen: list[Any] = []

    def run(private_data_dir: str, envvars: dict[str, str], **_: object) -> Any:
        folder = Path(private_data_dir)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert files
        assert not [path for path in files if CANARY.encode() in path.read_bytes()]
        assert not {name for name in LOUD if name in os.environ or name in envvars}
        seen.append(json.loads(plugin.ActionModule._request(folder, ID)))
        return type("Ended", (), {"status": "successful"})

    monkeypatch.setattr(ansible_runner, "run", run)
    target = Target(ID, "n1", "0" * 64, {}, (), {}, {"ansible_host": "192.0.2.1"})
    with AnsibleTransport() as transport:
        transport.step({ID: request}, {ID: target}, payload=False, fresh=False, arrived=lambda *_: None)
    assert seen == [request]
    assert list(tmp_path.iterdir()) == []


def test_what_is_sent_unpacks_itself_once_and_answers(tmp_path: Path, plugin: ModuleType) -> None:
    """The whole agent, sub-packages and all, from standard input: by an interpreter that has nothing else."""
    digest, code = agent_code()
    request = json.dumps({"phases": ["never"], "time": 0, "rearm": True}).encode()
    header = {"digest": digest, "code": len(code), "request": len(request), "archive": 0}
    bootstrap = f"import os; os.setsid = lambda: None\n{plugin.BOOTSTRAP}"
    for old, new in (("/run/ipsecplan/agent-", f"{tmp_path}/agent-"), ("main(h, s)", MOVED.format(tmp_path))):
        assert old in bootstrap
        bootstrap = bootstrap.replace(old, new)
    for _ in range(2):
        argv = [sys.executable, "-I", "-S", "-c", bootstrap]
        done = subprocess.run(argv, input=json.dumps(header).encode() + b"\n" + code + request, capture_output=True)
        said = json.loads(done.stdout.partition(plugin.SENTINEL.encode())[2])
        assert said["results"][0]["findings"][0]["code"] == "IPP601", "a request for a change without a lease"
    assert [path.name for path in tmp_path.glob("agent-*")] == [f"agent-{digest}"]
    assert (tmp_path / f"agent-{digest}" / "ipsecplan_node" / "phases" / "ike.py").exists()
