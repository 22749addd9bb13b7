"""The loader of the agent on a node: what it leaves in /run, and that it needs no room there."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.main import LACKS, SENTINEL
from netplan.rollout.transport.ansible import playbooks
from netplan.rollout.transport.parts import agent_code
from tests.support.agent_requests import WHOLE

DIGEST, CODE = agent_code()


def loaded() -> Any:
    spec = importlib.util.spec_from_file_location("plugin", playbooks() / "action_plugins" / "ipsecplan_node.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def said(folder: Path, code: bytes = CODE) -> dict[str, Any]:
    """Return what a node answers to a request that ``code`` travels with."""
    plugin = loaded()
    request = json.dumps({**WHOLE, "phases": ["facts"]}).encode()
    header = {"digest": DIGEST, "code": len(code), "request": len(request), "archive": 0}
    text = plugin.BOOTSTRAP.replace("/run/ipsecplan/agent-", f"{folder}/agent-")
    assert str(folder) in text
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", text],
        input=json.dumps(header).encode() + b"\n" + code + request,
        capture_output=True,
        timeout=60,
    )
    answer: dict[str, Any] = json.loads(done.stdout.decode().partition(SENTINEL)[2])
    return answer


def run(folder: Path) -> list[dict[str, object]]:
    answer: list[dict[str, object]] = said(folder)["results"]
    return answer


def test_the_agent_is_unpacked_once_and_what_others_left_goes(tmp_path: Path) -> None:
    old, used, half, beside = (tmp_path / f"agent-{name}" for name in ("old", "used", f"{DIGEST}.999999999", "x"))
    for folder in (old, used, half):
        (folder / "ipsecplan_node").mkdir(parents=True)
    (tmp_path / "timer").write_text("")
    os.utime(old, (time.time() - 7200,) * 2)
    assert run(tmp_path)[0]["phase"] == "facts"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"agent-{DIGEST}", used.name, "timer"]
    assert not beside.exists()
    first = (tmp_path / f"agent-{DIGEST}" / "ipsecplan_node" / "main.py").stat().st_ino
    run(tmp_path)
    assert (tmp_path / f"agent-{DIGEST}" / "ipsecplan_node" / "main.py").stat().st_ino == first


def test_what_was_sent_once_is_run_from_there_and_what_is_not_there_is_asked_for(tmp_path: Path) -> None:
    assert said(tmp_path, b"") == json.loads(loaded().LACKS) == json.loads(LACKS)
    run(tmp_path)
    assert said(tmp_path, b"")["results"][0]["phase"] == "facts"


def _changed(package: Path) -> None:
    (package / "phases" / "facts.py").write_text("def facts(_): return {'changed': False, 'detail': 'mine'}\n")


def _added(package: Path) -> None:
    (package / "phases" / "more.py").write_text("")


def _open_to_others(package: Path) -> None:
    package.parent.chmod(0o770)


def _elsewhere(package: Path) -> None:
    beside = package.parent.with_name("beside")
    package.parent.rename(beside)
    package.parent.symlink_to(beside)


@pytest.mark.parametrize("spoil", [_changed, _added, _open_to_others, _elsewhere])
def test_code_without_its_digest_is_not_run(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    run(tmp_path)
    spoil(tmp_path / f"agent-{DIGEST}" / "ipsecplan_node")
    assert said(tmp_path, b"") == {"lacks": True}
    assert run(tmp_path)[0]["detail"] != "mine"
    assert said(tmp_path, b"")["results"][0]["detail"] != "mine", "it was unpacked anew"


@pytest.mark.parametrize("folder", ["/proc/ipsecplan", "/dev/null/ipsecplan"])
def test_without_room_the_agent_runs_from_memory(folder: str) -> None:
    """Every import is one of the agent's own, through the loader in memory."""
    (result,) = run(Path(folder))
    assert result["phase"] == "facts"
    assert "charon" in str(result["detail"]) or result["ok"]
