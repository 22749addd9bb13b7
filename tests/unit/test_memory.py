"""No core of a process that holds keys is written, and nobody but root reads its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
import ctypes, resource
print("asked", ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))
"""
CONTROLLER = """
from pathlib import Path
from netplan.rollout.record.journal import ClusterState
with ClusterState(Path({folder!r}), "lab", reading={reading}):
    pass
"""
AGENT = """
import contextlib, io
from netplan.agent import main
with contextlib.redirect_stdout(io.StringIO()):
    main.main({"request": 2, "archive": 0}, io.BytesIO(b"{}"))
"""


def dumpable(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-P", "-c", code + ASK], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(maxsplit=2)[1:]


def test_controller_that_may_hold_keys_is_not_dumpable(tmp_path: Path) -> None:
    assert dumpable(CONTROLLER.format(folder=str(tmp_path), reading=False))[0] == "0"
    assert dumpable(CONTROLLER.format(folder=str(tmp_path), reading=True))[0] == "1", "who reads holds none"


def test_agent_is_not_dumpable() -> None:
    flag, limit = dumpable(AGENT)
    assert (flag, limit.strip()) == ("0", "(0, 0)")


def test_agent_goes_on_where_there_is_no_ctypes() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import sys; sys.modules['ctypes'] = None\n" + AGENT + "print('on')"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip().endswith("on"), done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_process_that_is_not_dumpable_still_starts_others(tmp_path: Path) -> None:
    """As a user other than root: /proc/self belongs to root then."""
    tmp_path.chmod(0o777)
    code = (
        "import os, subprocess, sys, tempfile; os.setgid(65534); os.setuid(65534)\n"
        "from netplan.rollout.record.private import hide_memory; hide_memory()\n"
        "assert os.listdir('/proc/self/fd')\n"
        "assert subprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True).stdout == b'1\\n'\n"
        "import multiprocessing; print('on')\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
    )
    if "PermissionError" in done.stderr or "ModuleNotFoundError" in done.stderr:
        pytest.skip("the program lies where other users can't read it")
    assert done.stdout == "on\n", done.stderr
