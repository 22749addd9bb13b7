"""The cluster's certificate authority on the control machine: it takes public keys from nodes, and nothing else.

A node sends a certificate request made with a key that never leaves it. Only the public key is taken from it: subject
and extensions are ours. The CA's key is made here once, lies under the state directory with mode 0600 and is never
part of a bundle, a run or a message.
"""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from netplan.files import write_atomic
from netplan.ids import ID
from netplan.problems import Problem, ProblemError

CA_DAYS = 3650
LEAF_DAYS = 397
BACKDATE = datetime.timedelta(hours=1)  # a node's clock may be a little behind ours
MAX_REQUEST = 16 * 1024  # bytes


@dataclass(frozen=True)
class Authority:
    """A loaded CA: certificate and private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """The CA certificate as PEM text."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    def sign(self, request_pem: str, node: str) -> str:
        """Return a certificate (PEM) for ``node`` (an id) from its request; raises ProblemError on a bad one."""
        if not ID.fullmatch(node):
            raise ValueError(node)
        request = _checked(request_pem, node)
        now = _now()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node)])
        public = request.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)  # noqa: S101  _checked has seen to it
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATE)
            .not_valid_after(min(now + datetime.timedelta(days=LEAF_DAYS), self.certificate.not_valid_after_utc))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(node)]), critical=False)
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
        return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def open_authority(folder: Path, cluster: str) -> Authority:
    """Load the CA of a cluster from ``folder``, or make it on first use. ``cluster`` names it for people."""
    key_path, certificate_path = folder / "ca-key.pem", folder / "ca.pem"
    if key_path.exists() and certificate_path.exists():
        return _load(key_path, certificate_path)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP384R1())
    now = _now()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ipsecplan"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"ipsecplan CA {cluster}"[:64]),
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
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_atomic(key_path, private, 0o600)
    write_atomic(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return Authority(certificate, key)


def _load(key_path: Path, certificate_path: Path) -> Authority:
    mode = key_path.stat().st_mode & 0o777
    if mode & 0o077:
        raise _problem(f"{key_path} is readable by others (mode {mode:04o})", f"chmod 600 {key_path}")
    if key_path.stat().st_uid != os.geteuid():
        raise _problem(f"{key_path} belongs to another user")
    try:
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _problem(f"{key_path.parent} holds no usable CA") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        raise _problem(f"the CA's key and certificate in {key_path.parent} don't belong together")
    if certificate.not_valid_after_utc <= _now():
        raise _problem("the CA's certificate has expired", f"move {key_path.parent} away and apply again")
    return Authority(certificate, key)


def _checked(request_pem: str, node: str) -> x509.CertificateSigningRequest:
    """Return the request if its signature shows that the sender holds the key, and the key is of the kind we use."""
    if len(request_pem) > MAX_REQUEST:
        raise _problem(f"{node} sent a certificate request of {len(request_pem)} bytes")
    try:
        request = x509.load_pem_x509_csr(request_pem.encode())
        public = request.public_key()
        good = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        raise _problem(f"{node} sent no certificate request that can be read") from None
    if not good:
        raise _problem(f"the certificate request of {node} is not signed by its own key")
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP384R1):
        raise _problem(f"the certificate request of {node} has no P-384 key")
    return request


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature, key_cert_sign=key_cert_sign, crl_sign=crl_sign,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _problem(message: str, hint: str | None = None) -> ProblemError:
    return ProblemError(Problem(code="IPP607", message=message, hint=hint))
