"""An inventory as Ansible itself reads it: ``ansible-inventory --list``, and its words where it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from netplan.inputs import yaml_source
from netplan.inputs.ansible_surroundings import private_folder, utf8_locale
from netplan.inputs.ansible_words import of_inventory
from netplan.inputs.inventory_files import refuse_programs
from netplan.inputs.static_inventory import Members
from netplan.problems import Location, Problem, ProblemError, fail, quoted
from netplan.refusals import here

TIMEOUT_S = 600  # of wall time: a program that asks a cloud for its hosts is slow, and so is a busy machine
# Not `auto`: the configuration of an inventory plugin (`plugin: constructed`, `generator`) holds templates, which the
# plugin evaluates while it is read. A program is a program: whoever names it as inventory means to
# run it; below a folder that is named, nothing is run.
READERS_OF_FOLDERS = "ansible.builtin.yaml,ansible.builtin.ini,ansible.builtin.toml"
READERS = f"ansible.builtin.script,{READERS_OF_FOLDERS}"
UNSAFE = "__ansible_unsafe"  # key of the mapping in which ansible-inventory prints such a value
_GOT = re.compile(r"\bgot: (?P<word>[^\s'\"]+)$")


def members(path: Path, pattern: str, name: str, *, programs: bool = True, vault: bytes | None = None) -> Members:
    """Ask Ansible for the hosts that a pattern selects; without ``programs`` no plugin is on that runs any.

    ``vault``: the password of files that are in a vault.
    """
    refuse_programs(path, name)
    answer = run(path, pattern, name, {} if programs else {"ANSIBLE_INVENTORY_ENABLED": READERS_OF_FOLDERS}, vault)
    variables = answer.get("_meta", {}).get("hostvars", {})
    groups = _membership(answer)
    if not groups:
        known = sorted(set(answer.get("all", {}).get("children", ())) - {"ungrouped"})
        hint = f"groups in it: {' '.join(known)}" if known else "the inventory has no groups"
        fail("IPP303", f"no host matches the pattern {quoted(pattern)}", location=Location(name), hint=hint)
    return {host: (variables.get(host, {}), frozenset(around)) for host, around in groups.items()}


def run(
    path: Path,
    pattern: str,
    name: str,
    more: Mapping[str, str] = MappingProxyType({}),
    vault: bytes | None = None,
) -> dict[str, Any]:
    """Return what ``ansible-inventory --list`` prints. Raises ProblemError (IPP302)."""
    program = Path(sys.executable).with_name("ansible-inventory")
    with private_folder("ipsecplan-inventory-") as folder:
        config = folder / "ansible.cfg"  # none of the working directory's: it may name plugins, which are programs
        config.write_text("[defaults]\n", encoding="utf-8")
        own = {**more, "ANSIBLE_LOCAL_TEMP": str(folder), **utf8_locale()}
        own["ANSIBLE_CONFIG"] = os.environ.get("ANSIBLE_CONFIG", str(config))
        with _readable(vault) as pipe:
            done = _ask(program, path, pattern, name, own, pipe)
    if done.returncode != 0:
        raise ProblemError(_unparsed(done.stderr, path, name))
    try:
        loaded: dict[str, Any] = json.loads(done.stdout, object_hook=_plain)
    except ValueError:
        said = of_inventory(done.stderr or done.stdout).text
        fail("IPP302", f"ansible-inventory printed no JSON: {said}", location=Location(name))
    return loaded


def _plain(value: dict[str, Any]) -> Any:
    """Return the text of a value that a plugin made, which Ansible marks so that it is never taken for a template.

    Nor does anything here evaluate one: see netplan/inputs/template_values.py.
    """
    text = value.get(UNSAFE)
    return text if len(value) == 1 and isinstance(text, str) else value


@contextlib.contextmanager
def _readable(secret: bytes | None) -> Iterator[int | None]:
    """Give a pipe that a secret can be read from once, as a number of a file; None for None."""
    if secret is None:
        yield None
        return
    reads, writes = os.pipe()
    try:
        os.write(writes, secret + b"\n")  # fits into what a pipe holds
        os.close(writes)
        yield reads
    finally:
        os.close(reads)


def _ask(
    program: Path, path: Path, pattern: str, name: str, extra: dict[str, str], vault: int | None
) -> subprocess.CompletedProcess[str]:
    env = {
        "ANSIBLE_INVENTORY_ENABLED": READERS_OF_FOLDERS if path.is_dir() else READERS,
        # who wants plugins to run says so there; what goes into a log, or between the lines of JSON, is not wanted
        **{name: value for name, value in os.environ.items() if name != "ANSIBLE_LOG_PATH"},
        "ANSIBLE_DEBUG": "0",
        "ANSIBLE_VERBOSITY": "0",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_DEVEL_WARNING": "0",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
        **extra,
    }
    argv = [str(program), "-i", str(path.resolve()), "--list", "--limit", pattern]
    argv += [] if vault is None else ["--vault-password-file", f"/dev/fd/{vault}"]
    try:
        return subprocess.run(
            argv,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            env=env,
            check=False,
            cwd=None if here() else "/",
            pass_fds=() if vault is None else (vault,),
        )
    except FileNotFoundError:
        fail("IPP302", f"{program} is missing", hint="install ipsecplan with its dependencies")
    except subprocess.TimeoutExpired:
        fail(
            "IPP302",
            f"ansible-inventory gave no answer in {TIMEOUT_S} s",
            location=Location(name),
            hint="`ansible-inventory -i FILE --list` shows what it waits for",
        )


def _unparsed(stderr: str, path: Path, name: str) -> Problem:
    program = path.is_file() and os.access(path, os.X_OK)
    said = of_inventory(stderr, path.suffix, program)
    reason, line, column, text = said.text or "ansible-inventory refused it", said.line, said.column, None
    hint = f"all of Ansible's words: ansible-inventory -i {shlex.quote(name)} --list"
    if "lugin configuration" in stderr:
        reason = "it configures an inventory plugin, which would evaluate templates on this machine"
        hint = "to let it: ANSIBLE_INVENTORY_ENABLED=auto; or write down what `ansible-inventory -i FILE --list` says"
    if "no vault secrets" in stderr:
        reason = "a file of it is in a vault, and there is no password for it"
        hint = "ANSIBLE_VAULT_PASSWORD_FILE names a file that has it; nodes are also reached with --ask-vault-pass"
    file = Path(said.path) if said.path else path
    if file.is_file() and not program:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        if line is None and (got := _GOT.search(said.text)):  # it names the word and not the line
            at = [
                (n, found.start())
                for n, row in enumerate(lines, 1)
                if (found := re.search(rf"(?<!\S){re.escape(got['word'])}(?!\S)", row))
            ]
            line, column = (at[0][0], at[0][1] + 1) if len(at) == 1 else (None, None)
        if line is None and path.suffix in (".yml", ".yaml", ".json"):
            line, column = _first_fault(file)
        text = lines[line - 1] if line and line <= len(lines) else None
        if path.is_dir():
            name = str(Path(name) / file.name)
    if text is None:  # Ansible points behind the end of the file, or nowhere
        line = column = None
    return Problem(
        "IPP302",
        f"Ansible can't read the inventory: {reason}",
        location=Location(name, line, (column or 1) if line else None, source=text),
        hint=hint,
    )


def _first_fault(file: Path) -> tuple[int | None, int | None]:
    """Return where our own reader stops in YAML that Ansible's refuses without saying where."""
    try:
        yaml_source.read(file)
    except ProblemError as error:
        if error.problems[0].code == "IPP202":
            return error.problems[0].location.line, error.problems[0].location.column
    return None, None


def _membership(answer: dict[str, Any]) -> dict[str, set[str]]:
    parents: dict[str, set[str]] = {}
    direct: dict[str, set[str]] = {}
    for group, body in answer.items():
        if group == "_meta" or not isinstance(body, dict):
            continue
        for child in body.get("children", ()):
            parents.setdefault(child, set()).add(group)
        for host in body.get("hosts", ()):
            direct.setdefault(host, set()).add(group)

    def ancestors(group: str) -> set[str]:
        return {group}.union(*(ancestors(p) for p in parents.get(group, ())))

    return {host: set().union(*(ancestors(g) for g in groups)) - {"ungrouped"} for host, groups in direct.items()}
