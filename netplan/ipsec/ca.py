"""The cluster's certificate authority on the control machine: it takes public keys from nodes, and nothing else.

A node sends a certificate request made with a key that never leaves it. Only the public key is taken from it: subject
and extensions are ours. The CA's key is made here once, lies under the state directory (netplan.ipsec.ca_store) with
mode 0600 and is never part of a bundle, a run or a message. It is encrypted when there is a passphrase (a file named by
``IPSECPLAN_CA_PASSPHRASE_FILE``, or `ipsecplan ca encrypt`), and an organisation's own CA can certify it (`ca request`,
`ca install`): then it is a subordinate CA, and nodes still trust it alone.
"""

from __future__ import annotations

import datetime
import functools
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from netplan.files import read_regular
from netplan.ipsec import ca_store, passphrase
from netplan.ipsec.ca_store import CERTIFICATE, ISSUED, KEY, put
from netplan.model.ids import ID
from netplan.problems import DefectError, Location, fail, present, quoted
from netplan.refusals import refusals

CA_DAYS = 3650
LEAF_DAYS = 397
BACKDATE = datetime.timedelta(hours=1)  # a node's clock may be a little behind ours
PASSPHRASE_FILE = "IPSECPLAN_CA_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
MAX_REQUEST = 16 * 1024  # bytes


@dataclass(frozen=True)
class Authority:
    """A loaded CA: certificate and private key. ``beside``: the folder of the other CA that nodes trust, if any."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    folder: Path | None = None
    beside: Path | None = None

    @property
    def pem(self) -> str:
        """The CA certificate as PEM text."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    def sign(self, request_pem: str, node: str, identities: Iterable[str] = ()) -> str:
        """Return a certificate (PEM) for ``node`` (an id) from its request.

        Raises ProblemError on a bad request, and for a key that another node has a certificate for.

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
        self._refuse_another_name(node, public)
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
            put(self.folder / ISSUED / f"{node}.pem", pem, 0o644)
            self._owners[ca_store.public_bytes(public)] = node
        return pem.decode("ascii")

    def _refuse_another_name(self, node: str, public: ec.EllipticCurvePublicKey) -> None:
        other = self._owners.get(ca_store.public_bytes(public), node)
        if other != node:
            fail(
                "IPP607",
                f"{node} has the key of {other}: one could pose as the other",
                hint=f"make a new key on one of them; if {other} is no node any more, remove its file in {ISSUED}/",
            )

    @functools.cached_property
    def _owners(self) -> dict[bytes, str]:
        """Public key -> the node that has a certificate for it, of the CAs that nodes trust."""
        found: dict[bytes, str] = {}
        for folder in filter(None, (self.beside, self.folder)):
            for node, certificate in ca_store.certificates(folder).items():
                public = certificate.public_key()
                if isinstance(public, ec.EllipticCurvePublicKey):
                    found[ca_store.public_bytes(public)] = node
        return found

    def _issued(self, node: str, public: ec.EllipticCurvePublicKey, names: list[str]) -> str | None:
        """Return what was issued to ``node`` before, if it still is what it needs."""
        if self.folder is None:
            return None
        try:
            pem = (self.folder / ISSUED / f"{node}.pem").read_bytes()
            old = x509.load_pem_x509_certificate(pem)
            old.verify_directly_issued_by(self.certificate)
            named = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            holder = old.public_key()
        except (OSError, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
            return None
        same = holder == public and named.get_values_for_type(x509.DNSName) == names
        return pem.decode("ascii") if same and _now() < renewal(old) else None


def open_authority(folder: Path, cluster: str) -> Authority:
    """Load the CA of a cluster that signs, or make it on first use. ``cluster`` names it for people.

    Raises ProblemError (IPP607), which names the file to restore, where a part of it is missing.
    """
    index = ca_store.settle(folder)
    if index is None:
        index = ca_store.Index(make(folder, f"ipsecplan CA {cluster}"[:64]))
        index.save(folder)
    return load(folder / index.current)


def make(folder: Path, common_name: str, announce: Callable[[str], object] = lambda _: None) -> str:
    """Make a CA below ``folder`` and return the name of its folder, which ``announce`` gets before there is one."""
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
    name_of_folder = ca_store.fingerprint(key.public_key())
    announce(name_of_folder)
    files = {
        KEY: (_private(key, passphrase.known(PASSPHRASE_FILE)), 0o600),
        CERTIFICATE: (certificate.public_bytes(serialization.Encoding.PEM), 0o644),
    }
    ca_store.make(folder / name_of_folder, files)
    return name_of_folder


def encrypt(authority: Authority, words: bytes) -> None:
    """Encrypt the CA's key at rest, or give it another passphrase. Raises ProblemError for a short one."""
    if len(words) < passphrase.LEAST:
        fail("IPP607", f"a passphrase has at least {passphrase.LEAST} characters")
    put(present(authority.folder, "the folder of the CA") / KEY, _private(authority.key, words), 0o600)


def encrypted(folder: Path) -> bool:
    """Tell whether the key of the CA that signs is encrypted at rest."""
    return b"ENCRYPTED" in _read(_current(folder) / KEY)


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
        public = found.public_key()
        constraints = found.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        fail("IPP607", f"not the certificate of a CA: {type(error).__name__}")
    if public != authority.key.public_key():
        fail("IPP607", "the certificate is for another key", hint="make it from `ipsecplan ca request`")
    if found.subject != authority.certificate.subject:
        fail(
            "IPP607",
            f"the certificate names {quoted(found.subject.rfc4514_string(), 200)}; issued certificates name "
            f"{authority.certificate.subject.rfc4514_string()}",
        )
    if not constraints.ca or not usage.key_cert_sign:
        fail("IPP607", "the certificate does not allow to sign others (CA:TRUE and keyCertSign)")
    if not found.not_valid_before_utc <= _now() < found.not_valid_after_utc:
        fail("IPP607", f"the certificate is valid from {found.not_valid_before_utc} to {found.not_valid_after_utc}")
    put(folder / CERTIFICATE, found.public_bytes(serialization.Encoding.PEM), 0o644)
    return found


def _current(folder: Path) -> Path:
    index = ca_store.read_index(folder)
    if index is None and folder.is_dir() and any(folder.iterdir()):
        hint = "`ipsecplan ca init`, or the next `apply`, makes it from what is there"
        fail("IPP607", "it is missing", location=Location(str(folder / ca_store.INDEX)), hint=hint)
    if index is None:
        hint = "`ipsecplan ca init`, or the first `apply`, makes it"
        fail("IPP607", "this cluster has no CA yet", location=Location(str(folder)), hint=hint)
    return folder / index.current


def load_certificate(folder: Path) -> x509.Certificate:
    """Return the certificate of the CA that signs. Raises ProblemError."""
    return ca_store.load_certificate(_current(folder))


def issued(folder: Path) -> dict[str, x509.Certificate]:
    """Return the newest certificate that the CA that signs issued to each node id. Raises ProblemError."""
    return ca_store.certificates(_current(folder))


def issued_key(folder: Path, node: str) -> str | None:
    """Return the public key (PEM) of the newest certificate issued to a node (id); None where none is good any more.

    Newest is that of the CA that takes over, where one does. Raises ProblemError for a damaged index.
    """
    index = ca_store.read_index(folder)
    for name in filter(None, (index.following, index.current) if index else ()):
        try:
            found = x509.load_pem_x509_certificate(read_regular(folder / name / ISSUED / f"{node}.pem", ca_store.LIMIT))
            public = found.public_key()
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if _now() < found.not_valid_after_utc:
            form = serialization.PublicFormat.SubjectPublicKeyInfo
            return public.public_bytes(serialization.Encoding.PEM, form).decode("ascii")
    return None


def renewal(certificate: x509.Certificate) -> datetime.datetime:
    """Return when a certificate should be renewed: after two thirds of its life."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) * 2 / 3


def _private(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None) -> bytes:
    protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


def load(folder: Path, beside: Path | None = None) -> Authority:
    """Load one CA from its folder. Raises ProblemError (IPP607)."""
    ca_store.need_whole(folder)
    path = folder / KEY
    about = path.stat()
    if about.st_uid != os.geteuid():
        fail("IPP607", f"{path} belongs to another user")
    if about.st_mode & 0o077:
        message = f"{path} is readable by others (mode {about.st_mode & 0o777:04o})"
        fail("IPP607", message, hint=f"chmod 600 {path}")
    certificate = ca_store.load_certificate(folder)
    raw = _read(path)
    words = passphrase.asked(PASSPHRASE_FILE, "the cluster's CA") if b"ENCRYPTED" in raw else None
    if words is None and b"ENCRYPTED" in raw:
        hint = f"name a file (0600) with its passphrase in {PASSPHRASE_FILE}"
        fail("IPP607", "the CA's key is encrypted", hint=hint)
    try:
        key = serialization.load_pem_private_key(raw, password=words)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        fail("IPP607", f"{path} is no key that can be used, or the passphrase is wrong")
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        fail("IPP607", f"the CA's key and certificate in {folder} don't belong together")
    if ca_store.fingerprint(key.public_key()) != folder.name:
        fail("IPP607", f"{folder} holds another CA than its name says", hint=ca_store.RESTORE)
    if certificate.not_valid_after_utc <= _now():
        fail("IPP607", "the CA's certificate has expired", hint=f"move {folder.parent} away and apply again")
    return Authority(certificate, key, folder, beside)


def _read(path: Path) -> bytes:
    with refusals(path, "read", "IPP607"):
        return read_regular(path, ca_store.LIMIT)


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


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
