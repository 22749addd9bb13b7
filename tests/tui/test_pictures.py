"""A picture test that fails says what differs, on every Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tui.pictures import difference, text_of

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "tests" / "tui" / "__snapshots__" / "test_snapshots" / "test_picture[ask-80x24-dark].svg"


def test_the_text_of_a_picture_is_that_of_the_screen():
    lines = text_of(KEPT.read_text())
    assert len(lines) == 24
    assert lines[0].startswith(" plan.yaml  pod MTU 1356  6 nodes")
    assert any("No (Esc)" in line for line in lines)


def test_what_differs_is_said():
    kept = KEPT.read_text()
    said = difference(kept, kept.replace("pod&#160;MTU&#160;1356", "pod&#160;MTU&#160;1355"))
    assert "- plan.yaml  pod MTU 1356  6 nodes" in said
    assert "+ plan.yaml  pod MTU 1355  6 nodes" in said
    assert len(said.splitlines()) < 12
    said = difference(kept, kept.replace("fill: #e0e0e0", "fill: #ff0000"))
    assert said.startswith("the colours and styles")
    assert "+line" in said
    assert difference(kept, kept + "\n").startswith("nothing that can be seen")
    assert difference("", kept).startswith("the text")


def test_a_failing_picture_test_prints_its_difference(tmp_path):
    """The real plugin with its report, in a project as strict about warnings as this one."""
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (tmp_path / "test_it.py").write_text(
        "import pytest\nfrom textual.app import App\nfrom tests.tui.pictures import difference\n"
        "def test_it(snap_compare):\n"
        "    if not snap_compare(App()):\n"
        "        pytest.fail(difference('', 'x'), pytrace=False)\n"
    )
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "test_it.py"]
    done = subprocess.run(
        line,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "nothing that can be seen" in done.stdout
    assert "1 failed" in done.stdout
    assert "INTERNALERROR" not in done.stdout + done.stderr
