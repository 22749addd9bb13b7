"""The passwords with which logins become root: one given for all, or a host's own out of a vault; in memory alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from netplan.files import read_regular
from netplan.inputs import template_values
from netplan.inputs.inventory import Inventory
from netplan.inputs.inventory_files import files
from netplan.ipsec.vault import unseal
from netplan.problems import Problem, ProblemError, quoted
from netplan.rollout.nodes.targets import DOAS, Target, becomes_root

NAMES = ("ansible_become_password", "ansible_become_pass")
VAULTED = "__ansible_vault"  # what ansible-inventory prints of a vaulted variable, with the vault's text
MOST_BYTES = 1024  # of a password
MAX_FILE = 16 << 20  # bytes of a file of the inventory
_NEED_VAULT = "give its password: --ask-vault-pass, or --vault-password-file FILE"
_IN_PLAIN = "`ansible-vault encrypt_string`, or leave it out and give it with --ask-become-pass (-K)"


@dataclass(frozen=True, slots=True)
class Given:
    """What was typed or read from a file: the password of every login that has none of its own, and the vault's."""

    become: bytes | None = field(default=None, repr=False)
    vault: bytes | None = field(default=None, repr=False)


class _Refused(Exception):
    """Why a password can't be used: code, message, hint."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self._code, self._message, self._hint = code, message, hint

    def at(self, inventory: Inventory, host: str, variable: str | None) -> Problem:
        """Return it as a Problem where it is written, without the line, which may have the password in it."""
        found = inventory.problem(self._code, self._message, host, variable, self._hint)
        return replace(found, location=replace(found.location, source=None))


def login_passwords(targets: Iterable[Target], inventory: Inventory, given: Given) -> dict[str, bytes]:
    """Return node id -> password of each login that becomes root by one. Raises ProblemError.

    A host's own variable counts more than what is given for all, as in Ansible.
    """
    hosts: dict[str, Mapping[str, Any]] = {host.name: host.variables for host in inventory.hosts}
    found: dict[str, bytes] = {}
    problems: list[Problem] = []
    for target in targets:
        own = hosts.get(target.name, {})
        if not becomes_root(target.connection):
            continue
        name = next((name for name in NAMES if own.get(name) is not None), None)
        try:
            password = _own(own[name], name, target.name, hosts, inventory, given) if name else given.become
            if password is None:
                continue
            if target.connection.get("ansible_become_method") == DOAS:
                hint = "let it in without one (`permit nopass`), or use sudo or su"
                raise _Refused("IPP655", f"doas takes no password without a terminal: {quoted(target.name)}", hint)
            found[target.id] = _checked(password, target.name)
        except _Refused as error:
            problems.append(error.at(inventory, target.name, name))
    if problems:
        raise ProblemError(problems)
    return found


def _own(
    value: object,
    name: str,
    host: str,
    hosts: Mapping[str, Mapping[str, Any]],
    inventory: Inventory,
    given: Given,
) -> bytes:
    """Return the password that a host's variable has, refers to, or holds in a vault. Raises _Refused."""
    whose = f"{name} of {quoted(host)}"
    if template_values.templated(value):
        try:
            value = template_values.resolve(value, hosts[host], host, hosts)
        except template_values.NeedsCode as error:
            why = f": {error}" if str(error) else ""
            raise _Refused("IPP307", f"{whose} is a template that needs code{why}", _IN_PLAIN) from None
    if isinstance(value, dict) and isinstance(value.get(VAULTED), str):
        if given.vault is None:
            raise _Refused("IPP655", f"{whose} is in a vault", _NEED_VAULT)
        try:
            return unseal(value[VAULTED].encode(), whose, given.vault, "IPP655")
        except ProblemError as error:
            raise _Refused("IPP655", error.problems[0].message, _NEED_VAULT) from None
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise _Refused("IPP652", f"{whose} is no simple value")
    password = str(value).encode()
    where = _in_plain(password, inventory.path)
    if where is not None:
        raise _Refused("IPP652", f"{whose} is written in {where.name} for everyone who can read it", _IN_PLAIN)
    return password


def _in_plain(password: bytes, inventory: Path) -> Path | None:
    """Return the file of the inventory that has a password as it is."""
    for path in files(inventory) if password else ():
        try:
            if password in read_regular(path, MAX_FILE, follow=True):
                return path
        except OSError:
            continue
    return None


def _checked(password: bytes, host: str) -> bytes:
    """Return a password without the end of its line. Raises _Refused for one that no prompt takes."""
    line = password.rstrip(b"\r\n")
    if not line or len(line) > MOST_BYTES or b"\n" in line or b"\0" in line:
        raise _Refused("IPP655", f"the password for {quoted(host)} is empty, too long or more than a line")
    return line
