"""The command line as a user runs it, for tests against the lab."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .pace import HANG_S


def ipsecplan(*argv: str, cwd: Path, timeout: float = HANG_S) -> str:
    """Run a command with its state in ``cwd``, for ``timeout`` seconds at most; it must exit 0. Returns stdout."""
    environment = {**os.environ, "IPSECPLAN_STATE": str(cwd / "state")}
    done = subprocess.run(
        [sys.executable, "-m", "netplan", *argv],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
