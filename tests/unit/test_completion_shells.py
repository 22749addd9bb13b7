"""The completion scripts as shells use them: sourced, and asked by a half typed line for verbs, options and values."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from netplan.cli.quick import quick
from tests.lab.pace import HANG_S

ROOT = Path(__file__).parents[2]
# a line that is half typed -> one of the words that its end may become
ASKED = {
    "ipsecplan ver": "verify",
    "ipsecplan lab up --rel": "--release",
    "ipsecplan lab up --release tri": "trixie",
    "ipsecplan calc calico-vx": "calico-vxlan",
    "ipsecplan explain IPP61": "IPP614",
    "ipsecplan lint pl": "plan.yaml",
    "ipsecplan apply bun": "bundle",
    "ipsecplan completion f": "fish",
}

# one of each kind, for the shells that the program is started anew in for each line
KINDS = {
    line: ASKED[line]
    for line in ("ipsecplan ver", "ipsecplan lab up --rel", "ipsecplan explain IPP61", "ipsecplan lint pl")
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a plan and a bundle, in which ``ipsecplan`` is a program."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "ipsecplan"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m netplan "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    shutil.copytree(ROOT / "inventories" / "example", tmp_path / "work")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HOME", str(tmp_path))
    work = tmp_path / "work"
    subprocess.run(["ipsecplan", "render", "plan.yaml", "--to", "bundle"], cwd=work, check=True, capture_output=True)
    return work


def run(folder: Path, *argv: str) -> str:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=HANG_S)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


BASH = """
source <(ipsecplan completion bash)
while IFS= read -r line; do
  read -ra COMP_WORDS <<< "$line"
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
  $(complete -p ipsecplan | sed 's/.*-F \\([^ ]*\\) .*/\\1/') ipsecplan
  echo "${COMPREPLY[*]}"
done
"""


@pytest.mark.slow
def test_bash_completes(folder: Path) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH],
        cwd=folder,
        input="\n".join(ASKED) + "\n",
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for (line, wanted), said in zip(ASKED.items(), done.stdout.splitlines(), strict=True):
        assert wanted in said.split(), f"{line}: {said}"


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("fish"), reason="no fish here")
def test_fish_completes(folder: Path) -> None:
    for line, wanted in KINDS.items():
        said = run(folder, "fish", "--no-config", "-c", f'ipsecplan completion fish | source; complete -C "{line}"')
        assert wanted in [word.partition("\t")[0] for word in said.splitlines()], f"{line}: {said}"


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
def test_zsh_completes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")  # no colours, no redrawing
    shell = pexpect.spawn("zsh", ["-f", "-i"], cwd=str(folder), timeout=HANG_S, encoding="utf-8", dimensions=(50, 200))
    try:
        shell.sendline("PROMPT='READY> '; LISTMAX=1000; autoload -Uz compinit; compinit -u -D")
        shell.sendline("source <(ipsecplan completion zsh); echo SOURCED=$?")
        shell.expect("SOURCED=0\r\n")
        shell.expect_exact("READY> ")
        for line, wanted in KINDS.items():
            shell.send(f"{line}\t")
            shell.expect_exact(wanted)  # at the end of the line, or in the list below it
            shell.sendcontrol("u")  # an empty line again
    finally:
        shell.close(force=True)


def test_a_shell_that_asks_gets_no_help_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert quick([]) == 0
    monkeypatch.setenv("_IPSECPLAN_COMPLETE", "bash_complete")
    assert quick([]) is None, "click answers"
