"""Hosts and their variables from any Ansible inventory, never templated by Ansible.

What is plain data ``static_inventory`` reads, all else Ansible itself: ``ansible-inventory --list`` prints variables as
they are written. What only refers to other variables is resolved (``template_values``); a value such as
``{{ lookup('pipe', ...) }}`` stays text here and is refused where we would use it.
Inventory plugins would evaluate templates of their own: they are off. Positions are looked up afterwards in the
inventory's own files.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netplan.files import parse_json, read_regular
from netplan.inputs import ansible_inventory, static_inventory, template_values, their_variables, yaml_source
from netplan.inputs.inventory_files import files, refuse_any_program, shown_as
from netplan.inputs.path_kinds import wanted
from netplan.inputs.variable_names import VARIABLES
from netplan.inputs.yaml_source import Key, Source
from netplan.problems import Location, Problem, ProblemError, fail, quoted
from netplan.refusals import refusals

LONGEST_PATTERN = 4096  # characters
MAX_FACTS = 64 << 20  # bytes
_ALWAYS = ("strongswan_version", "strongswan_algorithms")  # of a host in a file of facts
_SINCE = ("kernel_iptfs", "kernel_per_cpu_sas")  # which files of earlier versions lack


@dataclass(frozen=True, slots=True)
class Host:
    """One host: its inventory name, its variables and the groups that hold it.

    Variables are as they are written, but for those that we read: there, references to other variables are resolved.
    ``collected``: names of the variables that are not the inventory's but what `ipsecplan facts` found. ``unresolved``:
    name -> why its template needs Ansible. ``mapped``: our name -> theirs, from ``host_vars`` of the plan. ``rivals``:
    (their name, value) of what else may be the host's address where it is taken from ``ansible_host``.
    """

    name: str
    variables: dict[str, Any]
    groups: frozenset[str]
    collected: frozenset[str] = frozenset()
    unresolved: Mapping[str, str] = field(default_factory=dict)
    mapped: Mapping[str, str] = field(default_factory=dict)
    rivals: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over what a plan reads of the inventory about this host: variables of ours, and groups.

        What was collected is left out: collecting it for the next plan makes no bundle wrong.
        """
        names = set(VARIABLES) - self.collected
        if "underlay_address" not in self.variables:
            names.add("ansible_host")
        ours = {name: self.variables[name] for name in sorted(names & self.variables.keys())}
        return _digest([self.name, ours, sorted(self.groups)])


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True)
class Inventory:
    """The hosts that a pattern selects, in name order. ``path`` is where Ansible reads it, ``shown`` how we name it."""

    path: Path
    shown: str
    pattern: str
    hosts: tuple[Host, ...]

    @functools.cached_property
    def digests(self) -> dict[str, str]:
        """Host name -> SHA-256 over what a plan reads of the inventory about it."""
        return {host.name: host.digest for host in self.hosts}

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over what a plan reads of the inventory."""
        return _digest(self.digests)

    @functools.cached_property
    def _sources(self) -> list[tuple[Source, dict[Key, Key]]]:
        """The files of YAML and JSON; in each, what a key path ends with -> the first path that ends so."""
        found = []
        for source in _yaml_sources(self.path, self.shown):
            ends: dict[Key, Key] = {}
            for at in source.keys:
                for length in (2, 3):
                    if at[-length : -length + 1] == ("hosts",):
                        ends.setdefault(at[-length:], at)
            found.append((source, ends))
        return found

    @functools.cached_property
    def _lines(self) -> dict[str, tuple[str, int, str]]:
        """Host -> the line of INI that begins with its name: how messages name the file, number from 1, text."""
        return dict(reversed(list(_host_lines(self.path, self.shown))))

    @functools.cached_property
    def _mapped(self) -> dict[str, Mapping[str, str]]:
        return {host.name: host.mapped for host in self.hosts if host.mapped}

    def problem(
        self, code: str, message: str, host: str | None = None, variable: str | None = None, hint: str | None = None
    ) -> Problem:
        """Return a Problem at the variable of the host where it is written, else at the host, else at the file."""
        if host in self._mapped and variable is not None:
            variable = self._mapped[host].get(variable, variable).partition(".")[0]
        for found, ends in self._sources:
            for tail in [("hosts", host, variable), ("hosts", host)] if host else []:
                if (at := ends.get(tail)) is not None:  # type: ignore[arg-type]
                    where = found.place(at, on="value" if len(tail) == 3 else "key")
                    return Problem(code, message, location=where, hint=hint)
            if host and variable and Path(found.path).stem == host and (variable,) in found.keys:
                return found.problem(code, message, (variable,), hint=hint)
        if host not in self._lines:
            return Problem(code, message, location=Location(self.shown), hint=hint)
        file, number, text = self._lines[host]
        setting = re.search(rf"\b{re.escape(variable)}=(\S*)", text) if variable else None
        column = setting.start(1) + 1 if setting else text.index(host) + 1
        width = len(setting[1]) if setting else len(host)
        return Problem(code, message, location=Location(file, number, column, max(1, width), text), hint=hint)


def read(
    path: Path,
    pattern: str = "all",
    shown: str | None = None,
    *,
    programs: bool = True,
    host_vars: Mapping[str, str] | None = None,
    vault: bytes | None = None,
) -> Inventory:
    """Read an inventory file or directory. Raises ProblemError when Ansible can't parse it or the pattern is empty.

    ``host_vars``: our variable -> theirs, as a plan has it. ``vault``: the password of files that are in a vault.

    Without ``programs``, one that is a program or has one in it is refused, and no plugin that runs any is on.
    """
    name = shown or str(path)
    with refusals(name, "read", "IPP301"):
        if not path.exists():
            fail("IPP301", "no such inventory", location=Location(name))
        if not path.is_dir() and not path.is_file():
            fail("IPP301", "neither a file nor a directory", location=Location(name), hint="write it into a file")
        if not os.access(path, os.R_OK) and not os.access(path, os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    wanted("inventory", path, name)
    # an option; the name of a file to read; what can't be an argument of a process
    strange = pattern.startswith(("-", "@")) or not pattern.strip() or not pattern.isprintable()
    if strange or len(pattern) > LONGEST_PATTERN:
        fail("IPP303", f"not a host pattern: {quoted(pattern)}", location=Location(name))
    if not programs:
        refuse_any_program(path, name)
    members = static_inventory.read(path, pattern) or ansible_inventory.members(
        path, pattern, name, programs=programs, vault=vault
    )
    seen = _seen(path, name)
    others = {host: own for host, (own, _) in members.items()}
    hosts = (
        _host(host, own, seen.get(host, {}), groups, host_vars or {}, others)
        for host, (own, groups) in sorted(members.items())
    )
    return Inventory(path, name, pattern, tuple(hosts))


def _host(
    name: str,
    own: dict[str, Any],
    seen: dict[str, Any],
    groups: frozenset[str],
    host_vars: Mapping[str, str],
    others: Mapping[str, dict[str, Any]],
) -> Host:
    """Return a host; its own variables override collected facts, and ours those that ``host_vars`` names."""
    found = {**seen, **own}
    mapped = {}
    for ours, theirs in host_vars.items():
        value = their_variables.at(own, theirs) if ours not in own else None
        if value is not None:
            found[ours], mapped[ours] = value, theirs
    unresolved = {}
    for variable, value in found.items():
        if _ours(variable) and template_values.templated(value):
            try:
                found[variable] = template_values.resolve(value, own, name, others)
            except template_values.NeedsCode as error:
                unresolved[variable] = str(error)
    rivals = _rivals(name, own, others) if "underlay_address" not in found and "ansible_host" in found else ()
    return Host(name, found, groups, frozenset(seen.keys() - own.keys() - mapped.keys()), unresolved, mapped, rivals)


def _ours(variable: object) -> bool:
    """Tell whether we read a variable: a plan does, or a rollout to reach the host. Passwords are nothing for us."""
    return variable in VARIABLES or (
        isinstance(variable, str) and variable.startswith("ansible_") and "pass" not in variable
    )


def _rivals(name: str, own: dict[str, Any], others: Mapping[str, dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    found = []
    for theirs in their_variables.MEANINGS["underlay_address"]:
        value = their_variables.at(own, theirs)
        if template_values.templated(value):
            try:
                value = template_values.resolve(value, own, name, others)
            except template_values.NeedsCode:
                continue
        if isinstance(value, str):
            found.append((theirs, value))
    return tuple(found)


def facts_file(path: Path) -> Path:
    """Return where `ipsecplan facts` writes what the hosts of an inventory can do: beside it."""
    path = path if path.name not in ("", "..") else path.resolve()
    return path.with_name((path.name or "root") + ".facts.json")


def _seen(path: Path, shown: str) -> dict[str, dict[str, Any]]:
    """Return host -> the variables that `ipsecplan facts` found, nothing where it never looked."""
    file = facts_file(path)
    try:
        document = parse_json(read_regular(file, MAX_FACTS, follow=True))
        if document["schema"] != 1:
            raise ValueError
        return {
            str(host): {key: found[key] for key in _ALWAYS} | {key: found[key] for key in _SINCE if key in found}
            for host, found in document["hosts"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        where = str(Path(shown).with_name(file.name))
        fail(
            "IPP310",
            "this is no file of `ipsecplan facts`",
            location=Location(where),
            hint="remove it, or let `ipsecplan facts` write it again",
        )


def _yaml_sources(path: Path, shown: str) -> Iterator[Source]:
    for found in files(path):
        if found.suffix in (".yml", ".yaml", ".json"):
            try:
                yield yaml_source.read(found, shown_as(found, path, shown), yaml_source.INVENTORY)
            except ProblemError:  # Ansible accepts more YAML than we do (tags, anchors): then without positions
                continue


def _host_lines(path: Path, shown: str) -> Iterator[tuple[str, tuple[str, int, str]]]:
    """Generate the first word of each line of the files of INI, with where it stands."""
    for found in files(path):
        if found.suffix in (".yml", ".yaml", ".json") or os.access(found, os.X_OK):
            continue
        try:
            rows = found.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        name = shown_as(found, path, shown)
        for number, text in enumerate(rows, 1):
            if words := text.split(maxsplit=1):
                yield words[0], (name, number, text)
