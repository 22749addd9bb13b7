"""All credentials of a cluster in one encrypted file, and back: what a control machine that is lost takes with it.

The file is an ansible-vault with a JSON document: path below the cluster's folder -> text of the file. Only the places
that are known here are taken out of it, whatever it names.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Annotated

from pydantic import Field

from netplan.files import read_regular, write_atomic
from netplan.ipsec import ca_store, passphrase, vault
from netplan.ipsec.ca_store import CERTIFICATE, INDEX, ISSUED, KEY
from netplan.ipsec.stored import LIMIT, Document, Version, parsed
from netplan.problems import ExitCode, Location, fail
from netplan.refusals import read_named, refusals

_PLACE = re.compile(
    rf"psk\.json|pubkeys\.json|ca/({re.escape(INDEX)}|[0-9a-f]{{16}}/({re.escape(KEY)}|{re.escape(CERTIFICATE)}"
    rf"|{ISSUED}/n-[0-9a-f]{{12}}\.pem))"
)
RESTORING = ".restoring"


class _Archive(Document):
    schema_: Version = Field(alias="schema")
    cluster: Annotated[str, Field(max_length=200)]
    files: dict[str, str]


def backup(folder: Path, cluster: str, archive: Path, words: bytes) -> int:
    """Write the credentials below a cluster's folder into ``archive`` (0600); returns how many files.

    Raises ProblemError: no credentials, a half of a CA is missing, ``archive`` exists.
    """
    _strong(words)
    if (folder / "ca").is_dir():
        ca_store.settle(folder / "ca")  # half a CA is no backup of one
    files = {}
    for place in sorted(_places(folder)):
        with refusals(folder / place, "read", "IPP607"):
            files[place] = read_regular(folder / place, LIMIT).decode("utf-8")
    if not files:
        fail("IPP607", "this cluster has no credentials yet", location=Location(str(folder)))
    if os.path.lexists(archive):
        fail("IPP210", "it is there already", location=Location(str(archive)), hint="name another file")
    document = _Archive(schema=1, cluster=cluster, files=files)
    data = vault.seal(document.model_dump_json(by_alias=True).encode(), str(archive), words)
    with refusals(archive, "written"):
        write_atomic(archive, data, 0o600)
    return len(files)


def restore(folder: Path, cluster: str, archive: Path, words: bytes) -> int:
    """Put back what :func:`backup` wrote; returns how many files. Again after an interruption, it goes on.

    Raises ProblemError before anything is written: not such a file, one of another cluster, or a file is there that
    differs.
    """
    raw = read_named(archive, 3 * LIMIT)
    if not vault.sealed(raw):
        fail(
            "IPP607", "not an encrypted backup", location=Location(str(archive)), hint="`ipsecplan ca backup` makes one"
        )
    hint = "is it a file of `ipsecplan ca backup`?"
    data = vault.unseal(raw, archive.name, words, "IPP607")
    found = parsed(_Archive, data, archive, "IPP607", "backup of credentials", hint)
    if found.cluster != cluster:
        fail("IPP607", f"it is of another cluster: {found.cluster!r}", location=Location(str(archive)))
    strange = sorted(place for place in found.files if not _PLACE.fullmatch(place))
    if strange:
        fail("IPP607", f"no file of credentials: {strange[0]!r}", location=Location(str(archive)), hint=hint)
    missing = []
    for place, text in found.files.items():
        with refusals(folder / place, "read", "IPP607"):
            try:
                same = read_regular(folder / place, LIMIT) == text.encode()
            except FileNotFoundError:
                missing.append(place)
                continue
        if not same:
            hint = f"move {folder / place.partition('/')[0]} away where the backup is the newer one"
            fail(
                "IPP607", "it is there, and differs from the backup", location=Location(str(folder / place)), hint=hint
            )
    fresh = {place for place in missing if place.startswith("ca/")} if not _any(folder / "ca") else set()
    for place in sorted(fresh):
        _put(folder / RESTORING / place.removeprefix("ca/"), found.files[place])
    if fresh:  # in one step: a part of what nodes know is never taken for all of it
        with refusals(folder / "ca", "written", "IPP607", ExitCode.FAILURE):
            (folder / RESTORING).rename(folder / "ca")
    for place in sorted(set(missing) - fresh, key=lambda place: (place.endswith(INDEX), place)):
        _put(folder / place, found.files[place])
    return len(found.files)


def _any(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _put(path: Path, text: str) -> None:
    public = path.name == CERTIFICATE or path.parent.name == ISSUED
    ca_store.put(path, text.encode(), 0o644 if public else 0o600)


def _places(folder: Path) -> list[str]:
    """Return what of a cluster's folder is a credential, as paths below it; never what a symbolic link leads to."""
    found = []
    for at, folders, names in os.walk(folder):
        here = Path(at).relative_to(folder)
        folders[:] = [name for name in folders if not (Path(at) / name).is_symlink()]
        for name in names:
            if _PLACE.fullmatch(str(here / name)) and stat.S_ISREG((Path(at) / name).lstat().st_mode):
                found.append(str(here / name))
    return found


def _strong(words: bytes) -> None:
    if len(words) < passphrase.LEAST:
        fail("IPP607", f"a passphrase has at least {passphrase.LEAST} characters")
