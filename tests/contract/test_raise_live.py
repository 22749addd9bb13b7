"""A MTU that waits, is raised, goes down again and is raised, on real devices: receivers first, senders last."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
LOW, HIGH = [1312] * 4, [1416] * 4
SAME = ("held", "raise-senders", "lower-devices-again", "raise-senders at last")  # as planned, or as held


def test_up_and_down_and_up(tmp_path: Path) -> None:
    argv = ["unshare", "-n", "-m", "--propagation", "private", sys.executable]
    argv += ["-m", "tests.contract.live_node", str(tmp_path)]
    root = Path(__file__).parents[2]
    run = subprocess.run(argv, cwd=root, capture_output=True, text=True, timeout=90, check=False)
    if run.returncode != 0 and "unshare" in run.stderr:
        pytest.skip(f"no namespaces: {run.stderr.strip()[-200:]}")
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    assert (seen["added"], seen["moved"]) == (3, [3, 3, 0])
    rows = {
        name: (row["sizes"], row["routes"], row["conflist"], row["waits"])
        for name, row in seen.items()
        if isinstance(row, dict)
    }
    assert rows["held"] == (LOW, 0, 1312, 1312)
    assert rows["raise-devices"] == (HIGH, 2, 1312, 1312), "everything receives it, nothing sends it"
    assert rows["raise-senders"] == rows["raise-senders twice"] == rows["raise-senders at last"] == (HIGH, 0, 1416, 0)
    assert rows["lower-senders-again"] == (HIGH, 2, 1312, 1312), "senders go down first"
    assert rows["lower-devices-again"] == (LOW, 2, 1312, 1312)
    assert all(not row["differs"] for name, row in seen.items() if name in SAME)
    assert seen["held"]["peers"] == ["10.77.0.3"]
