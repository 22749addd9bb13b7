"""No secret leaves its home: not after success, a failure, a SIGKILL, nor with everything that makes Ansible talk.

Secrets are the pre-shared keys, the password of their vault, the CA's key and its passphrase, the nodes' private keys.
The table says how often one was found in each place (tests/lab/secrets_watch.py has the places, and how each is proven
to be looked at).
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from netplan.lab.cluster import Lab

from .conftest import ClusterFactory
from .injections import AGENT, on
from .pace import HANG_S, until
from .rollout_steps import ending
from .secrets_watch import PLACES, Watch, private_number

pytestmark = pytest.mark.lab
NODE_KEY = "/etc/swanctl/private/ipsecplan.pem"
WORDS = ("--yes", "--soak", "1")
# charon prints keys from level 4 on, a dump of the kernel's states has them, a key in PEM says so
KEY_MATERIAL = re.compile(rb"BEGIN [A-Z ]*PRIVATE KEY|aead rfc4106\S* 0x(?!0+\b)[0-9a-f]{40}")
SPILL = """
from ansible.plugins.callback import CallbackBase
class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "aggregate", "spill"
    def v2_runner_on_ok(self, result):
        open("{0}", "a").write(repr(result._result) + repr(vars(result._task)))
    v2_runner_on_failed = v2_runner_on_ok
"""


class Round(Watch):
    """One cluster with one kind of credentials, through all situations."""

    def __init__(self, lab: Lab, folder: Path, auth: str) -> None:
        super().__init__(lab, folder)
        self.auth = auth
        plan = yaml.safe_load(lab.plan.read_text()) | {"inventory": str(lab.inventory)}
        plan["ipsec"]["auth"] = auth
        (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
        assert self.say("bundle", "render", str(folder / "plan.yaml"), "--to", str(self.bundle)) == 0
        self.environment["IPSECPLAN_CA_PASSPHRASE_FILE"] = str(
            self.home("CA passphrase", "ca-" + secrets.token_hex(20))
        )
        vault = self.home("vault password", "vault-" + secrets.token_hex(20))
        self.environment["IPSECPLAN_VAULT_PASSWORD_FILE"] = str(vault)
        self.keys = 0

    def verb(self, name: str, *words: str) -> tuple[str, ...]:
        return name, str(self.bundle), "--state-dir", str(self.state), *words

    def import_keys(self) -> None:
        """Give every pair a key that is known here."""
        pairs = [f"{a} {b}" for at, a in enumerate(self.names) for b in self.names[at + 1 :]]
        keys = {pair: "psk-" + secrets.token_urlsafe(36) for pair in pairs}
        self.secrets |= {f"key of {pair}": key.encode() for pair, key in keys.items()}
        password = VaultSecret(self.secrets["vault password"])
        sealed = VaultLib([("default", password)]).encrypt(yaml.safe_dump(keys).encode())
        (self.homes / "keys.yml").write_bytes(sealed)
        argv = ("psk", "import", "lab", str(self.homes / "keys.yml"), "--state-dir", str(self.state))
        assert self.say("output of status", *argv) == 0

    def learn(self) -> None:
        """Look from now on for the keys that the nodes and the CA have at this moment."""
        if self.auth == "psk":
            return
        for node in self.names:
            pem = self.lab.exec(node, ["cat", NODE_KEY]).stdout.encode()
            if pem:
                self.keys += 1
                self.secrets[f"key {self.keys} of {node}"] = private_number(pem)
                assert self.lab.exec(node, ["stat", "--format=%a %U", NODE_KEY]).stdout.split() == ["600", "root"]
        for authority in (self.state / "clusters" / "lab" / "ca").glob("*/ca-key.pem"):
            passphrase = self.secrets["CA passphrase"]
            self.secrets["CA key"] = private_number(authority.read_bytes(), passphrase)

    def look(self) -> None:
        """Run what shows things: none of it may show a secret."""
        journals = sorted((self.state / "clusters" / "lab" / "journal").glob("tx-*"))
        self.say("output of status", *self.verb("status", "--json"))
        assert self.say("output of diff", "diff", str(self.bundle), str(self.bundle)) == 0
        self.say("output of diff", *self.verb("diff", "--live"))
        state = ("--state-dir", str(self.state))
        assert self.say("output of show, history", "history", *state) == 0
        for journal in journals:
            assert self.say("output of show, history", "show", journal.name.partition(".")[0], *state, "--json") == 0
        dying = self.verb("apply", *WORDS) if self.auth == "psk" else ("ca", "request", "lab", *state)
        for how in ("raise", "abort"):
            assert self.say("traceback, core file", *dying, module=("tests.lab.failing", how)) != 0
        assert any(b"provoked" in text for _, text in self.read["traceback, core file"])

    # -- the situations -------------------------------------------------------------------------------------------

    def succeeds(self) -> None:
        assert self.say("output of apply", *self.verb("apply", *WORDS)) == 0
        self.learn()

    def succeeds_and_is_looked_at(self) -> None:
        self.succeeds()
        if self.auth != "psk":
            assert self.say("output of apply", "rotate", "certificates", *self.verb("")[1:], "--yes") == 0
            self.learn()
        assert self.say("output of status", *self.verb("verify", "--json")) == 0
        assert self.say("planner's programs", *self.verb("")[1:], module=("tui.run.live",)) == 0

    def fails(self) -> None:
        """Our program is killed on both nodes, at once when it comes with the credentials."""
        with ending(self.start(*self.verb("apply", *WORDS))) as process:
            said = _until(process, "stage", len(self.names))
            for node in self.names:
                on(f"for i in $(seq 9000); do {AGENT} && exit; sleep 0.05; done", node)(self.lab)
            self.learn()
            said += process.communicate(timeout=HANG_S)[0]
        self.read["output of apply"].append(("apply", said.encode()))
        assert process.returncode == 6, said

    def is_killed(self) -> None:
        """The control process dies while the credentials are under way."""
        with ending(self.start(*self.verb("apply", *WORDS))) as process:
            said = _until(process, "stage", len(self.names))
            until("Ansible has started", lambda: _alive(str(self.temporary)))
            os.kill(process.pid, signal.SIGKILL)
            said += process.communicate()[0]
        self.read["output of apply"].append(("apply", said.encode()))
        until("Ansible has ended", lambda: not _alive(str(self.temporary)))
        assert list(self.temporary.glob("ipsecplan-run-*")), "nothing was left: it was not killed in the middle"
        self.learn()

    def is_made_to_talk(self) -> None:
        """Everything in a caller's environment that makes Ansible print, keep or log more."""
        plugins, log = self.folder / "plugins", self.folder / "ansible.log"
        plugins.mkdir()
        (plugins / "spill.py").write_text(SPILL.format(self.folder / "spilled"))
        quiet = dict(self.environment)
        self.environment |= {
            "ANSIBLE_VERBOSITY": "3",
            "ANSIBLE_DEBUG": "1",
            "ANSIBLE_NO_LOG": "False",
            "ANSIBLE_LOG_PATH": str(log),
            "ANSIBLE_KEEP_REMOTE_FILES": "1",
            "ANSIBLE_DIFF_ALWAYS": "1",
            "ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "1",
            "ANSIBLE_CALLBACKS_ENABLED": "spill",
            "ANSIBLE_CALLBACK_PLUGINS": str(plugins),
            "ANSIBLE_PIPELINING": "False",
            "ANSIBLE_NO_TARGET_SYSLOG": "False",
            "ANSIBLE_INJECT_FACT_VARS": "True",
        }
        try:
            self.succeeds()
        finally:
            self.environment = quiet
        if log.exists():  # Ansible's library makes it as soon as it is imported, to open a vault; steps write nothing
            self.read["/tmp, ~/.ansible here"].append((str(log), log.read_bytes()))
            assert b"ipsecplan_node" not in log.read_bytes()
        assert not (self.folder / "spilled").exists()

    def back(self) -> None:
        """To a node without anything of ours, for the next situation."""
        assert self.say("output of apply", *self.verb("revert", "--yes")) in (0, 1)
        assert list(self.temporary.glob("ipsecplan-run-*")) == [], "a run left its private directory"

    def column(self, name: str, what: Callable[[], None]) -> None:
        with self.situation(name):
            if self.auth == "psk" and not (self.state / "clusters").exists():
                self.import_keys()
            what()
            self.look()
        self.count_modes(name)
        for place, pieces in self.read.items():
            if place not in ("state directory", "environment here"):  # a home; what others on this machine run with
                for where, data in pieces:
                    assert not KEY_MATERIAL.search(data), (place, where)


def _until(process: subprocess.Popen[str], phase: str, times: int) -> str:
    """Read until a phase has that many results; return what was said."""
    said = ""
    assert process.stdout
    for line in process.stdout:
        said += line
        times -= line.split()[:1] == [phase]
        if not times:
            return said
    raise AssertionError(f"apply ended before {phase}: {said}")


def _alive(text: str) -> bool:
    """Tell whether Ansible still works for the control process that died."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if text in line and "ansible-playbook" in line:
            return True
    return False


def judged(one: Round) -> None:
    """Print the table and hold it: nothing anywhere, and what was planted everywhere."""
    looked = len(one.secrets)
    print(f"\nsecrets found, auth: {one.auth}, {looked} secrets, {len(one.names)} nodes\n" + "\n".join(one.lines()))
    for name, column in one.table.items():
        if name == "planted":
            assert all(column[place] for place in PLACES), [place for place in PLACES if not column[place]]
            if not Path("/proc/sys/kernel/core_pattern").read_text().startswith(("|", "/")):
                assert one.cores, "no core file where one must be: this place was not looked at"
        else:
            assert not any(column.values()), one.finds


@pytest.mark.weight(150)
def test_no_secret_leaves_its_home(clusters: ClusterFactory, tmp_path: Path) -> None:
    """The short part: certificates, one apply that succeeds."""
    lab = clusters(nodes=2)
    one = Round(lab, tmp_path / "c", "certificates")
    one.plant()
    one.column("success", one.succeeds)
    judged(one)
    assert len(one.secrets) == 5
    journal = next((one.state / "clusters" / "lab" / "journal").glob("tx-*"))
    assert journal.stat().st_mode & 0o777 == 0o600
    authority = next((one.state / "clusters" / "lab" / "ca").glob("*/ca-key.pem"))
    assert (authority.stat().st_mode & 0o777, authority.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert list(one.temporary.glob("ipsecplan-run-*")) == [], "a run left its private directory"
    # the certificate's owner is the node's id, and nothing that the node asked for
    listed = lab.exec("n1", ["swanctl", "--list-certs"], check=True).stdout
    assert re.search(r"subject: +\"CN=n-[0-9a-f]{12}\"", listed), listed


@pytest.mark.drill
@pytest.mark.slow
@pytest.mark.parametrize("auth", ["certificates", "psk"])
def test_the_whole_table(clusters: ClusterFactory, tmp_path: Path, auth: str) -> None:
    """Every place in every situation."""
    one = Round(clusters(nodes=2), tmp_path / "c", auth)
    try:
        one.plant()
        one.column("failure", one.fails)
        one.column("SIGKILL", one.is_killed)
        one.back()
        one.column("-vvv", one.is_made_to_talk)
        one.back()
        one.column("success", one.succeeds_and_is_looked_at)
    finally:
        print("\n".join(one.lines()), *one.finds[-40:], sep="\n")
    judged(one)
