"""``python -m tests.lab.dying EVENT:PHASE:N VERB ...``: the command line, whose process group is killed right after the
journal's Nth record of that event and phase was on disk; after its Nth line: ``line::N``; or behind the Nth change of a
file below the folder of the state: ``file::N``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from netplan.cli.main import main
from netplan.rollout.record.journal import Journal
from tests.support.file_points import FilePoints

_write = Journal.write


class _Ending(FilePoints):
    def _did(self, what: str) -> None:
        self.done.append(what)
        if len(self.done) == self.last:
            os.write(2, f"killed behind {what}\n".encode())
            os.killpg(0, signal.SIGKILL)


def arm(spec: str) -> None:
    """Replace the journal's write, or what changes files, by what ends with the whole process group."""
    event, phase, number = spec.split(":")
    if event == "file":
        _Ending(pytest.MonkeyPatch(), Path(os.environ["IPSECPLAN_STATE"]), int(number))
        return
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
