"""The CA signs keys, and takes nothing else from a node's word."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from netplan.ipsec.ca import LEAF_DAYS, Authority, open_authority
from netplan.problems import ProblemError

NODE = "n-0123456789ab"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return open_authority(tmp_path_factory.mktemp("ca") / "ca", "lab")


def request(key: object, subject: str = NODE, *extensions: x509.ExtensionType) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA384()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM).decode()  # type: ignore[arg-type]


def test_a_good_request(authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    leaf = x509.load_pem_x509_certificate(authority.sign(request(key), NODE).encode())
    leaf.verify_directly_issued_by(authority.certificate)
    assert leaf.public_key() == key.public_key()
    assert leaf.subject.rfc4514_string() == f"CN={NODE}"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NODE]
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    now = datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(minutes=59) < now - leaf.not_valid_before_utc < datetime.timedelta(minutes=61)
    assert (leaf.not_valid_after_utc - now).days in (LEAF_DAYS, LEAF_DAYS - 1)


def test_what_serves_is_not_issued_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another certificate would be another connection for charon, without the IKE_SA that is up."""
    authority = open_authority(tmp_path / "ca", "lab")
    key = ec.generate_private_key(ec.SECP384R1())
    first = authority.sign(request(key), NODE)
    assert authority.sign(request(key), NODE) == first
    named = authority.sign(request(key), NODE, ["n-ffffffffffff"])
    assert named != first
    assert authority.sign(request(key), NODE) not in (first, named), "only what was issued last is known"
    assert authority.sign(request(ec.generate_private_key(ec.SECP384R1())), NODE) != first
    current = authority.sign(request(key), NODE)
    days = LEAF_DAYS - LEAF_DAYS // 3
    for passed, same in ((days - 1, True), (days + 1, False)):
        later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=passed)
        monkeypatch.setattr("netplan.ipsec.ca._now", lambda later=later: later)
        assert (authority.sign(request(key), NODE) == current) is same, passed
    other = open_authority(tmp_path / "other", "lab")
    assert other.folder is not None
    (other.folder / "issued" / f"{NODE}.pem").write_text(current)
    assert other.sign(request(key), NODE) != current, "another CA issued it"


def test_what_a_malicious_request_asks_for_is_ignored(authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    greedy = request(
        key,
        "n-ffffffffffff",
        x509.BasicConstraints(ca=True, path_length=None),
        x509.SubjectAlternativeName([x509.DNSName("n-ffffffffffff"), x509.DNSName("*")]),
        x509.KeyUsage(True, False, False, False, False, True, True, False, False),
    )
    leaf = x509.load_pem_x509_certificate(authority.sign(greedy, NODE).encode())
    assert leaf.subject.rfc4514_string() == f"CN={NODE}"
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NODE]
    assert not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_a_request_signed_by_another_key_is_refused(authority: Authority) -> None:
    mine, theirs = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
    good, other = (
        x509.load_pem_x509_csr(request(key).encode()).public_bytes(serialization.Encoding.DER) for key in (mine, theirs)
    )
    # their public key in my request: same length, so the signature no longer fits what it signs
    spki = [
        key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        for key in (mine, theirs)
    ]
    assert other.count(spki[1]) == 1
    forged = x509.load_der_x509_csr(good.replace(spki[0], spki[1])).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(ProblemError, match="not signed by its own key"):
        authority.sign(forged, NODE)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["p256", "rsa", "ed25519"],
)
def test_another_kind_of_key_is_refused(authority: Authority, key: object) -> None:
    with pytest.raises(ProblemError, match="P-384"):
        authority.sign(request(key), NODE)


@pytest.mark.parametrize(
    "text", ["", "no PEM", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"]
)
def test_rubbish_is_refused(authority: Authority, text: str) -> None:
    with pytest.raises(ProblemError, match="no certificate request"):
        authority.sign(text, NODE)


def test_a_huge_request_is_refused(authority: Authority) -> None:
    with pytest.raises(ProblemError, match="bytes"):
        authority.sign("A" * 100_000, NODE)


def test_only_ids_are_named(authority: Authority) -> None:
    with pytest.raises(ValueError, match="evil"):
        authority.sign(request(ec.generate_private_key(ec.SECP384R1())), "evil.example")


def test_the_key_is_private_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    first = open_authority(folder, "lab")
    assert first.folder is not None
    key = first.folder / "ca-key.pem"
    assert key.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert open_authority(folder, "lab").pem == first.pem
    key.chmod(0o640)
    with pytest.raises(ProblemError, match="readable by others"):
        open_authority(folder, "lab")


def test_a_key_of_another_ca_is_refused(tmp_path: Path) -> None:
    one, other = (open_authority(tmp_path / name, "lab") for name in "ab")
    assert one.folder is not None
    (one.folder / "ca.pem").write_text(other.pem)
    with pytest.raises(ProblemError, match="don't belong together"):
        open_authority(tmp_path / "a", "lab")
