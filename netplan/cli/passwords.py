"""Options that say where passwords of logins come from: typed, or a file that only we can read; named as Ansible's."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netplan.problems import fail

if TYPE_CHECKING:
    from netplan.rollout.nodes.login_passwords import Given

KEPT = "ipsecplan.passwords"  # in the context of the command: name of an option -> its value
GIVEN = "given"  # there, too: what came of them
BECOME_FILE = "IPSECPLAN_BECOME_PASSWORD_FILE"
VAULT_FILE = "ANSIBLE_VAULT_PASSWORD_FILE"  # Ansible's own setting


def _keep(context: click.Context, option: click.Parameter, value: Any) -> None:
    context.meta.setdefault(KEPT, {})[option.name] = value


def _option(*names: str, **words: Any) -> Any:
    return click.option(*names, expose_value=False, callback=_keep, **words)


PASSWORDS = (
    _option(
        "--ask-become-pass", "-K", "ask_become", is_flag=True, help="Ask for the password of sudo or su on the nodes."
    ),
    _option(
        "--become-password-file",
        "become_file",
        type=click.Path(path_type=Path),
        envvar=BECOME_FILE,
        help=f"Or read it from this file (mode 0600). [env: {BECOME_FILE}]",
    ),
    _option("--ask-vault-pass", "-J", "ask_vault", is_flag=True, help="Ask for the password of the inventory's vault."),
    _option(
        "--vault-password-file",
        "vault_file",
        type=click.Path(path_type=Path),
        help=f"Or read it from this file (mode 0600). [env: {VAULT_FILE}]",
    ),
)


def given() -> Given:
    """Return what the options of the running command give; what is to be typed is asked for once, now.

    Raises ProblemError.
    """
    context = click.get_current_context(silent=True)
    kept: dict[str, Any] = context.meta.setdefault(KEPT, {}) if context else {}
    if GIVEN not in kept:
        kept[GIVEN] = _given(kept)
    found: Given = kept[GIVEN]
    return found


def _given(kept: dict[str, Any]) -> Given:
    from netplan.rollout.nodes.login_passwords import Given

    become_file = kept.get("become_file") or _named(BECOME_FILE)
    return Given(
        become=_password("BECOME password: ", bool(kept.get("ask_become")), become_file, "--become-password-file"),
        vault=_password(
            "Vault password: ", bool(kept.get("ask_vault")), kept.get("vault_file") or _vault(), "--vault-password-file"
        ),
    )


def _named(variable: str) -> Path | None:
    name = os.environ.get(variable)
    return Path(name) if name else None


def _vault() -> Path | None:
    """Return the file that Ansible's setting names; a program, which prints the password, is Ansible's to run."""
    path = _named(VAULT_FILE)
    return path if path is not None and not os.access(path, os.X_OK) else None


def _password(prompt: str, ask: bool, file: Path | None, option: str) -> bytes | None:
    if ask:
        if not sys.stdin.isatty():
            fail("IPP655", "there is no terminal to ask for a password at", hint=f"{option} FILE (chmod 600)")
        return getpass.getpass(prompt).encode("utf-8", "surrogateescape")
    if file is None:
        return None
    from netplan.ipsec.passphrase import read_passphrase

    return read_passphrase(file, 1)
