"""Hosts and their variables from any Ansible inventory, never templated.

What is plain data ``static_inventory`` reads, all else Ansible itself: ``ansible-inventory --list`` prints variables as
they are written. A value such as ``{{ lookup('pipe', ...) }}`` stays text here and is refused where we would use it.
Inventory plugins would evaluate templates of their own: they are off. Positions are looked up afterwards in the
inventory's own files.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import itertools
import json
import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from netplan.files import parse_json, read_regular
from netplan.inputs import static_inventory, yaml_source
from netplan.inputs.ansible_surroundings import private_folder, utf8_locale
from netplan.inputs.ansible_words import of_inventory
from netplan.inputs.path_kinds import wanted
from netplan.inputs.static_inventory import Members
from netplan.inputs.variable_names import VARIABLES
from netplan.inputs.yaml_source import Key, Source
from netplan.problems import Location, Problem, ProblemError, fail, quoted
from netplan.refusals import here, refusals

TIMEOUT_S = 600  # of wall time: a program that asks a cloud for its hosts is slow, and so is a busy machine
# Not `auto`: the configuration of an inventory plugin (`plugin: constructed`, `generator`) holds templates, which the
# plugin evaluates while it is read. A program is a program: whoever names it as inventory means to
# run it; below a folder that is named, nothing is run.
READERS_OF_FOLDERS = "ansible.builtin.yaml,ansible.builtin.ini,ansible.builtin.toml"
READERS = f"ansible.builtin.script,{READERS_OF_FOLDERS}"
LONGEST_PATTERN = 4096  # characters
MAX_FILES = 20_000  # below a folder that is named as inventory
MAX_FACTS = 64 << 20  # bytes
_GOT = re.compile(r"\bgot: (?P<word>[^\s'\"]+)$")


@dataclass(frozen=True, slots=True)
class Host:
    """One host: its inventory name, its variables (raw, untemplated) and the groups that hold it.

    ``collected``: names of the variables that are not the inventory's but what `ipsecplan facts` found.
    """

    name: str
    variables: dict[str, Any]
    groups: frozenset[str]
    collected: frozenset[str] = frozenset()

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

    def problem(
        self, code: str, message: str, host: str | None = None, variable: str | None = None, hint: str | None = None
    ) -> Problem:
        """Return a Problem at the variable of the host where it is written, else at the host, else at the file."""
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


def read(path: Path, pattern: str = "all", shown: str | None = None, *, programs: bool = True) -> Inventory:
    """Read an inventory file or directory. Raises ProblemError when Ansible can't parse it or the pattern is empty.

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
    refuse_programs(path, name)
    if not programs:
        _refuse_any_program(path, name)
    members = static_inventory.read(path, pattern) or _members(path, pattern, name, programs=programs)
    seen = _seen(path, name)
    hosts = (_host(host, own, seen.get(host, {}), groups) for host, (own, groups) in sorted(members.items()))
    return Inventory(path, name, pattern, tuple(hosts))


def _members(path: Path, pattern: str, name: str, *, programs: bool = True) -> Members:
    """Ask Ansible for the hosts that a pattern selects; without ``programs`` no plugin is on that runs any."""
    answer = _run(path, pattern, name, {} if programs else {"ANSIBLE_INVENTORY_ENABLED": READERS_OF_FOLDERS})
    variables = answer.get("_meta", {}).get("hostvars", {})
    groups = _membership(answer)
    if not groups:
        known = sorted(set(answer.get("all", {}).get("children", ())) - {"ungrouped"})
        hint = f"groups in it: {' '.join(known)}" if known else "the inventory has no groups"
        fail("IPP303", f"no host matches the pattern {quoted(pattern)}", location=Location(name), hint=hint)
    return {host: (variables.get(host, {}), frozenset(around)) for host, around in groups.items()}


def refuse_programs(path: Path, shown: str) -> None:
    """Raise ProblemError for a program below a folder that is named as inventory: no reader would run it.

    Also for a pipe or a device where Ansible looks for files.
    """
    for found in _everything(path):
        if not found.is_file() and not found.is_dir():  # Ansible would wait for it
            fail("IPP302", "neither a file nor a directory", location=Location(_shown(found, path, shown)))
    if not path.is_dir() or "ANSIBLE_INVENTORY_ENABLED" in os.environ:
        return
    for found in _files(path):
        if os.access(found, os.X_OK) and _head(found).startswith((b"#!", b"\x7fELF")):
            where = _shown(found, path, shown)
            hint = f"name it itself to run it, `inventory: {where}`; or chmod -x, or write down what it prints"
            fail("IPP302", "a program in an inventory directory is not run", location=Location(where), hint=hint)


def _head(path: Path) -> bytes:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(4)
    return b""


def _host(name: str, own: dict[str, Any], seen: dict[str, Any], groups: frozenset[str]) -> Host:
    """Return a host; its own variables override collected facts."""
    return Host(name, {**seen, **own}, groups, frozenset(seen.keys() - own.keys()))


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
            str(host): {key: found[key] for key in ("strongswan_version", "strongswan_algorithms")}
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


def _refuse_any_program(path: Path, name: str) -> None:
    """Raise ProblemError for an inventory that holds more than plain files which nobody may execute."""
    hint = f"if you know what it does: --inventory {shlex.quote(name)}"
    with refusals(name, "read", "IPP301"):
        for found in [path, *(sorted(path.rglob("*")) if path.is_dir() else ())]:
            mode = found.stat().st_mode
            if not stat.S_ISDIR(mode) and (not stat.S_ISREG(mode) or mode & 0o111):
                said = "is a program" if stat.S_ISREG(mode) else "is no regular file"
                said = f"the inventory that the bundle names {said}, and is not run on a bundle's word"
                fail("IPP312", said, location=Location(_shown(found, path, name)), hint=hint)


def _run(path: Path, pattern: str, name: str, more: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    program = Path(sys.executable).with_name("ansible-inventory")
    with private_folder("ipsecplan-inventory-") as folder:
        config = folder / "ansible.cfg"  # none of the working directory's: it may name plugins, which are programs
        config.write_text("[defaults]\n", encoding="utf-8")
        own = {**more, "ANSIBLE_LOCAL_TEMP": str(folder), **utf8_locale()}
        done = _ask(
            program, path, pattern, name, {"ANSIBLE_CONFIG": os.environ.get("ANSIBLE_CONFIG", str(config)), **own}
        )
    if done.returncode != 0:
        raise ProblemError(_unparsed(done.stderr, path, name))
    try:
        loaded: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = of_inventory(done.stderr or done.stdout).text
        fail("IPP302", f"ansible-inventory printed no JSON: {said}", location=Location(name))
    return loaded


def _ask(program: Path, path: Path, pattern: str, name: str, extra: dict[str, str]) -> subprocess.CompletedProcess[str]:
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
        hint = "write down what it says: ansible-inventory -i FILE --list --yaml > inventory.yml"
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


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for found in sorted(path.rglob("*")):
            if found.is_file() and not found.name.startswith("."):
                yield found
    else:
        yield path
        for folder in ("host_vars", "group_vars"):
            yield from sorted(p for p in (path.parent / folder).glob("*") if p.is_file())


def _everything(path: Path) -> Iterator[Path]:
    """Generate what Ansible may open: below a folder; beside a file, the variables of hosts and groups."""
    folders = [path] if path.is_dir() else [path.parent / "host_vars", path.parent / "group_vars"]
    found = [path for folder in folders for path in itertools.islice(folder.rglob("*"), MAX_FILES + 1)]
    if len(found) > MAX_FILES:
        fail("IPP302", f"more than {MAX_FILES} files: is this an inventory?", location=Location(str(folders[0])))
    yield from sorted(path for path in found if path.exists())


def _shown(found: Path, path: Path, shown: str) -> str:
    if found == path:
        return shown
    base = path if path.is_dir() else path.parent
    prefix = Path(shown) if path.is_dir() else Path(shown).parent
    return str(prefix / found.relative_to(base))


def _yaml_sources(path: Path, shown: str) -> Iterator[Source]:
    for found in _files(path):
        if found.suffix in (".yml", ".yaml", ".json"):
            try:
                yield yaml_source.read(found, _shown(found, path, shown), yaml_source.INVENTORY)
            except ProblemError:  # Ansible accepts more YAML than we do (tags, anchors): then without positions
                continue


def _host_lines(path: Path, shown: str) -> Iterator[tuple[str, tuple[str, int, str]]]:
    """Generate the first word of each line of the files of INI, with where it stands."""
    for found in _files(path):
        if found.suffix in (".yml", ".yaml", ".json") or os.access(found, os.X_OK):
            continue
        try:
            rows = found.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        name = _shown(found, path, shown)
        for number, text in enumerate(rows, 1):
            if words := text.split(maxsplit=1):
                yield words[0], (name, number, text)
