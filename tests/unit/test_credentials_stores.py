"""Stores of credentials that are damaged or halved: refused by name, never replaced, never a traceback."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from netplan.cli.main import main
from netplan.ipsec import ca, ca_rollover, ca_store, psk
from netplan.ipsec.ca import open_authority
from netplan.problems import ProblemError
from netplan.rollout import phases as phases_of
from netplan.rollout.credentials import Credentials
from netplan.rollout.record.journal import ClusterState
from tests.support.certificates import csr
from tests.support.credentialed import request
from tests.support.fake_nodes import FakeNodes, Run, target

ONE, TWO = "n-0123456789ab", "n-ba9876543210"
KEY = "Zq3+fT9v/Lk2pX7wRb1nYc8sHd5mJg4e"
PAIR = "pair-aaaaaaaaaaaa"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the CA of a cluster lies that has issued one certificate."""
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path))
    monkeypatch.delenv(ca.PASSPHRASE_FILE, raising=False)
    found = tmp_path / "clusters" / "lab" / "ca"
    open_authority(found, "lab").sign(csr(), ONE)
    return found


def home(folder: Path) -> Path:
    authority = open_authority(folder, "lab").folder
    assert authority is not None
    return authority


def refused(work: Callable[[], Any]) -> str:
    """Return where and why something was refused, in one line."""
    with pytest.raises(ProblemError) as raised:
        work()
    (problem,) = raised.value.problems
    assert problem.code == "IPP607"
    return f"{problem.location}: {problem.message}"


@pytest.mark.parametrize("half", ["ca.pem", "ca-key.pem"])
def test_half_a_ca_is_refused_by_name_and_stays(folder: Path, half: str) -> None:
    own = home(folder)
    (own / half).unlink()
    rest = {path: path.read_bytes() for path in folder.rglob("*.pem")}
    assert f"{own / half}: this half" in refused(lambda: open_authority(folder, "lab"))
    assert f"{own / half}: this half" in refused(lambda: ca.load_certificate(folder))
    assert {path: path.read_bytes() for path in folder.rglob("*.pem")} == rest, "nothing is made over it"
    (folder / ca_store.INDEX).unlink()
    assert half in refused(lambda: open_authority(folder, "lab")), "also without the index"


@pytest.mark.parametrize("half", ["ca.pem", "ca-key.pem", "issued/n-0123456789ab.pem"])
def test_half_a_ca_in_the_layout_of_before_is_refused_by_name(folder: Path, tmp_path: Path, half: str) -> None:
    flat = tmp_path / "flat"
    (flat / "issued").mkdir(parents=True)
    shutil.copy(home(folder) / half, flat / half)
    missing = "ca.pem" if half == "ca-key.pem" else "ca-key.pem"
    assert f"{flat / missing}: this half" in refused(lambda: open_authority(flat, "lab"))


def test_a_ca_in_the_layout_of_before_is_taken_over_with_what_it_issued(folder: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    shutil.copytree(home(folder), flat)
    assert open_authority(flat, "lab").pem == open_authority(folder, "lab").pem
    assert ca.issued(flat).keys() == {ONE}
    assert sorted(path.name for path in flat.iterdir()) == sorted([home(folder).name, ca_store.INDEX])
    shutil.copytree(home(folder), tmp_path / "under-way")
    (tmp_path / "under-way" / "next").mkdir()
    assert "earlier ipsecplan" in refused(lambda: open_authority(tmp_path / "under-way", "lab"))


def test_a_ca_without_its_index_gets_it_back_and_two_are_refused(folder: Path) -> None:
    before = open_authority(folder, "lab")
    (folder / ca_store.INDEX).unlink()
    assert open_authority(folder, "lab").pem == before.pem
    ca_rollover.rollover(folder, "lab")
    (folder / ca_store.INDEX).unlink()
    assert "says which CA signs" in refused(lambda: open_authority(folder, "lab"))


@pytest.mark.parametrize(
    "change",
    [
        0,
        [],
        {"schema": True},
        {"schema": 2},
        {"current": "../../etc"},
        {"next": {"authority": "0" * 16, "phases": {"a": {}}}},
        {"next": {"authority": "0" * 16, "phases": {ONE: "x"}}},
        {"next": {"authority": "0" * 16, "phases": {ONE: float("inf")}}},
        {"next": {"authority": "0" * 16, "phases": {ONE: 99}}},
        {"next": {"authority": "0" * 16, "phases": {ONE: True}}},
        {"more": 1},
        "[" * 100_000,
        '{"schema": 1, "schema": 1}',
        "\0",
    ],
    ids=lambda change: str(change)[:40],
)
def test_a_damaged_index_of_the_cas_is_refused(folder: Path, change: Any) -> None:
    index = folder / ca_store.INDEX
    whole = json.loads(index.read_text())
    index.write_text(change if isinstance(change, str) else json.dumps({**whole, **change} if change else change))
    assert "index of the cluster's CAs" in refused(lambda: open_authority(folder, "lab"))
    assert main(["ca", "show", "lab"]) == 3


def test_phases_of_one_ca_are_not_those_of_another(folder: Path) -> None:
    roll = ca_rollover.rollover(folder, "lab")
    roll.begin([ONE])
    roll.reached([ONE], 3)
    shutil.rmtree(folder / str(roll.index.following))
    assert "this half" in refused(lambda: ca_rollover.rollover(folder, "lab")), "nodes know it, so none is made anew"
    other = open_authority(folder.with_name("other"), "lab").folder
    assert other is not None
    shutil.copytree(other, folder / str(roll.index.following))
    assert "another CA than its name says" in refused(lambda: ca_rollover.rollover(folder, "lab"))


@pytest.mark.parametrize("place", ["ca.pem", f"issued/{ONE}.pem"])
def test_a_certificate_with_a_damaged_public_key_is_refused(folder: Path, place: str) -> None:
    damage_public_key(home(folder) / place)
    assert place in refused(lambda: open_authority(folder, "lab").sign(csr(), TWO))
    assert main(["ca", "show", "lab"]) == 3


def damage_public_key(path: Path) -> None:
    """Let the curve of a certificate's key be one that nobody knows."""
    der = x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(serialization.Encoding.DER)
    p384 = bytes.fromhex("06052b81040022")
    assert p384 in der
    text = b64encode(der.replace(p384, p384[:-1] + b"\x7e")).decode()
    lines = "\n".join(text[n : n + 64] for n in range(0, len(text), 64))
    path.write_text(f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")


def test_a_key_that_has_another_name_gets_no_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    open_authority(folder, "lab").sign(request(key), ONE)
    assert f"has the key of {ONE}" in refused(lambda: open_authority(folder, "lab").sign(request(key), TWO))
    again = open_authority(folder, "lab")
    again.sign(csr(), TWO)
    again.sign(request(key), ONE)
    roll = ca_rollover.rollover(folder, "lab")
    assert f"has the key of {ONE}" in refused(lambda: roll.new.sign(request(key), TWO)), "the old CA's name counts"
    roll.new.sign(request(key), ONE)


def test_a_new_ca_is_encrypted_where_the_old_one_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = b"correct horse battery"
    ca.encrypt(open_authority(folder, "lab"), words)
    monkeypatch.setattr("netplan.ipsec.passphrase._typed", {ca.PASSPHRASE_FILE: words})
    roll = ca_rollover.rollover(folder, "lab")
    assert all(b"ENCRYPTED" in path.read_bytes() for path in folder.glob("*/ca-key.pem"))
    roll.begin([ONE])
    roll.reached([ONE], 3)
    roll.finish()
    assert ca.encrypted(folder)


GOOD: dict[str, Any] = {
    "schema": 1,
    "pairs": {PAIR: {"current": KEY, "next": None}},
    "phases": {},
    "given": False,
}


@pytest.mark.parametrize(
    "change",
    [
        {"pairs": {PAIR: {"current": {}, "next": None}}},
        {"pairs": {PAIR: {"current": "", "next": None}}},
        {"pairs": {PAIR: {"current": "ab", "next": None}}},
        {"pairs": {PAIR: {"current": "a" * 64, "next": None}}},
        {"pairs": {PAIR: {"current": KEY, "next": ""}}},
        {"pairs": {PAIR: {"current": KEY, "next": KEY}}},
        {"pairs": {PAIR: {"current": KEY + "\n", "next": None}}},
        {"pairs": {PAIR: {"current": KEY}}},
        {"pairs": {"../x": {"current": KEY, "next": None}}},
        {"pairs": []},
        {"phases": {ONE: float("inf")}},
        {"phases": {ONE: 99}},
        {"phases": {ONE: True}},
        {"schema": True},
        {"given": 1},
        {"more": 1},
    ],
    ids=lambda change: json.dumps(change)[:60],
)
def test_a_damaged_store_of_keys_is_refused_without_showing_one(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "psk.json"
    path.write_text(json.dumps(GOOD))
    path.chmod(0o600)
    assert psk.open_store(path).pairs.keys() == {PAIR}
    path.write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(ProblemError, match="no store of keys") as raised:
        psk.open_store(path)
    assert KEY not in "\n".join(raised.value.problems[0].lines())


def test_a_key_with_a_line_break_is_not_imported(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="control character"):
        psk.take(psk.Store(tmp_path / "psk.json"), {PAIR: KEY + "\n"})


def test_a_store_of_another_user_is_not_said_to_be_too_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "psk.json"
    path.write_text(json.dumps(GOOD))
    path.chmod(0o600)
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    with pytest.raises(ProblemError, match="another user"):
        psk.open_store(path)


def test_a_node_that_sends_another_ones_request_ends_the_apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same = csr()
    monkeypatch.setattr("tests.support.fake_nodes.request_of", lambda _: same)
    run = Run(tmp_path, FakeNodes())
    assert run.outcome.outcome == "rolled-back"
    assert [problem.code for problem in run.outcome.problems] == ["IPP607"]


def test_ca_init_makes_a_ca_once_and_sign_serves_before_the_first_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path / "state"))
    (tmp_path / "far.csr").write_text(csr())
    sign = ["ca", "sign", "lab", ONE, str(tmp_path / "far.csr")]
    assert main(sign) == 3
    assert "ipsecplan ca init lab" in capsys.readouterr().err
    assert main(["ca", "init", "lab"]) == 0
    made = capsys.readouterr().out
    assert main(["ca", "init", "lab"]) == 0
    assert capsys.readouterr().out == made
    assert main(sign) == 0
    assert capsys.readouterr().out.endswith(made)


def test_sign_while_a_new_ca_takes_over_gives_both_cas(folder: Path, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "far.csr").write_text(csr())
    ca_rollover.rollover(folder, "lab").begin([ONE])
    assert main(["ca", "sign", "lab", TWO, str(tmp_path / "far.csr")]) == 0
    assert capsys.readouterr().out.count("BEGIN CERTIFICATE") == 3


@pytest.mark.parametrize(
    ("phases", "signs", "recorded"),
    [
        ([0, 0, 0], "old", 1),
        ([1, 1, 0], "old", 1),
        ([2, 2, 1], "old", 1),  # nobody trusts the new one alone yet, and the third has the old one's certificate
        ([1, 1, 2], "old", 1),  # it had one of the new CA; now it has to get another one later
        ([2, 2, 2], "new", 2),
        ([3, 2, 2], "new", 2),  # the first trusts the new one alone
        ([3, 3, 3], "new", 2),
    ],
    ids=str,
)
def test_who_signs_while_a_new_ca_takes_over(folder: Path, phases: list[int], signs: str, recorded: int) -> None:
    roll = ca_rollover.rollover(folder, "lab")
    ids = [f"n-{c * 12}" for c in "abc"]
    roll.begin(ids)
    for node, phase in zip(ids, phases, strict=True):
        roll.reached([node], phase)
    targets = {node: target(node) for node in ids}
    credentials = Credentials(ClusterState(folder.parents[2], "lab"), "lab", targets)
    credentials.take({ids[2]: {"request": csr()}})  # type: ignore[typeddict-item]
    step = next(step for step in phases_of.APPLY if "credentials" in step.phases)
    brought = credentials.request(step, targets[ids[2]])
    leaf = x509.load_pem_x509_certificate(brought["certificate"].encode())
    leaf.verify_directly_issued_by({"old": roll.old, "new": roll.new}[signs].certificate)
    assert brought["authorities"] == roll.trusted
    after = ca_rollover.under_way(folder)
    assert after is not None
    assert after.phases == {**dict(zip(ids, phases, strict=True)), ids[2]: recorded}
