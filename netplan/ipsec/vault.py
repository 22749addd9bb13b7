"""Pre-shared keys at rest in Ansible's vault format, by Ansible's own library.

The password comes from the file that ``IPSECPLAN_VAULT_PASSWORD_FILE`` names, or is asked for at the terminal; it is
never an argument, and never in the environment itself.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import Any

from netplan.ipsec.ca import read_passphrase
from netplan.problems import fail

PASSWORD_FILE = "IPSECPLAN_VAULT_PASSWORD_FILE"  # noqa: S105 - the name of a variable
_HEADER = b"$ANSIBLE_VAULT;"


def sealed(data: bytes) -> bool:
    """Tell whether these are the bytes of a vault."""
    return data.startswith(_HEADER)


def unseal(data: bytes, shown: str) -> bytes:
    """Return what is in a vault; ``shown`` names it in messages. Raises ProblemError for a wrong password."""
    from ansible.errors import AnsibleError

    try:
        return bytes(_library(shown).decrypt(data))
    except AnsibleError:
        fail("IPP670", f"{shown} can't be opened with this password")


def seal(data: bytes, shown: str) -> bytes:
    """Return these bytes as a vault."""
    return bytes(_library(shown).encrypt(data))


def _library(shown: str) -> Any:
    from ansible.parsing.vault import VaultLib, VaultSecret  # 0.3 s: only who has a vault pays for it

    return VaultLib([("default", VaultSecret(_password(shown)))])


_asked: list[bytes] = []  # of this process: nobody is asked twice


def _password(shown: str) -> bytes:
    path = os.environ.get(PASSWORD_FILE)
    if path:
        return read_passphrase(Path(path))
    if not _asked:
        if not sys.stdin.isatty():
            fail("IPP670", f"{shown} needs a password", hint=f"{PASSWORD_FILE} names a file that holds it, chmod 600")
        _asked.append(getpass.getpass(f"Password of {shown}: ").encode())
    return _asked[0]
