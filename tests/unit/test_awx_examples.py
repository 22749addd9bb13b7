"""What AWX is given: names that the product knows, pins that it is tested with, a play that runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from netplan.cli import passwords

ROOT = Path(__file__).resolve().parents[2]
AWX = ROOT / "docs" / "examples" / "awx"
STUB = "#!/bin/sh\nprintf '%s\\n' \"$@\" > {0}\necho said\nexit {1}\n"


def test_the_execution_environment_has_the_pins_of_the_requirements() -> None:
    needs = yaml.safe_load((AWX / "execution-environment.yml").read_text())["dependencies"]
    pinned = (ROOT / "requirements" / "main.txt").read_text()
    for name in ("ansible_core", "ansible_runner"):
        assert re.search(rf"^{re.escape(needs[name]['package_pip'])}\b", pinned, re.MULTILINE), needs[name]


def test_the_credential_type_names_what_the_product_reads() -> None:
    about = yaml.safe_load((AWX / "credential-type.yml").read_text())
    fields = {field["id"]: field for field in about["inputs"]["fields"]}
    assert all(field["secret"] for field in fields.values())
    sources = "".join(p.read_text() for p in (ROOT / "netplan" / "ipsec").glob("*.py"))
    known = {passwords.BECOME_FILE, passwords.VAULT_FILE, *re.findall(r"IPSECPLAN_[A-Z_]+_FILE", sources)}
    for name, value in about["injectors"]["env"].items():
        assert name in known, name
        assert re.fullmatch(r"\{\{ tower\.filename\.(\w+) \}\}", value)[1] in fields  # type: ignore[index]
    for name, value in about["injectors"]["file"].items():
        assert (name, value) == (f"template.{value[3:-3]}", f"{{{{ {value[3:-3]} }}}}")


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "code"), [("apply", 0), ("status", 4)])
def test_the_play_runs_what_the_survey_asks(tmp_path: Path, verb: str, code: int) -> None:
    asked = {row["variable"]: row for row in json.loads((AWX / "survey.json").read_text())["spec"]}
    assert set(asked) == {"verb", "bundle"}
    play = yaml.safe_load((AWX / "play.yml").read_text())[0]
    assert set(asked["verb"]["choices"]) == set(play["vars"]["verbs"])
    (tmp_path / "ipsecplan").write_text(STUB.format(tmp_path / "argv", code))
    (tmp_path / "ipsecplan").chmod(0o755)
    program = Path(sys.executable).with_name("ansible-playbook")

    def run(**answers: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "-i", "localhost,", str(AWX / "play.yml"), "-e", json.dumps(answers)],
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "ANSIBLE_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run(verb=verb, bundle="bundle")
    words = ["--yes"] if verb == "apply" else []
    argv = [verb, "bundle", "--state-dir", "/var/lib/awx/ipsecplan", *words]
    assert (tmp_path / "argv").read_text().split() == argv, done.stdout + done.stderr
    assert (done.returncode, f"exit code {code}" in done.stdout) == ((0, False) if code == 0 else (2, True))
    (tmp_path / "argv").unlink()
    if code:
        assert run(verb="apply", bundle="--take-over").returncode == 2
        assert not (tmp_path / "argv").exists(), "an answer that is an option runs nothing"
