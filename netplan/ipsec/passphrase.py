"""Passphrases: from a file that only we can read, or typed; never an argument, never in the environment."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from netplan.problems import counted, fail

LEAST = 12  # characters
LIMIT = 4096  # bytes that are read

_typed: dict[str, bytes] = {}  # of this process, by variable: nobody is asked twice


def read_passphrase(path: Path, least: int = LEAST) -> bytes:
    """Return the passphrase in a file that is ours and that only we can read. Raises ProblemError.

    ``least``: characters that it must have; others' passwords may be shorter than ours.
    """
    try:
        about = path.stat()
        if about.st_uid not in (os.geteuid(), 0):
            fail("IPP607", f"{path} belongs to another user", hint=f"chown it to the user who runs ipsecplan: {path}")
        if about.st_mode & 0o077:
            fail("IPP607", f"{path} can be read by others", hint=f"chmod 600 {path}")
        with open(path, "rb") as file:  # a pipe as well: `IPSECPLAN_..._FILE=<(pass show ca)`
            found = file.read(LIMIT).strip()
    except OSError as error:
        fail("IPP607", f"{path} can't be read: {error.strerror}")
    if len(found) < least:
        fail("IPP607", f"the passphrase in {path} has less than {counted(least, 'character')}")
    return found


def known(variable: str) -> bytes | None:
    """Return the passphrase from the file that an environment variable names, else what was typed before, else None."""
    named = os.environ.get(variable)
    return read_passphrase(Path(named)) if named else _typed.get(variable)


def asked(variable: str, what: str) -> bytes | None:
    """Return what is :func:`known`, else ask for the passphrase of ``what``; None where there is no terminal."""
    found = known(variable)
    if found is None and sys.stdin.isatty():
        found = _typed[variable] = getpass.getpass(f"Passphrase of {what}: ").encode()
    return found
