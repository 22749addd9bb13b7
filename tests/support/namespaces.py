"""Two hosts on this machine's kernel: network namespaces with a link between them. Needs root and iproute2."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]  # where a process that runs the agent begins, so that it imports this one
NEEDS = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("ip"), reason="needs root, nft and ip"
    ),
]


def ip(*words: str) -> str:
    """Run ``ip`` and return what it prints."""
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def inside(name: str, *argv: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a program inside a namespace; a failure is in what is returned."""
    return subprocess.run(["ip", "netns", "exec", name, *argv], capture_output=True, text=True, **options)  # type: ignore[call-overload,no-any-return]
