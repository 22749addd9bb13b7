"""The files of one end as a bundle has them, for a daemon in a root of its own: charon's, or a far end's pluto's."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from netplan.ipsec import ca, charon, swanctl
from netplan.ipsec.connections import connection_file
from netplan.ipsec.far_end import libreswan
from netplan.ipsec.far_end.ends import far_end
from netplan.ipsec.far_end.issued import issue
from netplan.model.node import Node
from netplan.plan.types import Plan

CHARON = "usr/sbin/charon-systemd"
CHARON_PACKAGES = (
    *("charon-systemd", "iproute2", "iputils-ping", "kmod", "libstrongswan-standard-plugins"),
    *("procps", "strongswan-swanctl"),
)
PLUTO = "usr/libexec/ipsec/pluto"
PLUTO_PACKAGES = ("iproute2", "libnss3-tools", "libreswan")
WORDS = b"a passphrase of a test"
_LOADED = (
    "random nonce openssl kdf pem x509 pubkey pkcs1 pkcs8 revocation constraints kernel-netlink socket-default vici"
)
# 5.9.8 has time_add_ms, 6.x time_precision; each ignores the other's
_LOG = "path = /run/{log}\n default = 1\n ike = 1\n flush_line = yes\n time_format = %s\n time_add_ms = yes\n"
_LOG += " time_precision = ms"


def ours(folder: Path, plan: Plan, node: Node, authority: ca.Authority, text: str = "", log: str = "log") -> None:
    """Write charon's files of a node, with ``text`` in place of the rendered connections."""
    for place in ("conf.d", "x509", "x509ca", "private"):
        (folder / "swanctl" / place).mkdir(parents=True)
    settings = f"charon-systemd {{\n load_modular = no\n load = {_LOADED}\n}}\n"
    settings += f"charon {{\n filelog {{ out {{\n {_LOG.format(log=log)}\n }} }}\n}}\n"
    settings += "swanctl { load_modular = no\n load = random nonce openssl pem x509 pubkey pkcs1 pkcs8 }\n"
    texts = {
        "swanctl/conf.d/ipsecplan.conf": text or connection_file(plan, node),
        "swanctl/conf.d/ipsecplan-start.conf": swanctl.start_file("none"),
        "swanctl/swanctl.conf": "include conf.d/*.conf\n",
        "start-trap.conf": swanctl.start_file("trap"),
        "strongswan.conf": settings + charon.settings_file(plan, node),
    }
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node.id)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA384())
    pem = serialization.Encoding.PEM
    texts["swanctl/x509/ipsecplan.pem"] = authority.sign(request.public_bytes(pem).decode(), node.id)
    for file in ("ipsecplan-ca.pem", "ipsecplan-ca-next.pem"):
        texts[f"swanctl/x509ca/{file}"] = authority.pem
    texts["swanctl/private/ipsecplan.pem"] = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    for place, content in texts.items():
        (folder / place).write_text(content)


def theirs(folder: Path, plan: Plan, node: Node, authority: ca.Authority, text: str = "") -> str:
    """Write what an unmanaged host with libreswan is given, with ``text`` in place of its sheet; return that file."""
    folder.mkdir(parents=True)
    text = text or libreswan.text(far_end(plan, node))
    (folder / "libreswan.conf").write_text(text)
    issue(authority, node.id, (), [authority.pem], folder / "far-end.p12", WORDS)
    (folder / "passphrase").write_bytes(WORDS)
    return text
