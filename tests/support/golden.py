"""Expected texts that lie in files: compared, or written anew with UPDATE_GOLDEN=1 (`make golden`)."""

from __future__ import annotations

import os
from pathlib import Path


def check(path: Path, text: str) -> None:
    """Compare a text with that of a file; with UPDATE_GOLDEN=1 write it first. Then read the difference."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path}: `make golden` writes it anew"
