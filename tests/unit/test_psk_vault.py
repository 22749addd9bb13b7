"""Keys from an ansible-vault, and the store as one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from netplan.cli.main import main
from netplan.ipsec import psk, vault
from netplan.model.ids import node_id, pair_id
from netplan.problems import ProblemError
from netplan.rollout.record.journal import ClusterState, state_root

KEYS = {name: f"{number}vQ7r/{name[1]}x8Kp+Zt4mLs9WbYc3fHdGjN6e" for number, name in enumerate(("n1 n2", "n3 n1"))}


def text(keys: dict[str, str]) -> bytes:
    return "".join(f'"{names}": "{key}"\n' for names, key in keys.items()).encode()


@pytest.fixture
def password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "password"
    path.write_text("correct horse battery staple\n")
    path.chmod(0o600)
    monkeypatch.setenv(vault.PASSWORD_FILE, str(path))
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path / "state"))
    return path


def store() -> psk.Store:
    return psk.open_store(ClusterState(state_root(), "demo").folder / "psk.json")


def test_imported_keys_are_used_and_none_is_made(
    password: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys.yml").write_bytes(vault.seal(text(KEYS), "keys"))
    assert main(["psk", "import", "demo", str(tmp_path / "keys.yml")]) == 0
    one, two, three = (node_id("demo", f"n{n}") for n in (1, 2, 3))
    found = store()
    assert (found.given, found.sealed) == (True, True)
    assert found.pairs[pair_id(one, two)].current.reveal() == KEYS["n1 n2"]
    assert found.ensure([pair_id(one, two), pair_id(one, three)]) == 0
    with pytest.raises(ProblemError, match="1 of 2 pairs have no key"):
        found.ensure([pair_id(one, two), pair_id(two, three)])
    with pytest.raises(ProblemError, match="imported"):
        found.begin([one])
    raw = found.path.read_bytes()
    assert raw.startswith(b"$ANSIBLE_VAULT;")
    assert found.path.stat().st_mode & 0o777 == 0o600
    said = capsys.readouterr()
    assert not any(key in said.out + said.err or key.encode() in raw for key in KEYS.values())
    viewed = subprocess.run(
        [Path(sys.executable).with_name("ansible-vault"), "view", "--vault-password-file", password, found.path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert KEYS["n1 n2"] in viewed.stdout


def test_another_key_of_a_pair_waits_for_a_rotation(password: Path) -> None:
    del password
    fresh = psk.Store(ClusterState(state_root(), "demo").folder / "psk.json")
    assert psk.take(fresh, psk.by_names("demo", text(KEYS))) == (2, 0)
    assert psk.take(fresh, psk.by_names("demo", text(KEYS))) == (0, 0)
    new = {"n2 n1": KEYS["n1 n2"][::-1]}
    assert psk.take(fresh, psk.by_names("demo", text(new))) == (0, 1)
    pair = next(iter(psk.by_names("demo", text(new))))
    assert [key.reveal() for key in fresh.keys(pair, 0)] == [KEYS["n1 n2"]]
    assert [key.reveal() for key in fresh.keys(pair, 1)] == [KEYS["n1 n2"][::-1], KEYS["n1 n2"]]
    with pytest.raises(ProblemError, match="rotation is under way"):
        psk.take(fresh, {})


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"n1 n2": "short"}, "too weak"),
        ({"n1 n2": "a" * 40}, "too weak"),
        ({"n1": KEYS["n1 n2"]}, "no pair"),
        ({"n1 n1": KEYS["n1 n2"]}, "no pair"),
        ({"n1 n2": KEYS["n1 n2"], "n2 n1": KEYS["n3 n1"]}, "two keys"),
        ({"n1 n2": KEYS["n1 n2"], "n1 n3": KEYS["n1 n2"]}, "same key"),
        ({}, "no list"),
    ],
)
def test_bad_keys_are_refused(password: Path, tmp_path: Path, keys: dict[str, str], said: str) -> None:
    del password
    with pytest.raises(ProblemError, match=said):
        psk.take(psk.Store(tmp_path / "psk.json"), psk.by_names("demo", text(keys)))


def test_passwords(
    password: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys.yml").write_bytes(vault.seal(text(KEYS), "keys"))
    (tmp_path / "plain.yml").write_bytes(text(KEYS))
    assert main(["psk", "import", "demo", str(tmp_path / "plain.yml")]) != 0
    assert "ansible-vault encrypt" in capsys.readouterr().err
    password.write_text("another password than before\n")
    assert main(["psk", "import", "demo", str(tmp_path / "keys.yml")]) != 0
    assert "can't be opened" in capsys.readouterr().err
    monkeypatch.delenv(vault.PASSWORD_FILE)
    assert main(["psk", "import", "demo", str(tmp_path / "keys.yml")]) != 0
    assert vault.PASSWORD_FILE in capsys.readouterr().err


def test_a_made_store_can_be_sealed(password: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del password
    assert main(["psk", "encrypt", "demo"]) != 0
    made = store()
    made.path.parent.mkdir(parents=True, exist_ok=True)
    made.ensure([pair_id("n-" + "0" * 12, "n-" + "1" * 12)])
    made.save()
    assert main(["psk", "encrypt", "demo"]) == 0
    assert store().pairs == made.pairs
    assert store().sealed
    assert not store().given
    capsys.readouterr()
