"""Pre-shared keys at rest in Ansible's vault format, by Ansible's own library.

The password comes from the file that ``IPSECPLAN_VAULT_PASSWORD_FILE`` names, or is asked for at the terminal; it is
never an argument, and never in the environment itself.
"""

from __future__ import annotations

from typing import Any

from netplan.ipsec.passphrase import asked
from netplan.problems import fail

PASSWORD_FILE = "IPSECPLAN_VAULT_PASSWORD_FILE"  # noqa: S105 - the name of a variable
_HEADER = b"$ANSIBLE_VAULT;"


def sealed(data: bytes) -> bool:
    """Tell whether these are the bytes of a vault."""
    return data.startswith(_HEADER)


def unseal(data: bytes, shown: str, password: bytes | None = None, code: str = "IPP670") -> bytes:
    """Return what is in a vault; ``shown`` names it in messages. Raises ProblemError for a wrong password.

    ``password``: of this vault, where it isn't that of the cluster's keys.
    """
    from ansible.errors import AnsibleError

    try:
        return bytes(_library(shown, password).decrypt(data))
    except (AnsibleError, ValueError, TypeError):  # also of a damaged one
        fail(code, f"{shown} can't be opened: it is damaged, or the password is another one")


def seal(data: bytes, shown: str, password: bytes | None = None) -> bytes:
    """Return these bytes as a vault."""
    return bytes(_library(shown, password).encrypt(data))


def _library(shown: str, password: bytes | None) -> Any:
    from ansible.parsing.vault import VaultLib, VaultSecret  # 0.3 s: only who has a vault pays for it

    return VaultLib([("default", VaultSecret(password or _password(shown)))])


def _password(shown: str) -> bytes:
    found = asked(PASSWORD_FILE, shown)
    if found is None:
        fail("IPP670", f"{shown} needs a password", hint=f"{PASSWORD_FILE} names a file that holds it, chmod 600")
    return found
