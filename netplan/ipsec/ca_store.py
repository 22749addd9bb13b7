"""Where the CAs of a cluster lie, which one signs, and how far the change to the next one is.

<state>/clusters/<cluster>/ca/
    authorities.json    which CA signs, which takes over, the phase that each node has reached; written in one step
    <fingerprint>/      one CA, named by its key, so that nothing about one CA is ever taken for another
        ca-key.pem      0600
        ca.pem
        issued/<node>.pem

A folder of a CA gets its name when it is whole. What half a write leaves lies in ``.making`` and is made anew.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import Field

from netplan.files import make_private, read_regular, write_atomic
from netplan.ipsec.stored import Document, NodeId, Phase, Version, parsed
from netplan.problems import ExitCode, Location, fail
from netplan.refusals import refusals

KEY, CERTIFICATE, ISSUED, INDEX, MAKING = "ca-key.pem", "ca.pem", "issued", "authorities.json", ".making"
LIMIT = 16 << 20  # bytes of the index, and of any file of a CA: 16 KiB a node would be much
RESTORE = "restore it from a backup (`ipsecplan ca restore`): a new CA is unknown to every node"

Fingerprint = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


class _Next(Document):
    authority: Fingerprint
    phases: dict[NodeId, Phase]


class _Index(Document):
    schema_: Version = Field(alias="schema")
    current: Fingerprint
    next: _Next | None


@dataclass(slots=True)
class Index:
    """Which CA signs (``current``), which takes over (``following``), and the phase that each node id has reached."""

    current: str
    following: str | None = None
    phases: dict[str, int] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write it, in one step. Raises ProblemError."""
        taking_over = _Next(authority=self.following, phases=self.phases) if self.following else None
        document = _Index(schema=1, current=self.current, next=taking_over)
        put(folder / INDEX, (document.model_dump_json(by_alias=True, indent=1) + "\n").encode(), 0o600)


def read_index(folder: Path) -> Index | None:
    """Return the index of the CAs of a cluster; None where there is none.

    Raises ProblemError (IPP607), which names the file to restore, where a part of the CA that signs is missing.
    """
    path = folder / INDEX
    with refusals(path, "read", "IPP607"):
        try:
            data = read_regular(path, LIMIT)
        except FileNotFoundError:
            return None
    found = parsed(_Index, data, path, "IPP607", "index of the cluster's CAs", RESTORE)
    index = Index(found.current, *((found.next.authority, found.next.phases) if found.next else ()))
    need_whole(folder / index.current)
    return index


def settle(folder: Path) -> Index | None:
    """Return the index as :func:`read_index`, and give one to a CA that has none; None where there is no CA at all.

    A CA is only made where this returns None: no half of one, and nothing ever issued. Raises ProblemError.
    """
    index = read_index(folder) or _without_index(folder)
    if index is not None and (folder / KEY).exists():  # of the layout of before, which is copied by now
        shutil.rmtree(folder / ISSUED, ignore_errors=True)
        for left in (folder / CERTIFICATE, folder / KEY):  # the key last: it says that there is something left
            left.unlink(missing_ok=True)
    return index


def _without_index(folder: Path) -> Index | None:
    authorities = sorted(p for p in _entries(folder) if len(p.name) == 16 and p.is_dir())
    if (folder / KEY).exists() or (folder / CERTIFICATE).exists() or _entries(folder / ISSUED):
        need_whole(folder)
        authorities = [_from_one_folder(folder)]
    if not authorities:
        return None
    for found in authorities:
        need_whole(found)
    if len(authorities) > 1:
        fail("IPP607", "it is missing, and says which CA signs", location=Location(str(folder / INDEX)), hint=RESTORE)
    index = Index(authorities[0].name)
    index.save(folder)
    return index


def _from_one_folder(folder: Path) -> Path:
    """Copy a CA that lies in ``folder`` itself, as before there were several, into a folder of its own."""
    if (folder / "next").exists():
        message = "a change to a new CA was begun by an earlier ipsecplan"
        fail("IPP607", message, location=Location(str(folder / "next")), hint="end it with that one: `rotate ca`")
    certificate = load_certificate(folder)
    files = {KEY: (folder / KEY, 0o600), CERTIFICATE: (folder / CERTIFICATE, 0o644)}
    files |= {f"{ISSUED}/{path.name}": (path, 0o644) for path in _entries(folder / ISSUED)}
    made = folder / fingerprint(certificate.public_key())
    if not made.exists():
        with refusals(folder, "read", "IPP607"):
            make(made, {name: (read_regular(path, LIMIT), mode) for name, (path, mode) in files.items()})
    return made


def need_whole(folder: Path) -> None:
    """Raise ProblemError, which names it, where a half of a CA is missing."""
    for name in (KEY, CERTIFICATE):
        if not (folder / name).is_file():
            fail("IPP607", "this half of the CA is missing", location=Location(str(folder / name)), hint=RESTORE)


def make(folder: Path, files: dict[str, tuple[bytes, int]]) -> None:
    """Make the folder of a CA, whole or not at all. ``files``: name -> content and mode."""
    making = folder.with_name(MAKING)
    with refusals(folder, "written", "IPP607", ExitCode.FAILURE):
        if making.exists():
            shutil.rmtree(making)
        make_private(making / ISSUED)
        for name, (data, mode) in files.items():
            put(making / name, data, mode)
        making.rename(folder)


def put(path: Path, data: bytes, mode: int) -> None:
    """Write a file of the CA. Raises ProblemError, on which apply rolls back, when the disk refuses."""
    with refusals(path, "written", "IPP607", ExitCode.FAILURE):
        make_private(path.parent)
        write_atomic(path, data, mode)


def certificates(folder: Path) -> dict[str, x509.Certificate]:
    """Return the newest certificate of one CA for each node id. Raises ProblemError, which names a damaged file."""
    hint = "restore it; without it (remove it) the node gets another one"
    return {path.stem: _certificate(path, hint) for path in _entries(folder / ISSUED) if path.suffix == ".pem"}


def load_certificate(folder: Path) -> x509.Certificate:
    """Return the certificate of one CA. Raises ProblemError."""
    return _certificate(folder / CERTIFICATE)


def _certificate(path: Path, hint: str = RESTORE) -> x509.Certificate:
    with refusals(path, "read", "IPP607"):
        data = read_regular(path, LIMIT)
    try:
        found = x509.load_pem_x509_certificate(data)
        found.public_key()  # is read when it is asked for, and not before
    except (ValueError, TypeError, UnsupportedAlgorithm):
        fail("IPP607", "no certificate that can be read", location=Location(str(path)), hint=hint)
    return found


def fingerprint(key: object) -> str:
    """Return what names a CA: the first 16 hex digits of the SHA-256 of its public key (SubjectPublicKeyInfo)."""
    if not isinstance(key, ec.EllipticCurvePublicKey):
        fail("IPP607", "the CA's certificate is not for a key of ours (P-384)")
    digest = hashes.Hash(hashes.SHA256())
    digest.update(public_bytes(key))
    return digest.finalize().hex()[:16]


def public_bytes(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a public key as bytes (SubjectPublicKeyInfo, DER), by which two can be compared."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
