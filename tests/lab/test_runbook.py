"""The runbook's steps on nodes: each command is taken from the page, and what the page says of it is seen here.

A command that the page no longer has fails the test; where it asks, the test adds ``--yes``.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from tests.support.doc_blocks import DOCS

from .applied import Applied
from .pace import until
from .typed import typed

PAGE = (DOCS / "runbook-situations.md").read_text(encoding="utf-8")
ASKS = ("resume", "revert", "apply", "rotate")

pytestmark = [pytest.mark.lab, pytest.mark.drill, pytest.mark.weight(240)]


def commands_of(situation: str) -> list[str]:
    """Return the commands of ours below a heading of the page, without their comments."""
    section = re.split(rf"^## {re.escape(situation)}$", PAGE, flags=re.MULTILINE)[1].partition("\n## ")[0]
    lines = [line.strip().partition("  # ")[0] for line in section.splitlines() if line.startswith("    ")]
    inline = re.findall(r"`(ipsecplan [^`]+)`", section.replace("\n", " "))
    return [" ".join(one.split()) for one in (*lines, *inline) if one.strip().startswith("ipsecplan ")]


class Night:
    """One situation of the page, played on the nodes of ``applied``."""

    def __init__(self, applied: Applied, situation: str) -> None:
        self.applied, self.known = applied, commands_of(situation)
        self.folder = applied.folder
        self.secret = self.folder / "passphrase"
        self.secret.write_text("a long passphrase of a test\n", encoding="utf-8")
        self.secret.chmod(0o600)
        self.run = typed(self.folder, {**os.environ, "IPSECPLAN_STATE": str(applied.rollout.state), "NO_COLOR": "1"})

    def do(self, command: str, *more: str, **given: str) -> tuple[int, str]:
        """Run a command of the page, with its words in capitals replaced."""
        assert command in self.known, f"the page has no {command!r}"
        words = [given.get(word, word) for word in shlex.split(command)[1:]]
        return self.run([*words, *(["--yes"] if words[0] in ASKS else []), *more])

    @property
    def credentials(self) -> Path:
        """The folder of the cluster's CA."""
        (found,) = self.applied.rollout.state.glob("clusters/*/ca")
        return found


def test_a_node_is_gone(applied: Applied) -> None:
    night = Night(applied, "A node is gone")
    applied.lab.power_off("n3")
    code, said = night.do("ipsecplan status bundle")
    assert (code, "IPP661" in said) == (8, True)
    applied.lab.power_on("n3")
    applied.lab.wait("n3")
    until("n3 has no drift", lambda: night.do("ipsecplan status bundle")[0] == 0)
    code, said = night.do("ipsecplan verify bundle")
    assert code == 0, said


def test_the_controller_is_gone(applied: Applied) -> None:
    night = Night(applied, "The controller is gone")
    assert night.run(["revert", "bundle", "--yes"])[0] == 0
    applied.rollout.kill_at("stage", 0)
    code, said = night.do("ipsecplan status bundle")
    assert "UNCONFIRMED" in said
    code, said = night.do("ipsecplan resume bundle")
    assert code in (0, 6), said  # finished, or rolled back where a timer was quicker
    applied.rollout.settled()
    code, said = night.do("ipsecplan status bundle")
    assert (code, "UNCONFIRMED" in said) == (0, False)


def test_the_certificates_are_due(applied: Applied) -> None:
    night = Night(applied, "A certificate has expired")
    cluster = night.credentials.parent.name
    code, said = night.do("ipsecplan ca show CLUSTER", CLUSTER=cluster)
    assert (code, "days" in said) == (0, True)
    code, said = night.do("ipsecplan rotate certificates bundle")
    assert (code, "rotated" in said) == (0, True)
    code, said = night.do("ipsecplan verify bundle")
    assert code == 0, said


def test_the_ca_is_lost_and_there_is_a_backup(applied: Applied, tmp_path: Path) -> None:
    night = Night(applied, "The CA is lost")
    words = {"CLUSTER": night.credentials.parent.name, "ARCHIVE": str(tmp_path / "vault")}
    secret = ("--passphrase-file", str(night.secret))
    assert night.do("ipsecplan ca backup CLUSTER ARCHIVE", *secret, **words)[0] == 0
    night.credentials.rename(tmp_path / "ca")
    code, said = night.do("ipsecplan ca show CLUSTER", **words)
    assert (code != 0, "IPP607" in said) == (True, True)
    code, said = night.do("ipsecplan status bundle")
    assert code == 0, said
    assert night.do("ipsecplan ca restore CLUSTER ARCHIVE", *secret, **words)[0] == 0
    assert night.do("ipsecplan ca show CLUSTER", **words)[0] == 0


def test_the_ca_is_lost_for_good(applied: Applied, tmp_path: Path) -> None:
    night = Night(applied, "The CA is lost")
    code, said = night.do("ipsecplan revert bundle")
    assert code == 0, said
    night.credentials.rename(tmp_path / "ca-rest")
    code, said = night.do("ipsecplan apply bundle")
    assert (code, "confirmed on" in said) == (0, True)
    words = {"CLUSTER": night.credentials.parent.name, "ARCHIVE": str(tmp_path / "vault")}
    assert night.do("ipsecplan ca backup CLUSTER ARCHIVE", "--passphrase-file", str(night.secret), **words)[0] == 0
