"""``ipsecplan ca``: show, encrypt and certify the cluster's certificate authority, and sign for unmanaged peers."""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from netplan.cli.options import JSON
from netplan.cli.output import as_json, emit, emit_json
from netplan.ipsec import ca
from netplan.model.ids import ID
from netplan.problems import Location, Problem, ProblemError, quoted
from netplan.refusals import refused
from netplan.rollout.record.journal import ClusterState, state_root

CLUSTER = click.argument("cluster")
STATE_DIR = click.option("--state-dir", envvar="IPSECPLAN_STATE", help="State directory. [env: IPSECPLAN_STATE]")


@click.group(
    "ca",
    epilog="\b\nExamples:\n  ipsecplan ca show prod-eu1\n  ipsecplan ca request prod-eu1 > ca.csr\n"
    "  ipsecplan ca install prod-eu1 ca.crt\n  ipsecplan ca encrypt prod-eu1 --passphrase-file pass",
)
def command() -> None:
    """Manage the certificate authority of a cluster. Its key stays on this machine, keys of nodes on the nodes.

    The first `apply` creates it. An encrypted key's passphrase is read from the file that
    IPSECPLAN_CA_PASSPHRASE_FILE names, or asked for.
    """


def _folder(state_dir: str | None, cluster: str) -> Path:
    folder = ClusterState(state_root(state_dir), cluster).ca
    if not (folder / ca.CERTIFICATE).is_file():
        raise ProblemError(
            Problem("IPP607", "this cluster has no CA yet", location=Location(str(folder)), hint="`apply` makes it")
        )
    return folder


@command.command("show")
@CLUSTER
@STATE_DIR
@JSON
def show(cluster: str, state_dir: str | None, json_: bool) -> None:
    """Show CLUSTER's CA and every certificate that it issued, with the days left."""
    with as_json(json_):
        folder = _folder(state_dir, cluster)
        certificate = ca.load_certificate(folder)
    now = datetime.datetime.now(datetime.UTC)
    own = certificate.issuer == certificate.subject
    leaves = [
        {
            "node": node,
            "expires": f"{leaf.not_valid_after_utc:%Y-%m-%d}",
            "days_left": (leaf.not_valid_after_utc - now).days,
            "renew_from": f"{ca.renewal(leaf):%Y-%m-%d}",
            "due": ca.renewal(leaf) <= now,
        }
        for node, leaf in ca.issued(folder).items()
    ]
    about = {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": "itself" if own else certificate.issuer.rfc4514_string(),
        "expires": f"{certificate.not_valid_after_utc:%Y-%m-%d}",
        "days_left": (certificate.not_valid_after_utc - now).days,
        "key_encrypted": ca.encrypted(folder),
        "certificates": leaves,
    }
    if json_:
        emit_json(about)
        return
    emit(f"{about['subject']}, certified by {about['issuer']}")
    emit(f"expires {about['expires']} ({about['days_left']} days left)")
    emit("key encrypted at rest" if about["key_encrypted"] else "key NOT encrypted at rest: `ipsecplan ca encrypt`")
    for leaf in leaves:
        word = "RENEW NOW" if leaf["due"] else f"renew from {leaf['renew_from']}"
        emit(f"  {leaf['node']}  expires {leaf['expires']} ({leaf['days_left']} days left), {word}")


@command.command("encrypt")
@CLUSTER
@click.option(
    "--passphrase-file", type=click.Path(path_type=Path, dir_okay=False), help="File (0600) with it; else asked."
)
@STATE_DIR
def encrypt(cluster: str, passphrase_file: Path | None, state_dir: str | None) -> None:
    """Encrypt the key of CLUSTER's CA, or give it another passphrase."""
    folder = _folder(state_dir, cluster)
    if passphrase_file is not None:
        passphrase = ca.read_passphrase(passphrase_file)
    else:
        passphrase = str(click.prompt("New passphrase", hide_input=True, confirmation_prompt=True)).encode()
    ca.encrypt(folder, passphrase)
    emit(f"encrypted; from now on `apply` asks for it, or reads the file that {ca.PASSPHRASE_FILE} names")


@command.command("request")
@CLUSTER
@STATE_DIR
def request(cluster: str, state_dir: str | None) -> None:
    """Print a certificate request for CLUSTER's CA, for your organisation's CA to sign as a subordinate CA."""
    emit(ca.request(ca.open_authority(_folder(state_dir, cluster), cluster)).rstrip())


@command.command("install")
@CLUSTER
@click.argument("certificate", type=click.Path(path_type=Path, dir_okay=False))
@STATE_DIR
def install(cluster: str, certificate: Path, state_dir: str | None) -> None:
    """Install the CERTIFICATE (PEM) that your organisation's CA issued for the request."""
    try:
        pem = certificate.read_bytes()
    except OSError as error:
        raise ProblemError(refused(error, certificate, "read", "IPP201")) from None
    found = ca.install(ca.open_authority(_folder(state_dir, cluster), cluster), pem)
    emit(f"installed: certified by {found.issuer.rfc4514_string()}, until {found.not_valid_after_utc:%Y-%m-%d}")
    emit("certificates of nodes stay valid; `apply` installs this one with the next certificates it issues")


@command.command("sign")
@CLUSTER
@click.argument("node")
@click.argument("request_file", type=click.Path(path_type=Path, dir_okay=False), metavar="REQUEST")
@click.option(
    "--identity",
    "identities",
    multiple=True,
    help="Its identity on an additional network, as its unmanaged-peers/ page says.",
)
@STATE_DIR
def sign(cluster: str, node: str, request_file: Path, identities: tuple[str, ...], state_dir: str | None) -> None:
    """Print a certificate for NODE (an id such as n-0123456789ab) from its REQUEST, for an unmanaged peer.

    Only the public key of the request is used; it must be of the curve P-384.
    """
    for name in (node, *identities):
        if not ID.match(name):
            hint = "REVIEW.md and unmanaged-peers/ have them"
            raise ProblemError(Problem(code="IPP607", message=f"{quoted(name)} is not a node id", hint=hint))
    try:
        asked = request_file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ProblemError(refused(error, request_file, "read", "IPP201")) from None
    authority = ca.open_authority(_folder(state_dir, cluster), cluster)
    emit(authority.sign(asked, node, identities).rstrip())
    emit(authority.pem.rstrip())
