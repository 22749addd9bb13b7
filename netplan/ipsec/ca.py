"""The cluster's certificate authority on the control machine: it takes public keys from nodes, and nothing else.

A node sends a certificate request made with a key that never leaves it. Only the public key is taken from it: subject
and extensions are ours. The CA's key is made here once, lies under the state directory with mode 0600 and is never
part of a bundle, a run or a message. It is encrypted when there is a passphrase (a file named by
``IPSECPLAN_CA_PASSPHRASE_FILE``, or `ipsecplan ca encrypt`), and an organisation's own CA can certify it (`ca request`,
`ca install`): then it is a subordinate CA, and nodes still trust it alone.
"""

from __future__ import annotations

import datetime
import getpass
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from netplan.files import write_atomic
from netplan.model.ids import ID
from netplan.problems import DefectError, ExitCode, fail, present
from netplan.refusals import refusals

CA_DAYS = 3650
LEAF_DAYS = 397
BACKDATE = datetime.timedelta(hours=1)  # a node's clock may be a little behind ours
KEY, CERTIFICATE, ISSUED, NEXT, PHASES = "ca-key.pem", "ca.pem", "issued", "next", "phases.json"
PASSPHRASE_FILE = "IPSECPLAN_CA_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
LEAST_PASSPHRASE = 12
MAX_REQUEST = 16 * 1024  # bytes


@dataclass(frozen=True)
class Authority:
    """A loaded CA: certificate and private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    folder: Path | None = None

    @property
    def pem(self) -> str:
        """The CA certificate as PEM text."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    def sign(self, request_pem: str, node: str, identities: Iterable[str] = ()) -> str:
        """Return a certificate (PEM) for ``node`` (an id) from its request; raises ProblemError on a bad one.

        ``identities``: further names that it goes by on some networks. A certificate that was issued for the same key
        and names and is not due (:func:`renewal`) is returned again: with a new one charon takes the connection
        for another, and no IKE_SA that is up serves it any more.
        """
        names = [node, *identities]
        for name in names:
            if not ID.fullmatch(name):
                raise ValueError(name)
        request = _checked(request_pem, node)
        now = _now()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node)])
        public = request.public_key()
        if not isinstance(public, ec.EllipticCurvePublicKey):  # _checked has refused it
            raise DefectError(f"a request with a key of another kind passed: {type(public).__name__}")
        if good := self._issued(node, public, names):
            return good
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATE)
            .not_valid_after(min(now + datetime.timedelta(days=LEAF_DAYS), self.certificate.not_valid_after_utc))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        certificate = builder.sign(self.key, hashes.SHA384())
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        if self.folder is not None:
            _put(self.folder / ISSUED / f"{node}.pem", pem, 0o644)
        return pem.decode("ascii")

    def _issued(self, node: str, public: ec.EllipticCurvePublicKey, names: list[str]) -> str | None:
        """Return what was issued to ``node`` before, if it still is what it needs."""
        if self.folder is None:
            return None
        try:
            pem = (self.folder / ISSUED / f"{node}.pem").read_bytes()
            old = x509.load_pem_x509_certificate(pem)
            old.verify_directly_issued_by(self.certificate)
            named = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return None
        same = old.public_key() == public and named.get_values_for_type(x509.DNSName) == names
        return pem.decode("ascii") if same and _now() < renewal(old) else None


def open_authority(folder: Path, cluster: str) -> Authority:
    """Load the CA of a cluster from ``folder``, or make it on first use. ``cluster`` names it for people."""
    key_path, certificate_path = folder / KEY, folder / CERTIFICATE
    if key_path.exists() and certificate_path.exists():
        return _load(key_path, certificate_path)
    return _make(folder, f"ipsecplan CA {cluster}"[:64])


def _make(folder: Path, common_name: str) -> Authority:
    key_path, certificate_path = folder / KEY, folder / CERTIFICATE
    key = ec.generate_private_key(ec.SECP384R1())
    now = _now()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ipsecplan"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + datetime.timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA384())
    )
    _put(key_path, _private(key, _passphrase_file()), 0o600)
    _put(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return Authority(certificate, key, folder)


@dataclass(slots=True)
class Rollover:
    """A new CA that is taking over, and the phase that each node (by id) is known to have reached."""

    folder: Path
    authority: Authority
    phases: dict[str, int]

    def reached(self, nodes: list[str], phase: int) -> None:
        """Remember, on disk, that nodes have reached a phase."""
        self.phases.update(dict.fromkeys(nodes, phase))
        _put(self.folder / NEXT / PHASES, json.dumps(self.phases, sort_keys=True).encode(), 0o600)

    def finish(self) -> None:
        """The new CA takes the place of the old one, whose files are kept under its serial number."""
        old = self.folder / f"old-{load_certificate(self.folder).serial_number:x}"[:24]
        old.mkdir(mode=0o700, exist_ok=True)
        for name in (ISSUED, KEY, CERTIFICATE):
            if (self.folder / NEXT / name).exists():  # else a finish that was interrupted between the two
                if (self.folder / name).exists():
                    (self.folder / name).rename(old / name)
                (self.folder / NEXT / name).rename(self.folder / name)
        shutil.rmtree(self.folder / NEXT)


def rollover(folder: Path, cluster: str) -> Rollover:
    """Begin the change to a new CA, or go on with the one that was begun. Its name has a number of its own."""
    fresh = folder / NEXT
    if (fresh / KEY).exists() and (fresh / CERTIFICATE).exists():
        authority = _load(fresh / KEY, fresh / CERTIFICATE)
    else:
        authority = _make(fresh, f"ipsecplan CA {cluster}"[:50] + f" {secrets.token_hex(4)}")
    known = json.loads((fresh / PHASES).read_text(encoding="utf-8")) if (fresh / PHASES).exists() else {}
    return Rollover(folder, authority, {str(node): int(phase) for node, phase in known.items()})


def encrypt(folder: Path, passphrase: bytes) -> None:
    """Encrypt the CA's key at rest, or give it another passphrase."""
    authority = _load(folder / KEY, folder / CERTIFICATE)
    if len(passphrase) < LEAST_PASSPHRASE:
        fail("IPP607", f"a passphrase has at least {LEAST_PASSPHRASE} characters")
    _put(folder / KEY, _private(authority.key, passphrase), 0o600)


def encrypted(folder: Path) -> bool:
    """Tell whether the CA's key is encrypted at rest."""
    return b"ENCRYPTED" in (folder / KEY).read_bytes()


def request(authority: Authority) -> str:
    """Return a certificate request (PEM) for the CA's own key, for an organisation's CA to sign as a subordinate CA."""
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(authority.certificate.subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(authority.key, hashes.SHA384())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode("ascii")


def install(authority: Authority, pem: bytes) -> x509.Certificate:
    """Take the certificate that an organisation's CA made from our request; refuses one that could not work.

    Certificates of nodes stay good: they are signed by the same key under the same name.
    """
    folder = present(authority.folder, "the folder of the CA")
    try:
        found = x509.load_pem_x509_certificate(pem)
        constraints = found.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
    except (ValueError, x509.ExtensionNotFound) as error:
        fail("IPP607", f"not the certificate of a CA: {type(error).__name__}")
    if found.public_key() != authority.key.public_key():
        fail("IPP607", "the certificate is for another key", hint="make it from `ipsecplan ca request`")
    if found.subject != authority.certificate.subject:
        fail(
            "IPP607",
            f"the certificate names {found.subject.rfc4514_string()}; issued certificates name "
            f"{authority.certificate.subject.rfc4514_string()}",
        )
    if not constraints.ca or not usage.key_cert_sign:
        fail("IPP607", "the certificate does not allow to sign others (CA:TRUE and keyCertSign)")
    if not found.not_valid_before_utc <= _now() < found.not_valid_after_utc:
        fail("IPP607", f"the certificate is valid from {found.not_valid_before_utc} to {found.not_valid_after_utc}")
    _put(folder / CERTIFICATE, found.public_bytes(serialization.Encoding.PEM), 0o644)
    return found


def load_certificate(folder: Path) -> x509.Certificate:
    """Return the CA's certificate."""
    return x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())


def issued(folder: Path) -> dict[str, x509.Certificate]:
    """Return the newest certificate issued to each node id."""
    files = sorted((folder / ISSUED).glob("*.pem")) if (folder / ISSUED).is_dir() else []
    return {path.stem: x509.load_pem_x509_certificate(path.read_bytes()) for path in files}


def issued_key(folder: Path, node: str) -> str | None:
    """Return the public key (PEM) of the newest certificate issued to a node (id); None where none is good any more."""
    try:
        found = x509.load_pem_x509_certificate((folder / ISSUED / f"{node}.pem").read_bytes())
        public = found.public_key()
    except (OSError, ValueError, UnsupportedAlgorithm):
        return None
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = public.public_bytes(serialization.Encoding.PEM, form).decode("ascii")
    return pem if _now() < found.not_valid_after_utc else None


def renewal(certificate: x509.Certificate) -> datetime.datetime:
    """Return when a certificate should be renewed: after two thirds of its life."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) * 2 / 3


def _private(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None) -> bytes:
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


def _passphrase_file() -> bytes | None:
    """Return the passphrase from the file that the environment names; its path is no secret, its content is."""
    named = os.environ.get(PASSPHRASE_FILE)
    return read_passphrase(Path(named)) if named else None


def read_passphrase(path: Path) -> bytes:
    """Return the passphrase in a file that only we can read."""
    try:
        if path.stat().st_mode & 0o077:
            fail("IPP607", f"{path} can be read by others", hint=f"chmod 600 {path}")
        found = path.read_bytes().strip()
    except OSError as error:
        fail("IPP607", f"{path} can't be read: {error.strerror}")
    if len(found) < LEAST_PASSPHRASE:
        fail("IPP607", f"the passphrase in {path} has less than {LEAST_PASSPHRASE} characters")
    return found


def _asked() -> bytes | None:
    """Return the passphrase of an encrypted key: from the file, else typed by the operator."""
    found = _passphrase_file()
    if found is None and sys.stdin.isatty():
        found = getpass.getpass("Passphrase of the cluster's CA: ").encode()
    return found


def _load(key_path: Path, certificate_path: Path) -> Authority:
    mode = key_path.stat().st_mode & 0o777
    if mode & 0o077:
        fail("IPP607", f"{key_path} is readable by others (mode {mode:04o})", hint=f"chmod 600 {key_path}")
    if key_path.stat().st_uid != os.geteuid():
        fail("IPP607", f"{key_path} belongs to another user")
    try:
        raw = key_path.read_bytes()
        passphrase = _asked() if b"ENCRYPTED" in raw else None
        if passphrase is None and b"ENCRYPTED" in raw:
            fail(
                "IPP607",
                "the CA's key is encrypted",
                hint=f"name a file (0600) with its passphrase in {PASSPHRASE_FILE}",
            )
        key = serialization.load_pem_private_key(raw, password=passphrase)
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        fail("IPP607", f"{key_path.parent} holds no usable CA, or the passphrase is wrong")
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        fail("IPP607", f"the CA's key and certificate in {key_path.parent} don't belong together")
    if certificate.not_valid_after_utc <= _now():
        fail("IPP607", "the CA's certificate has expired", hint=f"move {key_path.parent} away and apply again")
    return Authority(certificate, key, key_path.parent)


def _checked(request_pem: str, node: str) -> x509.CertificateSigningRequest:
    """Return the request if its signature shows that the sender holds the key, and the key is of the kind we use."""
    if len(request_pem) > MAX_REQUEST:
        fail("IPP607", f"{node} sent a certificate request of {len(request_pem)} bytes")
    try:
        request = x509.load_pem_x509_csr(request_pem.encode())
        public = request.public_key()
        good = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        fail("IPP607", f"{node} sent no certificate request that can be read")
    if not good:
        fail("IPP607", f"the certificate request of {node} is not signed by its own key")
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP384R1):
        fail("IPP607", f"the certificate request of {node} has no P-384 key")
    return request


def public_key(request_pem: str, node: str) -> str:
    """Return the public key (PEM) of a node's request, which is signed by the key; raises ProblemError on a bad one."""
    public = _checked(request_pem, node).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, form).decode("ascii")


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _put(path: Path, data: bytes, mode: int) -> None:
    """Write a file of the CA. Raises ProblemError, on which apply rolls back, when the disk refuses."""
    with refusals(path, "written", "IPP607", ExitCode.FAILURE):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(path, data, mode)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
