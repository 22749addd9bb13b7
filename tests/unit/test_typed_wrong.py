"""What somebody types wrong in the first hour: no traceback, nothing made, and a hint that leads on."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

from netplan.cli.main import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example and its bundle."""
    folder = tmp_path_factory.mktemp("typed")
    shutil.copytree(ROOT / "inventories" / "example", folder / "ex")
    assert main(["render", str(folder / "ex" / "plan.yaml"), "--to", str(folder / "bundle")]) == 0
    (folder / "d").mkdir()
    return folder


@pytest.fixture(autouse=True)
def here(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(made)
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    return tmp_path / "state"


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("apply bundle --yes --soak nan", 2, "'nan' is not a number"),
        ("status bundle --watch --interval nan", 2, "'nan' is not a number"),
        ("lab prune --days nan", 2, "'nan' is not a number"),
        ("top bundle --interval nan", 2, "'nan' is not a number"),
        ("exporter bundle --interval nan", 2, "'nan' is not a number"),
        ("lab prune --days=-1", 2, "not in the range"),
        ("calc --batch nosuch", 3, "nosuch: error IPP201: can't be read: No such file or directory"),
        ("calc --batch d", 3, "d: error IPP201: can't be read: Is a directory"),
        ("calc calic", 3, "did you mean calico?"),
        ("calc cilium-genev --mtu 9000", 3, "did you mean cilium-geneve?"),
        ("calc ip4/ip4 --svg nosuch/x.svg", 3, "the directory nosuch does not exist; make it first"),
        ("lint ex/plan.yml", 3, "did you mean ex/plan.yaml?"),
        ("plan nosuch.yaml", 3, "`ipsecplan init` writes one"),
        ("explain ipp61", 3, "did you mean one of IPP610, IPP611"),
        ("explain IPP9999", 3, "did you mean IPP9"),
        ("ca init A/B", 3, "'A/B' is not a cluster name"),
        ("ca show ../x", 3, "'../x' is not a cluster name"),
        ("psk encrypt A_B", 3, "'A_B' is not a cluster name"),
        ("ca backup example x", 2, "give --passphrase-file where there is no terminal to ask on"),
        ("ca restore example ex/plan.yaml", 2, "give --passphrase-file where there is no terminal to ask on"),
        ("report d", 3, "this is a directory; a bundle"),
        ("report nosuch", 3, "nosuch: error IPP502: no such file or directory"),
        ("report ex/plan.yaml", 3, "did you mean bundle?"),
        ("report bundel", 3, "did you mean bundle?"),
        ("diff bundel", 2, "'bundel' is none"),
    ],
)
def test_a_hint_leads_on(typed: str, code: int, said: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed.split()) == code
    out, err = capsys.readouterr()
    assert said in out + err
    assert "Traceback" not in out + err
    assert "IPP699" not in out + err
    assert not here.exists(), "nothing was made"


def test_a_damaged_bundle_can_be_reported(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(made / "bundle", damaged)
    (damaged / "manifest.json").write_text("{", encoding="utf-8")
    assert main(["report", str(damaged), "--to", str(tmp_path / "r.tar.gz")]) == 0
    assert "r.tar.gz: " in capsys.readouterr().out
