"""Commands of the pages, run as somebody types them: in a folder, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.doc_blocks import Run

from .pace import HANG_S


def typed(folder: Path, environment: Mapping[str, str]) -> Run:
    """Return what runs a command of ours and gives its exit code and output; a leading ``~/`` is the caller's home."""

    def run(words: list[str]) -> tuple[int, str]:
        argv = [os.path.expanduser(word) if word.startswith("~/") else word for word in words]  # noqa: PTH111
        print("$ ipsecplan", *argv, flush=True)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "netplan", *argv],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=HANG_S,
            check=False,
        )
        print(done.stdout, flush=True)
        return done.returncode, done.stdout

    return run
