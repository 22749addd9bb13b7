"""The walk through the planner in a real terminal, against the lab: to the end, and with the planner killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ClusterFactory
from .planner_walk import Terminal, Walk, killed_and_attached, plan_of, walk_through

DOCS = Path(__file__).resolve().parents[2] / "docs" / "planner"

pytestmark = [pytest.mark.lab, pytest.mark.drill]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here")
@pytest.mark.parametrize(("name", "steps"), [("killed", killed_and_attached), ("walk", walk_through)])
def test_walk(name: str, steps: Callable[[Walk], None], clusters: ClusterFactory, tmp_path: Path) -> None:
    """With UPDATE_GOLDEN=1 the recording in docs/planner is written anew."""
    lab = clusters(nodes=3)
    shutil.copy(lab.inventory, tmp_path / "inventory.yml")
    (tmp_path / "plan.yaml").write_text(plan_of(lab))
    out = DOCS if os.environ.get("UPDATE_GOLDEN") else tmp_path / "out"
    out.mkdir(exist_ok=True)
    terminal = Terminal(tmp_path)
    walk = Walk(terminal, out)
    try:
        steps(walk)
    finally:
        terminal.close()
    walk.write(name)
    assert (tmp_path / "plan.yaml").read_text().count("#") == plan_of(lab).count("#"), "comments are kept"
