"""``python -m tests.lab.dying EVENT:PHASE:N VERB ...``: the command line, whose process group is killed right after the
journal's Nth record of that event and phase was on disk; or after its Nth line: ``line::N``."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from netplan.cli.main import main
from netplan.rollout.record.journal import Journal

_write = Journal.write


def arm(spec: str) -> None:
    """Replace the journal's write by one that ends with the whole process group."""
    event, phase, number = spec.split(":")
    left = [int(number)]

    def write(journal: Journal, record: dict[str, Any]) -> None:
        _write(journal, record)
        if event == "line" or (record["event"], record.get("phase", "")) == (event, phase):
            left[0] -= 1
            if not left[0]:
                os.killpg(0, signal.SIGKILL)

    Journal.write = write  # type: ignore[method-assign]


if __name__ == "__main__":
    arm(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
