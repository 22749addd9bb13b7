"""The loader of the agent on a node: what it leaves in /run, and that it needs no room there."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.main import SENTINEL
from netplan.rollout.transport.ansible import playbooks
from tests.support.agent_requests import WHOLE

DIGEST = "0123456789abcdef"


def loaded() -> Any:
    spec = importlib.util.spec_from_file_location("plugin", playbooks() / "action_plugins" / "ipsecplan_node.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(folder: Path) -> list[dict[str, object]]:
    plugin = loaded()
    asked = {**WHOLE, "phases": ["facts"]}
    code, request = json.dumps(plugin.agent_files()).encode(), json.dumps(asked).encode()
    header = {"digest": DIGEST, "code": len(code), "request": len(request), "archive": 0}
    text = plugin.BOOTSTRAP.replace("/run/ipsecplan/agent-", f"{folder}/agent-")
    assert str(folder) in text
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", text],
        input=json.dumps(header).encode() + b"\n" + code + request,
        capture_output=True,
        timeout=60,
    )
    answer: list[dict[str, object]] = json.loads(done.stdout.decode().partition(SENTINEL)[2])["results"]
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


@pytest.mark.parametrize("folder", ["/proc/ipsecplan", "/dev/null/ipsecplan"])
def test_without_room_the_agent_runs_from_memory(folder: str) -> None:
    """Every import is one of the agent's own, through the loader in memory."""
    (result,) = run(Path(folder))
    assert result["phase"] == "facts"
    assert "charon" in str(result["detail"]) or result["ok"]
