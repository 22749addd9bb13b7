"""A key and a certificate for an unmanaged peer that can't make a request: one PKCS#12 file, encrypted.

The key exists in this process and in that file, under a passphrase; it is never printed, and nothing of it stays here.
Appliances and libreswan (`ipsec import`) take such a file; where a host can make a request, `ca sign` is better.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from netplan.files import write_atomic
from netplan.ipsec.ca import Authority
from netplan.problems import Location, fail
from netplan.refusals import refusals

CA_NAME = b"ipsecplan"  # the nickname that the CA gets where it is imported


def issue(
    authority: Authority, node: str, identities: Sequence[str], trusted: Sequence[str], file: Path, words: bytes
) -> x509.Certificate:
    """Write a new key with a certificate for ``node`` (an id) into ``file`` (0600, new) and return the certificate.

    ``identities``: its further names, on additional networks. ``trusted``: certificates (PEM) of the CAs that it has to
    trust, which go into the file, too. ``words`` encrypt it. Raises ProblemError: the file is there, or can't be
    written.
    """
    if os.path.lexists(file):
        fail("IPP210", "it is there already", location=Location(str(file)), hint="name another file")
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA384())
    with refusals(file, "written"):  # before anything is signed: an empty file, in a folder that may be written
        write_atomic(file, b"", 0o600)
    try:
        pem = authority.sign(request.public_bytes(serialization.Encoding.PEM).decode("ascii"), node, identities)
        certificate = x509.load_pem_x509_certificate(pem.encode())
        authorities = [
            pkcs12.PKCS12Certificate(x509.load_pem_x509_certificate(text.encode()), CA_NAME if not at else None)
            for at, text in enumerate(dict.fromkeys(trusted))
        ]
        data = pkcs12.serialize_key_and_certificates(
            node.encode(), key, certificate, authorities, serialization.BestAvailableEncryption(words)
        )
        with refusals(file, "written"):
            write_atomic(file, data, 0o600)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return certificate
