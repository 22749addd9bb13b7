"""The workflows for merge requests: their shell steps run here, in a repository with a base and a change."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CI = ROOT / "docs" / "examples" / "ci"
TOKEN = "glpat-" + "0" * 20
INVENTORY = """all:
  hosts:
    n1: {underlay_address: 192.0.2.1, pod_cidr: 10.244.1.0/24}
    n2: {underlay_address: 192.0.2.2, pod_cidr: 10.244.2.0/24}
"""
# stands for a program that reaches a server: keeps its arguments, its standard input and the comment
KEEPS = '#!/bin/sh\nprintf "%s\\n" "$@" > {0}/{1}.argv\ncat > {0}/{1}.stdin\ncp comment.md {0}/{1}.comment\n'


def github() -> list[str]:
    steps = yaml.safe_load((CI / "github.yml").read_text())["jobs"]["review"]["steps"]
    assert [step["uses"].partition("@")[0] for step in steps if "uses" in step] == [
        "actions/checkout",
        "actions/setup-python",
        "github/codeql-action/upload-sarif",
        "actions/upload-artifact",
    ]
    return [step["run"] for step in steps if "run" in step]


def gitlab() -> list[str]:
    job = yaml.safe_load((CI / "gitlab.yml").read_text())["ipsecplan"]
    return [*job["before_script"], *job["script"]]


def git(folder: Path, *words: str) -> str:
    own = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    argv = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
    done = subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True, env={**os.environ, **own})
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose last commit lowers the MTU; beside it the programs that the steps call."""
    folder, programs = tmp_path / "repository", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    ours = f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -P -m netplan "$@"\n'
    texts = {"ipsecplan": ours, "pip": "#!/bin/sh\n", **{n: KEEPS.format(tmp_path, n) for n in ("gh", "curl")}}
    for name, text in texts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (folder / "inventory.yml").write_text(INVENTORY)
    subprocess.run([programs / "ipsecplan", "init"], cwd=folder, check=True, capture_output=True)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "base")
    plan = (folder / "plan.yaml").read_text()
    (folder / "plan.yaml").write_text(plan.replace("mtu: 1500 ", "mtu: 1450 "))
    git(folder, "commit", "-qam", "change")
    return folder


def run(repository: Path, steps: list[str]) -> tuple[int, str]:
    """Run steps as a runner does, each in a shell that ends at the first failure."""
    base = git(repository, "rev-list", "--max-parents=0", "HEAD")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "PATH": f"{repository.parent / 'bin'}:{os.environ['PATH']}",
        "PLAN": "plan.yaml",
        "BASE": base,
        "NUMBER": "7",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
        "CI_API_V4_URL": "https://gitlab.example.org/api/v4",
        "CI_PROJECT_ID": "3",
        "CI_MERGE_REQUEST_IID": "7",
        "IPSECPLAN_COMMENT_TOKEN": TOKEN,
    }
    said = ""
    for step in steps:
        assert "${{" not in step, "what the platform fills in belongs into env: a title of a request is no shell text"
        done = subprocess.run(
            [shutil.which("bash") or "sh", "-e", "-c", step],
            cwd=repository,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        said += done.stdout + done.stderr
        if done.returncode:
            return done.returncode, said
    return 0, said


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "program"), [(github, "gh"), (gitlab, "curl")], ids=["github", "gitlab"])
def test_a_change_is_shown(repository: Path, steps: Any, program: str) -> None:
    code, said = run(repository, steps())
    assert code == 0, said
    comment = (repository.parent / f"{program}.comment").read_text()
    assert "pod MTU: 1416 -> 1364   (n1, n2)" in comment
    assert json.loads((repository / "ipsecplan.sarif").read_text())["version"] == "2.1.0"
    for artefact in ("bundle/review/index.html", "bundle/REVIEW.md", "diff.html", "plan.txt"):
        assert (repository / artefact).stat().st_size, artefact
        assert artefact in (CI / f"{'github' if program == 'gh' else 'gitlab'}.yml").read_text()
    assert TOKEN not in (repository.parent / f"{program}.argv").read_text()
    if program == "curl":
        assert TOKEN in (repository.parent / "curl.stdin").read_text()
    assert git(repository, "worktree", "list").count("\n") == 0


@pytest.mark.slow
def test_a_mistake_stops_and_stands_beside_its_line(repository: Path) -> None:
    plan = (repository / "plan.yaml").read_text()
    (repository / "plan.yaml").write_text(plan.replace("mode: transport", "mode: transprt"))
    code, said = run(repository, github())
    assert code == 3, said
    [result] = json.loads((repository / "ipsecplan.sarif").read_text())["runs"][0]["results"]
    line = plan.splitlines().index(next(text for text in plan.splitlines() if "mode: transport" in text)) + 1
    where = result["locations"][0]["physicalLocation"]
    assert (result["ruleId"], where["artifactLocation"]["uri"]) == ("IPP208", "plan.yaml")
    assert where["region"]["startLine"] == line
    assert not (repository.parent / "gh.argv").exists()


def test_the_hook_for_pre_commit() -> None:
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert (hook["entry"], hook["args"], hook["pass_filenames"]) == ("ipsecplan lint", ["plan.yaml"], False)
    fits = re.compile(hook["files"])
    changed = [
        "plan.yaml",
        "a/prod.yml",
        "inventory/hosts.ini",
        "hosts",
        "group_vars/all",
        "inventory/group_vars/k8s/x",
    ]
    assert [name for name in changed if not fits.search(name)] == []
    assert [name for name in ("README.md", "src/hosts.c", "x.tf") if fits.search(name)] == []
