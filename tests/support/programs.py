"""Programs that tests want and a machine need not have."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def program(name: str) -> str | None:
    """Return where a program is: on this machine, or beside Python, where `make test` unpacks some."""
    beside = Path(sys.executable).parent / name
    return shutil.which(name) or (str(beside) if beside.exists() else None)
