"""A backup of a cluster's credentials: encrypted, whole, and enough to go on with on another machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netplan.cli.main import main
from netplan.files import write_atomic
from netplan.ipsec import ca, ca_store, credentials_backup, vault
from netplan.ipsec.ca import open_authority
from netplan.ipsec.ca_rollover import rollover
from netplan.problems import ProblemError
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.verbs.apply import apply
from netplan.rollout.verbs.rotate import rotate
from tests.support.certificates import csr
from tests.support.credentialed import IDS, Credentialed
from tests.support.file_points import FilePoints
from tests.support.killed import Killed, engine

WORDS = b"correct horse battery"
NODE = "n-0123456789ab"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state of a cluster with a change to a new CA under way."""
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path / "state"))
    monkeypatch.delenv(ca.PASSPHRASE_FILE, raising=False)
    found = tmp_path / "state" / "clusters" / "lab"
    with ClusterState(tmp_path / "state", "lab"):
        open_authority(found / "ca", "lab").sign(csr(), NODE)
        rollover(found / "ca", "lab").begin([NODE])
    return found


def passphrase(tmp_path: Path) -> str:
    path = tmp_path / "pass"
    path.write_bytes(WORDS)
    path.chmod(0o600)
    return str(path)


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def test_backup_is_encrypted_and_restores_every_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, archive, words = tree(folder), tmp_path / "lab.vault", passphrase(tmp_path)
    assert main(["ca", "backup", "lab", str(archive), "--passphrase-file", words]) == 0
    assert archive.stat().st_mode & 0o777 == 0o600
    assert archive.read_bytes().startswith(b"$ANSIBLE_VAULT;")
    assert main(["ca", "backup", "lab", str(archive), "--passphrase-file", words]) == 3, "it is there already"
    shutil.rmtree(folder)
    assert main(["ca", "restore", "lab", str(archive), "--passphrase-file", words]) == 0
    assert tree(folder) == before
    assert main(["ca", "restore", "lab", str(archive), "--passphrase-file", words]) == 0, "again does no harm"
    shown = "".join(capsys.readouterr())
    assert "PRIVATE" not in shown
    assert WORDS.decode() not in shown


def test_nothing_that_differs_is_replaced(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "lab.vault"
    credentials_backup.backup(folder, "lab", archive, WORDS)
    open_authority(folder / "ca", "lab").sign(csr(), NODE)
    before = tree(folder)
    with pytest.raises(ProblemError, match="differs from the backup"):
        credentials_backup.restore(folder, "lab", archive, WORDS)
    assert tree(folder) == before


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"cluster": "other"}, "of another cluster"),
        ({"files": {"ca/../../../x": ""}}, "no file of credentials"),
        ({"files": {"/etc/passwd": ""}}, "no file of credentials"),
        ({"files": {"psk.json\n": ""}}, "no file of credentials"),
        ({"files": {"psk.json": 1}}, "no backup of credentials"),
        ({"schema": True}, "no backup of credentials"),
    ],
    ids=str,
)
def test_a_strange_archive_is_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    document = {"schema": 1, "cluster": "lab", "files": {"psk.json": "{}"}, **change}
    archive = tmp_path / "x.vault"
    archive.write_bytes(vault.seal(json.dumps(document).encode(), "x", WORDS))
    with pytest.raises(ProblemError, match=why):
        credentials_backup.restore(tmp_path / "to", "lab", archive, WORDS)
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"1", b"2", 40),
        lambda _: b"$ANSIBLE_VAULT;1.1;AES256\n",
        lambda _: b"",
        lambda _: b"no vault",
    ],
)
def test_a_damaged_archive_and_a_wrong_passphrase_are_refused(
    folder: Path, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    archive = tmp_path / "lab.vault"
    credentials_backup.backup(folder, "lab", archive, WORDS)
    with pytest.raises(ProblemError, match="can't be opened"):
        credentials_backup.restore(tmp_path / "to", "lab", archive, b"another passphrase")
    write_atomic(archive, spoil(archive.read_bytes()))
    with pytest.raises(ProblemError):
        credentials_backup.restore(tmp_path / "to", "lab", archive, WORDS)
    assert not (tmp_path / "to").exists()


def test_a_cluster_without_credentials_and_half_a_ca_have_no_backup(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="no credentials"):
        credentials_backup.backup(tmp_path / "nothing", "lab", tmp_path / "x.vault", WORDS)
    for key in folder.glob("ca/*/ca-key.pem"):
        key.unlink()
    with pytest.raises(ProblemError, match="half of the CA"):
        credentials_backup.backup(folder, "lab", tmp_path / "x.vault", WORDS)


def test_an_interrupted_restore_is_no_ca_and_goes_on(folder: Path, tmp_path: Path) -> None:
    archive, before = tmp_path / "lab.vault", tree(folder)
    credentials_backup.backup(folder, "lab", archive, WORDS)
    number = 1
    while True:
        to = tmp_path / f"to-{number}"
        to.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            points = FilePoints(patch, to, number)
            try:
                credentials_backup.restore(to, "lab", archive, WORDS)
            except Killed:
                pass
            else:
                break
        assert (to / "ca").exists() == (to / "ca" / ca_store.INDEX).exists()
        credentials_backup.restore(to, "lab", archive, WORDS)
        assert tree(to).keys() >= before.keys()
        assert {path: tree(to)[path] for path in before} == before
        number += 1
    assert number > 20, points.done


@pytest.mark.slow
@pytest.mark.parametrize(("auth", "what"), [("certificates", "ca"), ("psk", "psk")])
def test_a_restored_machine_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, auth: str, what: str) -> None:
    """The control machine is lost: another one has the backup, applies, and rotates."""
    with ClusterState(tmp_path / "lost", "lab") as state:
        nodes = Credentialed(monkeypatch, tmp_path / "nodes", state, auth)
        credentials_backup.backup(state.folder, "lab", tmp_path / "lab.vault", WORDS)
    shutil.rmtree(tmp_path / "lost")
    with ClusterState(tmp_path / "found", "lab") as state:
        credentials_backup.restore(state.folder, "lab", tmp_path / "lab.vault", WORDS)
        nodes.reinstall(IDS[2])
        outcome = apply(engine(nodes, state), lambda _: True)
        assert outcome.outcome == "confirmed", outcome.problems
        assert nodes.cuts == []
        assert rotate(engine(nodes, state), what, lambda _: True).outcome == "rotated"
    assert nodes.cuts == []
    assert nodes.cut() == []
