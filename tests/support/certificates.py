"""Certificate requests as nodes make them."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def csr() -> str:
    """Return a certificate request (PEM) for a new key of the curve that the product takes."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "whatever it asks for")])
    key = ec.generate_private_key(ec.SECP384R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA384())
    return made.public_bytes(serialization.Encoding.PEM).decode()
