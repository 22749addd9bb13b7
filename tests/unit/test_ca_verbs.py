"""The CA beyond signing: encrypted at rest, certified by another CA, expiry shown."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from netplan.cli.main import main
from netplan.ipsec import ca
from netplan.model.ids import node_id
from netplan.problems import ProblemError
from tests.support.certificates import csr

NODE = node_id("lab", "n1")
PEM = serialization.Encoding.PEM


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path))
    monkeypatch.delenv(ca.PASSPHRASE_FILE, raising=False)
    found = tmp_path / "clusters" / "lab" / "ca"
    ca.open_authority(found, "lab")
    return found


def secret_file(tmp_path: Path, text: str = "correct horse battery") -> Path:
    path = tmp_path / "pass"
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def certify(request: str, **changes: object) -> bytes:
    """What an organisation's CA makes of our request."""
    asked = x509.load_pem_x509_csr(request.encode())
    root = ec.generate_private_key(ec.SECP384R1())
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(changes.get("subject", asked.subject))  # type: ignore[arg-type]
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Root")]))
        .public_key(changes.get("key", asked.public_key()))  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=2))
        .not_valid_after(now + datetime.timedelta(days=int(changes.get("days", 800))))  # type: ignore[call-overload]
        .add_extension(x509.BasicConstraints(ca=bool(changes.get("ca", True)), path_length=None), critical=True)
        .add_extension(asked.extensions.get_extension_for_class(x509.KeyUsage).value, critical=True)
    )
    return builder.sign(root, hashes.SHA384()).public_bytes(PEM)


def test_the_key_is_encrypted_at_rest(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ca.open_authority(folder, "lab")
    assert not ca.encrypted(folder)
    file = secret_file(tmp_path)
    assert main(["ca", "encrypt", "lab", "--passphrase-file", str(file)]) == 0
    assert ca.encrypted(folder)
    assert [path.stat().st_mode & 0o777 for path in folder.glob("*/ca-key.pem")] == [0o600]
    with pytest.raises(ProblemError, match="encrypted"):
        ca.open_authority(folder, "lab")
    monkeypatch.setenv(ca.PASSPHRASE_FILE, str(file))
    assert ca.open_authority(folder, "lab").pem == before.pem
    secret_file(tmp_path, "another passphrase")
    with pytest.raises(ProblemError, match="passphrase is wrong"):
        ca.open_authority(folder, "lab")


def test_a_new_ca_is_encrypted_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ca.PASSPHRASE_FILE, str(secret_file(tmp_path)))
    ca.open_authority(tmp_path / "ca", "lab")
    assert ca.encrypted(tmp_path / "ca")


@pytest.mark.parametrize(("text", "mode"), [("short", 0o600), ("correct horse battery", 0o644)])
def test_a_weak_or_open_passphrase_is_refused(folder: Path, tmp_path: Path, text: str, mode: int) -> None:
    file = secret_file(tmp_path, text)
    file.chmod(mode)
    assert main(["ca", "encrypt", "lab", "--passphrase-file", str(file)]) == 3
    assert not ca.encrypted(folder)


def test_another_ca_can_certify_it(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority = ca.open_authority(folder, "lab")
    leaf = x509.load_pem_x509_certificate(authority.sign(csr(), NODE).encode())
    assert main(["ca", "request", "lab"]) == 0
    (tmp_path / "ca.crt").write_bytes(certify(capsys.readouterr().out))
    assert main(["ca", "install", "lab", str(tmp_path / "ca.crt")]) == 0
    again = ca.open_authority(folder, "lab")
    leaf.verify_directly_issued_by(again.certificate)  # what was issued before stays good
    x509.load_pem_x509_certificate(again.sign(csr(), NODE).encode()).verify_directly_issued_by(again.certificate)
    assert main(["ca", "show", "lab"]) == 0
    assert "certified by CN=Example Root" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ca": False}, "does not allow"),
        ({"days": -1}, "is valid from"),
        ({"key": ec.generate_private_key(ec.SECP384R1()).public_key()}, "another key"),
        ({"subject": x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "else")])}, "names .CN=else"),
    ],
)
def test_a_certificate_that_could_not_work_is_refused(folder: Path, changes: dict[str, object], why: str) -> None:
    authority = ca.open_authority(folder, "lab")
    before = ca.load_certificate(folder)
    with pytest.raises(ProblemError, match=why):
        ca.install(authority, certify(ca.request(authority), **changes))
    with pytest.raises(ProblemError, match="not the certificate"):
        ca.install(authority, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert ca.load_certificate(folder) == before


def test_expiry_is_shown_and_renewal_is_at_two_thirds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leaf = x509.load_pem_x509_certificate(ca.open_authority(folder, "lab").sign(csr(), NODE).encode())
    life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    assert ca.renewal(leaf) - leaf.not_valid_before_utc == life * 2 / 3
    assert main(["ca", "show", "lab", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["result"]
    assert found["certificates"][0]["node"] == NODE
    assert found["certificates"][0]["days_left"] in (396, 397)
    assert found["certificates"][0]["due"] is False
    assert main(["ca", "show", "nobody"]) == 3


def test_an_unmanaged_peer_gets_its_certificate_by_hand(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "far.csr").write_text(csr())
    assert main(["ca", "sign", "lab", NODE, str(tmp_path / "far.csr")]) == 0
    leaf, authority = x509.load_pem_x509_certificates(capsys.readouterr().out.encode())
    leaf.verify_directly_issued_by(authority)
    assert authority == ca.load_certificate(folder)
    assert leaf.subject.rfc4514_string() == f"CN={NODE}"
    assert main(["ca", "sign", "lab", "../../etc/passwd", str(tmp_path / "far.csr")]) == 3
    assert main(["ca", "sign", "lab", NODE, str(tmp_path / "none")]) == 3
