"""Passwords of logins: where they come from, what is refused, and that they are nowhere but in sudo's prompt."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from click.testing import CliRunner

from netplan.cli import passwords
from netplan.cli.options import INVENTORY
from netplan.inputs import inventory as inventory_module
from netplan.inputs.inventory import Inventory
from netplan.problems import ProblemError
from netplan.rollout.nodes.login_passwords import Given, login_passwords
from netplan.rollout.nodes.targets import DOAS, Target, connection_of
from netplan.rollout.transport import ansible
from netplan.rollout.transport.ansible import AnsibleTransport
from netplan.rollout.transport.exchange import inventory_text
from netplan.rollout.transport.reply import Answer

ID, SECRET, VAULT = "n-0123456789ab", "hunter2-" + "x7" * 12, b"vault-password"
NONE = Given()
BECOMES = {"ansible_host": "192.0.2.1", "ansible_become": True}


def vaulted(text: str) -> str:
    return VaultLib([("default", VaultSecret(VAULT))]).encrypt(text.encode()).decode()


def inventory(tmp_path: Path, text: str) -> Inventory:
    path = tmp_path / "hosts.yml"
    path.write_text(text)
    return inventory_module.read(path, vault=VAULT)


def one_host(**variables: object) -> str:
    return yaml.safe_dump({"all": {"hosts": {"web1": {**BECOMES, **variables}}}})


def found(whole: Inventory, given: Given = NONE) -> dict[str, bytes]:
    connection, problems = connection_of(whole.hosts[0], whole)
    assert problems == []
    target = Target(ID, "web1", "0" * 64, {}, (), {}, connection)
    return login_passwords([target], whole, given)


def refusal(whole: Inventory, given: Given = NONE) -> Any:
    with pytest.raises(ProblemError) as caught:
        found(whole, given)
    [problem] = caught.value.problems
    assert SECRET not in str(problem)
    return problem


def test_what_is_given_is_for_logins_that_become_root(tmp_path: Path) -> None:
    assert found(inventory(tmp_path, one_host()), Given(b"one\n")) == {ID: b"one"}
    assert found(inventory(tmp_path, one_host()), Given()) == {}
    for no in (False, "no", "False", 0):
        assert found(inventory(tmp_path, one_host(ansible_become=no)), Given(b"one")) == {}
    for yes in (True, "yes", "True", 1):
        assert found(inventory(tmp_path, one_host(ansible_become=yes)), Given(b"one")) == {ID: b"one"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ansible_become_password", "ansible_become_pass"])
def test_a_host_s_own_password_out_of_a_vault_counts_more(tmp_path: Path, name: str) -> None:
    lines = "".join(f"          {line}\n" for line in vaulted(SECRET).splitlines())
    whole = inventory(
        tmp_path, f"all:\n  hosts:\n    web1:\n      ansible_become: true\n      {name}: !vault |\n{lines}"
    )
    assert found(whole, Given(b"another", VAULT)) == {ID: SECRET.encode()}
    missing, wrong = refusal(whole), refusal(whole, Given(None, b"wrong"))
    assert (missing.code, wrong.code) == ("IPP655", "IPP655")
    assert "--ask-vault-pass" in missing.hint
    assert name in missing.message


@pytest.mark.slow
def test_a_reference_to_a_vaulted_file(tmp_path: Path) -> None:
    """The layout that Ansible's own guide has: vars.yml refers to a name, vault.yml is encrypted as a whole."""
    folder = tmp_path / "group_vars" / "all"
    folder.mkdir(parents=True)
    (folder / "vars.yml").write_text('ansible_become_password: "{{ vault_become }}"\n')
    (folder / "vault.yml").write_text(vaulted(f"vault_become: {SECRET}\n"))
    assert found(inventory(tmp_path, one_host())) == {ID: SECRET.encode()}
    with pytest.raises(ProblemError, match="a file of it is in a vault, and there is no password for it"):
        inventory_module.read(tmp_path / "hosts.yml")


@pytest.mark.parametrize(
    ("variables", "given", "code"),
    [
        ({"ansible_become_password": SECRET}, Given(), "IPP652"),
        ({"ansible_become_password": "{{ mine }}", "mine": SECRET}, Given(), "IPP652"),
        ({"ansible_become_password": "{{ lookup('env', 'X') }}"}, Given(), "IPP307"),
        ({"ansible_become_password": ["a"]}, Given(), "IPP652"),
        ({"ansible_become_method": "doas"}, Given(b"x"), "IPP655"),
        ({}, Given(b"\n"), "IPP655"),
        ({}, Given(b"a\nb"), "IPP655"),
        ({}, Given(b"x" * 2000), "IPP655"),
    ],
)
def test_what_is_refused(tmp_path: Path, variables: dict[str, object], given: Given, code: str) -> None:
    assert refusal(inventory(tmp_path, one_host(**variables)), given).code == code


@pytest.mark.parametrize("name", ["doas", "community.general.doas"])
def test_doas_is_our_own_plugin(tmp_path: Path, name: str) -> None:
    whole = inventory(tmp_path, one_host(ansible_become_method=name))
    assert connection_of(whole.hosts[0], whole)[0]["ansible_become_method"] == DOAS


@pytest.mark.parametrize("name", ["pbrun", "community.general.machinectl", "../sudo"])
def test_another_method_is_refused_before_ansible_looks_for_it(tmp_path: Path, name: str) -> None:
    whole = inventory(tmp_path, one_host(ansible_become_method=name))
    _, [problem] = connection_of(whole.hosts[0], whole)
    assert (problem.code, problem.hint) == ("IPP652", "it is one of sudo, su, doas")


def test_a_password_is_in_no_representation(tmp_path: Path) -> None:
    assert SECRET not in repr(Given(SECRET.encode(), SECRET.encode()))
    text = inventory_text({ID: Target(ID, "web1", "0" * 64, {}, (), {}, dict(BECOMES))}, {ID: SECRET.encode()})
    assert SECRET not in text
    assert "lookup" in text


# -- the options -------------------------------------------------------------------------------------------------------


def run(*argv: str, **words: Any) -> Any:
    """Run a verb with the options; it says what `given` returns, twice, because `status --watch` asks again."""

    @click.command()
    @INVENTORY
    def verb(inventory: Path | None) -> None:
        assert inventory is None
        for _ in range(2):
            found = passwords.given()
            print(found.become, found.vault)

    return CliRunner().invoke(verb, argv, **words)


def test_passwords_come_from_files_that_only_we_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(passwords.VAULT_FILE, raising=False)
    file = tmp_path / "password"
    file.write_text("one\n")
    file.chmod(0o600)
    assert run("--become-password-file", str(file)).stdout == "b'one' None\n" * 2
    assert run("--vault-password-file", str(file)).stdout == "None b'one'\n" * 2
    assert run(env={passwords.BECOME_FILE: str(file), passwords.VAULT_FILE: str(file)}).stdout == "b'one' b'one'\n" * 2
    file.chmod(0o700)  # a program that prints it: Ansible's own reader runs it
    assert run(env={passwords.VAULT_FILE: str(file)}).stdout == "None None\n" * 2
    file.chmod(0o644)
    assert "can be read by others" in str(run("--become-password-file", str(file)).exception)


def test_what_is_typed_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    assert "no terminal" in str(run("-K").exception)

    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(passwords, "sys", type("Sys", (), {"stdin": Terminal()}))
    monkeypatch.setattr(passwords.getpass, "getpass", lambda prompt: asked.append(prompt) or "typed")
    assert run("-K").stdout == "b'typed' None\n" * 2
    assert run("-K", "--ask-vault-pass").stdout == "b'typed' b'typed'\n" * 2
    assert asked == ["BECOME password: "] * 2 + ["Vault password: "]


# -- the way to sudo ---------------------------------------------------------------------------------------------------

# stands for ssh: what would run on the node runs here
SSH = '#!/bin/sh\nfor last; do :; done\nexec /bin/sh -c "$last"\n'
# stands for sudo: prompts as it does, takes the password, and answers in the place of the agent
SUDO = """#!{python} -I
import os, re, sys
words = sys.argv[sys.argv.index("-p") + 1] if "-p" in sys.argv else ""
if not words:
    sys.exit("sudo: a password is required")
os.write(2, words.encode())
line = b""
while not line.endswith(b"\\n"):
    line += os.read(0, 1) or sys.exit("no password came")
with open({seen!r}, "ab") as seen:
    for name in ("cmdline", "environ"):
        for pid in ("self", str(os.getppid())):
            seen.write(open(f"/proc/{{pid}}/{{name}}", "rb").read())
    seen.write(b"\\ntold " + (b"right" if line == {secret!r} + b"\\n" else b"wrong") + b"\\n")
if line != {secret!r} + b"\\n":
    sys.exit("Sorry, try again.")
print(re.search("BECOME-SUCCESS-[a-z]+", sys.argv[-1])[0], flush=True)
while os.read(0, 65536):
    pass
print("IPSECPLAN-RESULT " + {answer!r}, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("secret", "said"), [(SECRET, None), ("x" + SECRET, "sudo did not take the password")], ids=["right", "wrong"]
)
def test_a_password_reaches_sudo_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str, said: str | None
) -> None:
    """A whole step by Ansible; ``secret``: what sudo wants. Everything that Ansible writes is kept and searched."""
    programs, seen, kept = tmp_path / "bin", tmp_path / "seen", tmp_path / "kept"
    programs.mkdir()
    (tmp_path / "tmp").mkdir()
    answer = json.dumps({"broken": "the stand-in has no agent"})
    sudo = SUDO.format(python=sys.executable, seen=str(seen), secret=secret.encode(), answer=answer)
    for name, text in (("ssh", SSH), ("sudo", sudo)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(ansible.shutil, "rmtree", lambda path, **_: Path(path).rename(kept / Path(path).name))
    kept.mkdir()
    target = Target(ID, "web1", "0" * 64, {}, (), {}, {**BECOMES, "ansible_python_interpreter": sys.executable})
    request: Any = {"phases": ["status"]}
    with AnsibleTransport({ID: SECRET.encode()}) as transport:
        answers = transport.step({ID: request}, {ID: target}, payload=False, fresh=True, arrived=lambda *_: None)
    if said:
        assert said in str(answers[ID].broken), answers
    else:
        assert answers == {ID: Answer(broken="the stand-in has no agent")}
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.parent != programs}
    assert any("job_events" in str(path) for path in written)
    assert b"told right" in written[seen] or said
    assert [path for path, data in written.items() if SECRET.encode() in data] == []
