"""A command line of ours run in this process, as a person at a terminal without colours would see it."""

from __future__ import annotations

import contextlib
import io

from netplan.cli.main import main


def run(words: list[str]) -> tuple[int, str]:
    """Return the exit code and what was printed, stdout and stderr in their order."""
    raw = io.BytesIO()
    both = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(both), contextlib.redirect_stderr(both):
        code = main(words)
        both.flush()
    return code, raw.getvalue().decode()
