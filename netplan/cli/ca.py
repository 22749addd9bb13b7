"""``ipsecplan ca``: make, show, encrypt, certify and back up the cluster's CA, and sign for unmanaged peers."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import click

from netplan.cli.options import CLUSTER, JSON, cluster_state
from netplan.cli.output import as_json, emit, emit_json
from netplan.ipsec import ca, ca_store, credentials_backup
from netplan.ipsec.ca_rollover import under_way
from netplan.ipsec.far_end.issued import issue as issue_file
from netplan.ipsec.passphrase import read_passphrase
from netplan.model.ids import ID
from netplan.problems import Location, Problem, ProblemError, counted, printable, quoted
from netplan.refusals import read_named
from netplan.rollout.record.journal import ClusterState

PASSPHRASE = click.option(
    "--passphrase-file", type=click.Path(path_type=Path, dir_okay=False), help="File (0600) with it; else asked."
)
STATE_DIR = click.option("--state-dir", envvar="IPSECPLAN_STATE", help="State directory. [env: IPSECPLAN_STATE]")


@click.group(
    "ca",
    epilog="\b\nExamples:\n  ipsecplan ca show prod-eu1\n  ipsecplan ca request prod-eu1 > ca.csr\n"
    "  ipsecplan ca install prod-eu1 ca.crt\n  ipsecplan ca encrypt prod-eu1 --passphrase-file pass\n"
    "  ipsecplan ca backup prod-eu1 prod-eu1.vault --passphrase-file pass",
)
def command() -> None:
    """Manage the certificate authority of a cluster. Its key stays on this machine, keys of nodes on the nodes.

    The first `apply` creates it, or `ca init`. An encrypted key's passphrase is read from the file that
    IPSECPLAN_CA_PASSPHRASE_FILE names, or asked for.
    """


def _locked(state_dir: str | None, cluster: str, verb: str) -> ClusterState:
    """Return the cluster's state, which ``with`` locks: a rollout may sign at this moment."""
    return cluster_state(state_dir, cluster, f"ca {verb}")


def _need(state: ClusterState) -> None:
    """Raise ProblemError where the cluster has no CA: none is made but by `ca init` and `apply`."""
    if ca_store.settle(state.ca) is None:
        hint = f"`ipsecplan ca init {state.folder.name}`, or the first `apply`, makes it"
        raise ProblemError(Problem("IPP607", "this cluster has no CA yet", location=Location(str(state.ca)), hint=hint))


@command.command("init")
@CLUSTER
@STATE_DIR
def init(cluster: str, state_dir: str | None) -> None:
    """Make the CA of CLUSTER before its first `apply`, so that `ca sign` can serve unmanaged peers. Prints it (PEM).

    Where there is one already, it stays.
    """
    with _locked(state_dir, cluster, "init") as state:
        emit(ca.open_authority(state.ca, cluster).pem.rstrip())


@command.command("show")
@CLUSTER
@STATE_DIR
@JSON
def show(cluster: str, state_dir: str | None, json_: bool) -> None:
    """Show CLUSTER's CA and every certificate that it issued, with the days left."""
    with as_json(json_):
        folder = cluster_state(state_dir, cluster).ca
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
        "subject": printable(certificate.subject.rfc4514_string()),
        "issuer": "itself" if own else printable(certificate.issuer.rfc4514_string()),
        "expires": f"{certificate.not_valid_after_utc:%Y-%m-%d}",
        "days_left": (certificate.not_valid_after_utc - now).days,
        "key_encrypted": ca.encrypted(folder),
        "certificates": leaves,
    }
    if json_:
        emit_json(about)
        return
    emit(f"{about['subject']}, certified by {about['issuer']}")
    emit(f"expires {about['expires']} ({counted(cast(int, about['days_left']), 'day')} left)")
    emit("key encrypted at rest" if about["key_encrypted"] else "key NOT encrypted at rest: `ipsecplan ca encrypt`")
    for leaf in leaves:
        word = "RENEW NOW" if leaf["due"] else f"renew from {leaf['renew_from']}"
        emit(
            f"  {leaf['node']}  expires {leaf['expires']} ({counted(cast(int, leaf['days_left']), 'day')} left), {word}"
        )


@command.command("encrypt")
@CLUSTER
@PASSPHRASE
@STATE_DIR
def encrypt(cluster: str, passphrase_file: Path | None, state_dir: str | None) -> None:
    """Encrypt the key of CLUSTER's CA, or give it another passphrase."""
    with _locked(state_dir, cluster, "encrypt") as state:
        _need(state)
        found = under_way(state.ca)
        authorities = [found.old, found.new] if found else [ca.open_authority(state.ca, cluster)]
        words = _new_passphrase(passphrase_file)
        for authority in authorities:
            ca.encrypt(authority, words)
    emit(f"encrypted; from now on `apply` asks for it, or reads the file that {ca.PASSPHRASE_FILE} names")


@command.command("request")
@CLUSTER
@STATE_DIR
def request(cluster: str, state_dir: str | None) -> None:
    """Print a certificate request for CLUSTER's CA, for your organisation's CA to sign as a subordinate CA."""
    with _locked(state_dir, cluster, "request") as state:
        _need(state)
        emit(ca.request(ca.open_authority(state.ca, cluster)).rstrip())


@command.command("install")
@CLUSTER
@click.argument("certificate", type=click.Path(path_type=Path, dir_okay=False))
@STATE_DIR
def install(cluster: str, certificate: Path, state_dir: str | None) -> None:
    """Install the CERTIFICATE (PEM) that your organisation's CA issued for the request."""
    pem = read_named(certificate, ca_store.LIMIT)
    with _locked(state_dir, cluster, "install") as state:
        _need(state)
        found = ca.install(ca.open_authority(state.ca, cluster), pem)
    issuer = printable(found.issuer.rfc4514_string())
    emit(f"installed: certified by {issuer}, until {found.not_valid_after_utc:%Y-%m-%d}")
    emit("certificates of nodes stay valid; `apply` installs this one with the next certificates it issues")


def _identities(function: Any) -> Any:
    return click.option(
        "--identity",
        "identities",
        multiple=True,
        help="Its identity on an additional network, as its unmanaged-peers/ page says.",
    )(function)


def _need_ids(names: Iterable[str]) -> None:
    for name in names:
        if not ID.match(name):
            hint = "REVIEW.md and unmanaged-peers/ have them"
            raise ProblemError(Problem(code="IPP607", message=f"{quoted(name)} is not a node id", hint=hint))


@command.command("sign")
@CLUSTER
@click.argument("node")
@click.argument("request_file", type=click.Path(path_type=Path, dir_okay=False), metavar="REQUEST")
@_identities
@STATE_DIR
def sign(cluster: str, node: str, request_file: Path, identities: tuple[str, ...], state_dir: str | None) -> None:
    """Print a certificate for NODE (an id such as n-0123456789ab) from its REQUEST, for an unmanaged peer.

    Only the public key of the request is used; it must be of the curve P-384.
    """
    _need_ids((node, *identities))
    asked = read_named(request_file, ca.MAX_REQUEST).decode("utf-8", "replace")
    with _locked(state_dir, cluster, "sign") as state:
        _need(state)
        found = under_way(state.ca)
        authority, _ = found.signer() if found else (ca.open_authority(state.ca, cluster), 0)
        emit(authority.sign(asked, node, identities).rstrip())
    for pem in found.trusted if found else [authority.pem]:
        emit(pem.rstrip())


@command.command("issue")
@CLUSTER
@click.argument("node")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_identities
@click.option("--renew", is_flag=True, help="Although it has a certificate that is good.")
@PASSPHRASE
@STATE_DIR
def issue(
    cluster: str,
    node: str,
    file: Path,
    identities: tuple[str, ...],
    renew: bool,
    passphrase_file: Path | None,
    state_dir: str | None,
) -> None:
    """Make a key and a certificate for NODE (an id), an unmanaged peer that can't make a request: FILE (PKCS#12).

    FILE is encrypted with the passphrase, and has the CA in it. The key is nowhere else. Works before the first
    `apply`, after `ca init`.
    """
    _need_ids((node, *identities))
    words = _new_passphrase(passphrase_file)
    with _locked(state_dir, cluster, "issue") as state:
        _need(state)
        good = ca.issued(state.ca).get(node)
        if good is not None and not renew and datetime.datetime.now(datetime.UTC) < ca.renewal(good):
            message = f"{node} has a certificate that is good until {good.not_valid_after_utc:%Y-%m-%d}"
            hint = "--renew makes another key and certificate; the old one stays valid beside it"
            raise ProblemError(Problem(code="IPP607", message=message, hint=hint))
        found = under_way(state.ca)
        authority, _ = found.signer() if found else (ca.open_authority(state.ca, cluster), 0)
        trusted = found.trusted if found else [authority.pem]
        made = issue_file(authority, node, identities, trusted, file, words)
    emit(f"{file}: key and certificate of {node}, until {made.not_valid_after_utc:%Y-%m-%d}, with the CA; encrypted")
    emit(f"libreswan takes it with `ipsec import {file.name}` as {node}; hand the passphrase over on another way")


@command.command("backup")
@CLUSTER
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))
@PASSPHRASE
@STATE_DIR
def backup(cluster: str, archive: Path, passphrase_file: Path | None, state_dir: str | None) -> None:
    """Write the CAs, the pre-shared keys and the public keys of CLUSTER into ARCHIVE, encrypted (an ansible-vault).

    Make one after each `rotate`, and whenever a node joins with pre-shared keys.
    """
    words = _new_passphrase(passphrase_file)
    with _locked(state_dir, cluster, "backup") as state:
        files = credentials_backup.backup(state.folder, cluster, archive, words)
    emit(f"{archive}: {counted(files, 'file')}, encrypted; `ipsecplan ca restore {cluster} {archive}` puts them back")


@command.command("restore")
@CLUSTER
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False))
@PASSPHRASE
@STATE_DIR
def restore(cluster: str, archive: Path, passphrase_file: Path | None, state_dir: str | None) -> None:
    """Put back what `ca backup` wrote into ARCHIVE. Nothing that is there and differs is replaced."""
    words = read_passphrase(passphrase_file) if passphrase_file else _asked(f"Passphrase of {archive.name}")
    with _locked(state_dir, cluster, "restore") as state:
        files = credentials_backup.restore(state.folder, cluster, archive, words)
    emit(f"{counted(files, 'file')} restored; `ipsecplan status` shows whether the nodes have these credentials")


def _new_passphrase(file: Path | None) -> bytes:
    if file is not None:
        return read_passphrase(file)
    return _asked("New passphrase", twice=True)


def _asked(question: str, *, twice: bool = False) -> bytes:
    """Ask for a passphrase. Raises UsageError where there is no terminal to ask on."""
    if not sys.stdin.isatty():
        raise click.UsageError("give --passphrase-file where there is no terminal to ask on")
    return str(click.prompt(question, hide_input=True, confirmation_prompt=twice)).encode()
