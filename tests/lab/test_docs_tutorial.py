"""The tutorial as somebody types it: every session of it that needs a lab, on a lab of its own.

``TUTORIAL_LAB=NAME`` plays it on a running lab instead, without its first and last command.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.doc_blocks import DOCS, counted, rewritten

from .typed import typed

PAGE = DOCS / "tutorial" / "first-cluster.md"
CACHE = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")


def on_a_running_lab(page: str, name: str) -> str:
    """Return the page for a lab that somebody else started and will end."""
    page = re.sub(r"^\$ ipsecplan lab up\n\.\.\.\n", "", page, flags=re.MULTILINE)
    page = re.sub(r"^\$ ipsecplan lab down\n\.\.\.\n", "", page, flags=re.MULTILINE)
    page = page.replace("\n2\n", "\n...\n").replace("3 nodes", "... nodes")
    return page.replace("lab exec ", f"lab exec --name {name} ").replace("/lab/lab/", f"/lab/{name}/")


@pytest.mark.lab
@pytest.mark.drill
@pytest.mark.weight(240)
def test_the_tutorial_prints_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = PAGE.read_text(encoding="utf-8")
    given = os.environ.get("TUTORIAL_LAB")
    if given:
        page = on_a_running_lab(page, given)
        environment = {**os.environ, "IPSECPLAN_STATE": str(tmp_path / "state"), "NO_COLOR": "1"}
    else:
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": CACHE, "NO_COLOR": "1"}
        for name in ("XDG_STATE_HOME", "IPSECPLAN_STATE", "IPSECPLAN_LAB_HOME"):
            environment.pop(name, None)
    run: Callable[[list[str]], tuple[int, str]] = typed(tmp_path, environment)
    try:
        assert rewritten(page, tmp_path, run, lab=True) == page
    finally:
        if not given:
            run(["lab", "down"])
    assert counted(page)[1] >= 15
