"""Phase ``credentials``: the node's private key is made here and stays here; certificates and peers' keys come in."""

from __future__ import annotations

import os

from ..system import core, vici
from ..system.core import Stop, counted, finding, must, read, run, which
from ..system.paths import CA, CA_NEXT, CERTIFICATE, KEY, PUBLIC, SECRETS
from ..system.swanctl import load_connections, load_credentials
from ..transaction.release import put, remember
from ..transaction.state import tx_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson
    from ..protocol.reply import Work
    from ..protocol.request import Request

RENEW_DAYS = 132  # a third of the life that our CA gives a certificate


def make_key(tx: str) -> bool:
    """Make the private key once; a key that a confirmed release uses stays."""
    if os.path.exists(KEY):
        if os.stat(KEY).st_mode & 0o077:
            raise Stop(finding("IPP606", f"{KEY} is readable by others", "chmod 600 it, or remove it"))
        return False
    umask = os.umask(0o077)
    try:
        if which("openssl"):
            made = must("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")
        else:
            made = must("pki", "--gen", "--type", "ecdsa", "--size", "384", "--outform", "pem")
    finally:
        os.umask(umask)
    if not os.path.isdir(os.path.dirname(KEY)):
        os.makedirs(os.path.dirname(KEY), mode=0o700)
    return put(tx, KEY, made.out, 0o600)


def certificate_request(node: NodeJson, key: str = KEY) -> str:
    """Return a certificate request for the node's key: the controller checks it and takes only the public key."""
    name = node["id"]
    if which("openssl"):
        return must("openssl", "req", "-new", "-key", key, "-subj", "/CN=" + name).out
    return must("pki", "--req", "--in", key, "--type", "priv", "--dn", "CN=" + name, "--outform", "pem").out


def certificate_good(node: NodeJson, days: int = RENEW_DAYS) -> bool:
    """Tell whether the installed certificate fits the key and the node and lasts ``days`` more."""
    if not os.path.exists(CERTIFICATE) or not os.path.exists(CA) or not os.path.exists(KEY):
        return False
    if not which("openssl"):
        return False
    ends = run("openssl", "x509", "-in", CERTIFICATE, "-noout", "-checkend", str(days * 86400), "-subject", "-pubkey")
    public = run("openssl", "pkey", "-in", KEY, "-pubout")
    if not (ends.code == 0 and node["id"] in ends.out and public.code == 0 and public.out.strip() in ends.out):
        return False
    more = node.get("identities", ())
    named = run("openssl", "x509", "-in", CERTIFICATE, "-noout", "-ext", "subjectAltName").out if more else ""
    return all("DNS:" + name in named for name in more)


def credentials(request: Request) -> Work:
    """Phase ``credentials``: certificate and CA, pre-shared keys or the peers' public keys installed, everything
    loaded, nothing started."""
    tx, node, secrets = request["tx"], request["node"], request.get("secrets")
    certificate, authority, publics = request.get("certificate"), request.get("authority"), request.get("publics")
    changed = False
    if secrets:
        changed = install_secrets(tx, secrets)
    if publics:
        changed = _pin(tx, publics) or changed
    elif certificate and authority:
        trusted = request.get("authorities") or [authority, authority]
        changed = put(tx, CERTIFICATE, certificate, 0o644)
        changed = put(tx, CA, trusted[0], 0o644) or changed
        put(tx, CA_NEXT, trusted[1], 0o644)
    elif not secrets and not os.path.exists(CA_NEXT):
        put(tx, CA_NEXT, read(CA) or "", 0o644)
    load_credentials()
    pairs, loaded = {peer["pair"] for peer in node["peers"]}, vici.connections()
    # asked a second time, as when a worker was lost: reading connections anew makes charon end IKE_SAs without a
    # CHILD_SA (seen on 6.0.1), and a peer that has said that it has all of them does not begin again
    if changed or not pairs <= set(loaded) or not (read(tx_folder(tx) + "/before") or "").startswith("none"):
        load_connections()
        loaded = vici.connections()
    missing = sorted(pairs - set(loaded))
    if missing:
        raise Stop(finding("IPP613", f"charon did not load {counted(len(missing), 'connection')}, first {missing[0]}"))
    return {"changed": changed, "detail": f"{counted(len(loaded), 'connection')} loaded"}


def _pin(tx: str, publics: dict[str, str]) -> bool:
    """Install our own public key and those of the peers; files of former peers go."""
    if which("openssl"):
        own = must("openssl", "pkey", "-in", KEY, "-pubout").out
    else:
        own = must("pki", "--pub", "--in", KEY, "--type", "priv", "--outform", "pem").out
    wanted = {f"{PUBLIC}/ipsecplan-{peer}.pem": text for peer, text in publics.items()}
    wanted[PUBLIC + "/ipsecplan.pem"] = own
    changed = False
    for path, text in wanted.items():
        changed = put(tx, path, text, 0o644) or changed
    for name in os.listdir(PUBLIC):
        if name.startswith("ipsecplan-n-") and f"{PUBLIC}/{name}" not in wanted:
            remember(tx, f"{PUBLIC}/{name}")
            changed = core.remove(f"{PUBLIC}/{name}") or changed
    return changed


def install_secrets(tx: str, text: str) -> bool:
    """Put the pre-shared keys where swanctl reads them, inside a transaction."""
    return put(tx, SECRETS, text, 0o600)
