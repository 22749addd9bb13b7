"""The agent on the oldest Python that a node may have: 3.8, with its standard library alone."""

from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from netplan.agent import phase_table
from tests.ci.pythons import installed
from tests.support import replies

AGENT = Path(phase_table.__file__).parent
FILES = sorted(AGENT.rglob("*.py"))
OLDEST = ["3.8", "3.9", "3.10"]  # of these, what is on this machine
# what came after 3.8 and nothing else here is called
NEWER = {
    *("removeprefix", "removesuffix", "bit_count", "is_relative_to", "is_junction", "with_stem", "hardlink_to"),
    *("cache", "pairwise", "batched", "lcm", "nextafter", "randbytes", "to_thread", "unparse", "add_note"),
    *("waitstatus_to_exitcode", "pidfd_open", "StrEnum", "UTC", "file_digest", "orig_argv", "stdlib_module_names"),
}
NEWER_KEYWORDS = {
    "zip": {"strict"},
    "glob": {"root_dir"},
    "dataclass": {"slots", "kw_only"},
    "basicConfig": {"encoding"},
    "Popen": {"user", "group", "umask", "process_group"},
    "run": {"user", "group", "umask", "process_group"},
    "rmtree": {"onexc", "dir_fd"},
    "sha256": {"usedforsecurity"},
    "TemporaryDirectory": {"ignore_cleanup_errors", "delete"},
}
NEWER_MODULES = {"zoneinfo", "graphlib", "tomllib"}
# runs in the old interpreter: every module, every function of a phase, and one request
PROGRAM = """
import importlib, io, json, os, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import ipsecplan_node
names = [m.name for m in pkgutil.walk_packages(ipsecplan_node.__path__, "ipsecplan_node.")]
for name in names:
    importlib.import_module(name)
from ipsecplan_node import main, phase_table
for phase in phase_table.PHASES.values():
    main.function_of(phase)
request = sys.stdin.buffer.read()
os.setsid = lambda: None
main.main({"digest": "", "code": 0, "request": len(request), "archive": 0}, io.BytesIO(request))
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(AGENT).as_posix())
def test_no_file_has_what_python_38_lacks(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    for node in ast.walk(tree):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Attribute):
            assert node.attr not in NEWER, where
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert not NEWER_KEYWORDS.get(called, set()) & {keyword.arg for keyword in node.keywords}, where
        elif isinstance(node, ast.Import):
            assert not NEWER_MODULES & {alias.name for alias in node.names}, where
        elif isinstance(node, ast.ImportFrom):
            assert node.module not in NEWER_MODULES, where
            assert not NEWER & {alias.name for alias in node.names}, where


@pytest.mark.parametrize("version", OLDEST)
def test_every_module_and_a_request_on_an_old_python(version: str, tmp_path: Path) -> None:
    python = installed(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    for path in FILES:
        copy = tmp_path / "ipsecplan_node" / path.relative_to(AGENT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    request: dict[str, Any] = {
        "phases": ["facts"],
        "tx": "tx-1",
        "node": replies.node_json("n-a", []),
        "release": "0" * 64,
        "files": [],
        "timer": 300,
        "rearm": False,
        "time": 1.0,
        "patience": 1.0,
        "soak": 0.0,
        "kind": "apply",
    }
    done = subprocess.run(
        python.command("-I", "-S", "-X", "dev", "-W", "error", "-c", PROGRAM, str(tmp_path)),
        input=json.dumps(request).encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    said = json.loads(done.stdout.decode().rpartition("IPSECPLAN-RESULT ")[2])
    (result,) = said["results"]
    assert result["phase"] == "facts"
    assert "defect" not in str(result), result
