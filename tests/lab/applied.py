"""One cluster that was applied once and is put back for each test that starts from there: the nodes and our state.

An apply takes a minute and a half, a restore some seconds. The saved cluster has the nodes' memory and files, so keys,
certificates, SAs and leases are those of the apply; with it goes the state directory of the control side.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from netplan.lab.backend import UNSAVED
from netplan.lab.cluster import Lab

from .pings import Pings, both_ways, pinging
from .rollout_steps import Rollout

# Today's stable; the other tests of `make test` have the one before it, and one has both.
APPLIED_RELEASE = os.environ.get("RELEASE", "trixie")


class Applied:
    """``lab`` and ``rollout``; ``said`` and ``pings`` are of the apply that made it."""

    lab: Lab
    rollout: Rollout
    said: subprocess.CompletedProcess[str]
    pings: Pings

    def __init__(self, make: Callable[..., Lab], folder: Path) -> None:
        self.make, self.folder = make, folder
        self.saved = folder / "applied.lab"

    def renew(self) -> None:
        """Put everything back to right after the apply; one that failed is tried again."""
        if not hasattr(self, "lab"):
            self.lab = self.make(nodes=3, release=APPLIED_RELEASE)
        elif self.saved.exists():
            self.lab.restore(self.saved)
            shutil.rmtree(self.rollout.state)
            shutil.copytree(self.folder / "state.saved", self.rollout.state, symlinks=True)
            return
        else:  # one whose nodes are processes of this machine can't be saved, but an apply is quick there
            self.lab.restore()
            for path in (self.folder / "state", self.folder / "bundle"):
                shutil.rmtree(path, ignore_errors=True)
        self._apply()

    def _apply(self) -> None:
        self.rollout = Rollout(self.lab, self.folder)
        with pinging(self.lab, both_ways(self.lab)) as self.pings:
            self.said = self.rollout.apply()
        assert self.said.returncode == 0, self.said.stderr
        if self.lab.state.backend not in UNSAVED:
            self.lab.save(self.saved)
            shutil.copytree(self.rollout.state, self.folder / "state.saved", symlinks=True)
