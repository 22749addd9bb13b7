"""Every login that people have: root, sudo without and with a password, doas, su; directly and through a bastion.

One lab, ten logins: `apply`, `verify` and `revert` by each, with everything that is written searched for the password
as in test_secrets.py.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from netplan.lab.cluster import Lab
from netplan.lab.logins import BY_PASSWORD, METHODS, Login

from .conftest import ClusterFactory
from .secrets_watch import PLACES, Watch

pytestmark = [pytest.mark.lab, pytest.mark.drill]
LOGINS = [Login("ops" if method else "root", method, bastion) for method in ("", *METHODS) for bastion in (False, True)]


class Round(Watch):
    """One cluster that is applied, verified and reverted by one login after the other."""

    def log_in(self, login: Login) -> list[str]:
        """Make a login and a bundle that uses it; returns the options that it needs."""
        self.lab.log_in(login)
        plan = yaml.safe_load(self.lab.plan.read_text()) | {"inventory": str(self.lab.inventory)}
        (self.folder / "plan.yaml").write_text(yaml.safe_dump(plan))
        assert self.say("bundle", "render", str(self.folder / "plan.yaml"), "--to", str(self.bundle)) == 0
        if login.become not in BY_PASSWORD:
            return []
        file = self.lab.password_file
        assert file
        self.secrets[login.words] = file.read_bytes().strip()
        return ["--become-password-file", str(file)]

    def verb(self, place: str, name: str, *words: str) -> None:
        code = self.say(place, name, str(self.bundle), "--state-dir", str(self.state), *words)
        assert code == 0, self.read[place][-1]

    def walk(self, options: list[str]) -> None:
        """Enable, prove and take away."""
        self.verb("output of apply", "apply", "--yes", "--soak", "1", *options)
        self.verb("output of status", "verify", "--json", *options)
        self.verb("output of status", "status", *options)
        self.verb("output of apply", "revert", "--yes", *options)


def judged(one: Round) -> None:
    """Print the table; a password that was found anywhere fails."""
    print("\n" + "\n".join(one.lines()))
    found = {name: {p: c for p, c in column.items() if c} for name, column in one.table.items() if name != "planted"}
    assert not any(found.values()), (found, one.finds)


@pytest.mark.parametrize("method", ["root", *METHODS])
def test_a_login_applies_verifies_and_reverts(clusters: ClusterFactory, tmp_path: Path, method: str) -> None:
    one = Round(clusters(nodes=2), tmp_path / "c")
    one.plant()
    assert all(one.table["planted"][place] for place in PLACES), one.table["planted"]
    for login in [login for login in LOGINS if (login.become or "root") == method]:
        options = one.log_in(login)
        with one.situation("bastion" if login.bastion else "direct"):
            one.walk(options)
    judged(one)


def test_a_wrong_password_changes_nothing_and_says_so(clusters: ClusterFactory, tmp_path: Path) -> None:
    one = Round(clusters(nodes=2), tmp_path / "c")
    one.log_in(Login("ops", "sudo-password"))
    wrong = one.home("wrong", "not-the-password")
    argv = ("apply", str(one.bundle), "--state-dir", str(one.state), "--yes")
    assert one.say("output of apply", *argv, "--become-password-file", str(wrong)) == 1
    assert b"sudo did not take the password" in one.read["output of apply"][-1][1]
    assert one.say("output of apply", *argv) == 1
    assert b"sudo wants a password" in one.read["output of apply"][-1][1]
    for node in one.names:
        assert one.lab.exec(node, ["ls", "/etc/ipsecplan"]).returncode, "nothing was put there"


def test_a_vaulted_variable_and_a_certificate_in_an_agent(
    clusters: ClusterFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password in the inventory's vault; SSH by a certificate that only an agent has."""
    one = Round(clusters(nodes=2), tmp_path / "c")
    one.log_in(Login("ops", "sudo-password"))
    vault = one.home("vault", "vault-password-of-a-test")
    password = one.secrets["ops with sudo-password"].decode()
    sealed = VaultLib([("default", VaultSecret(one.secrets["vault"]))]).encrypt(password).decode()
    inventory = yaml.safe_load(one.lab.inventory.read_text())
    del inventory["k8s_nodes"]["vars"]["ansible_ssh_private_key_file"]
    common = inventory["k8s_nodes"]["vars"]["ansible_ssh_common_args"].replace("-o IdentitiesOnly=yes", "")
    inventory["k8s_nodes"]["vars"]["ansible_ssh_common_args"] = common
    lines = "".join(f"        {line}\n" for line in sealed.splitlines())
    text = yaml.safe_dump(inventory) + f"    ansible_become_password: !vault |\n{lines}"
    (one.folder / "hosts.yml").write_text(text)
    agent = _agent_with_certificate(one.lab, one.folder, monkeypatch)
    words = ["--inventory", str(one.folder / "hosts.yml"), "--vault-password-file", str(vault)]
    try:
        with one.situation("vault, agent"):
            one.walk(words)
    finally:
        os.kill(agent, signal.SIGTERM)
    judged(one)


def _agent_with_certificate(lab: Lab, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the nodes trust an SSH CA for ops and no key, and put a key with its certificate into an agent; its pid."""

    def run(*argv: str) -> str:
        return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True).stdout

    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "user-ca")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key")
    run("ssh-keygen", "-q", "-s", "user-ca", "-I", "ops", "-n", "ops", "-V", "+1h", "key.pub")
    trust = "cert-authority " + (folder / "user-ca.pub").read_text()
    for node in lab.config.names:
        lab.exec(node, ["tee", "/home/ops/.ssh/authorized_keys"], stdin=trust, check=True)
    said = run("ssh-agent", "-s")
    for line in said.splitlines():
        name, equals, value = line.partition(";")[0].partition("=")
        if equals:
            monkeypatch.setenv(name, value)
    run("ssh-add", "-q", "key")
    for name in ("key", "key-cert.pub"):
        shutil.move(folder / name, folder / f"{name}.away")
    return int(os.environ["SSH_AGENT_PID"])
