"""New credentials under live SAs: none of them notices, because only the next authentication uses what is loaded here.

Outside a transaction on purpose: old and new are both accepted by every peer while nodes change one after another.
"""

from __future__ import annotations

import os
import re

from ..system import core, paths, swanctl, vici
from ..system.core import Stop, counted, finding, must, run, which
from ..system.paths import SECRETS
from ..transaction import state
from . import credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import RequestWork, Work
    from ..protocol.request import Request

NEXT_KEY = state.ROOT + "/next-key.pem"
_NAME = re.compile(r"^\s*(?:ike-)(pair-[0-9a-f]{12}-[0-9]) \{\s*$", re.MULTILINE)


def _confirmed(release: str) -> None:
    now = state.load()
    if now["state"] != "confirmed" or now["release"] != release:
        hint = "apply the bundle first; a rotation changes credentials of what is in force"
        raise Stop(finding("IPP603", "this bundle is not what is confirmed on this node", hint))


def load_psk(request: Request) -> Work:
    """Phase ``load-psk``: load the keys of one phase of a rotation, in the order of the file."""
    _confirmed(request["release"])
    text = request["secrets"]
    changed = core.write(SECRETS, text, 0o600)
    swanctl.load_credentials()
    with vici.Vici() as link:
        loaded = set(link.call("get-shared").get("keys", ()))
    wanted = {"ike-" + name for name in _NAME.findall(text)}
    ours = {name for name in loaded if name.startswith("ike-pair-")}
    if ours != wanted:
        raise Stop(finding("IPP613", f"charon has {len(ours)} of our pre-shared keys, not {len(wanted)}"))
    return {"changed": changed, "detail": f"{counted(len(wanted), 'key')} loaded"}


def new_key(request: Request) -> RequestWork:
    """Phase ``new-key``: a new private key beside the one in use, and the request for its certificate."""
    _confirmed(request["release"])
    made = not os.path.exists(NEXT_KEY)
    if made:
        if which("openssl"):
            text = must("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384").out
        else:
            text = must("pki", "--gen", "--type", "ecdsa", "--size", "384", "--outform", "pem").out
        core.write(NEXT_KEY, text, 0o600)
    certificate = credentials.certificate_request(request["node"], NEXT_KEY)
    return {"changed": made, "detail": "new key made", "request": certificate}


def load_ca(request: Request) -> Work:
    """Phase ``load-ca``: these two CA certificates, which may be the same, are what peers may be certified by."""
    _confirmed(request["release"])
    authorities = request["authorities"]
    changed = core.write(paths.CA, authorities[0], 0o644)
    changed = core.write(paths.CA_NEXT, authorities[1], 0o644) or changed
    swanctl.load_credentials()
    swanctl.load_connections()
    return {"changed": changed, "detail": f"{len(set(authorities))} CAs trusted"}


def install_certificate(request: Request) -> Work:
    """Phase ``install-certificate``: the new key and its certificate take the place of the old ones."""
    _confirmed(request["release"])
    key = core.read(NEXT_KEY)
    if not key:
        raise Stop(finding("IPP606", "the new key is gone"))
    core.write(paths.KEY, key, 0o600)
    core.write(paths.CERTIFICATE, request["certificate"], 0o644)
    swanctl.load_credentials()
    swanctl.load_connections()
    core.remove(NEXT_KEY)
    done = run("openssl", "x509", "-in", paths.CERTIFICATE, "-noout", "-enddate")
    return {"changed": True, "detail": "certificate good until " + done.out.strip().partition("=")[2]}
