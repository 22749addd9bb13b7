"""Inventories that are plain data, read without Ansible: a file of YAML, JSON or INI that says all it says by itself.

Reading 10,000 hosts costs Ansible 15 times what the YAML costs. :func:`read` gives the same hosts, variables and groups
as ``ansible-inventory --list`` (tests/properties/test_static_inventory.py holds them beside each other, ansible-core
2.19), or None for everything that needs Ansible: ranges and ports in a name, tags, ``group_vars`` and ``host_vars``,
plugins, settings, and every file that is wrong, because Ansible then says why.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from netplan.files import read_regular

LIMIT = 64 << 20  # bytes of a file
_TEXT = "tag:yaml.org,2002:str"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SECTION = re.compile(r"\[([A-Za-z_][A-Za-z0-9_-]*)(?::(children|vars))?\]\Z")
# what Python's literals never are: words but for three, addresses and subnets
_WORD = re.compile(r"(?!(True|False|None)\Z)[A-Za-z_][A-Za-z0-9_.-]*\Z|[0-9]+(\.[0-9]+){3}(/[0-9]+)?\Z")
# variables that mean something to the inventory itself, or that Ansible takes out of its list (INTERNAL_STATIC_VARS)
_SPECIAL = frozenset(
    (
        *("ansible_group_priority", "ansible_async_path", "ansible_collection_name", "ansible_config_file"),
        *("ansible_dependent_role_names", "ansible_diff_mode", "ansible_facts", "ansible_forks"),
        *("ansible_inventory_sources", "ansible_limit", "ansible_play_batch", "ansible_play_hosts"),
        *("ansible_play_hosts_all", "ansible_play_role_names", "ansible_playbook_python", "ansible_role_name"),
        *("ansible_role_names", "ansible_run_tags", "ansible_skip_tags", "ansible_verbosity", "ansible_version"),
        *("inventory_dir", "inventory_file", "inventory_hostname", "inventory_hostname_short", "groups"),
        *("group_names", "omit", "hostvars", "playbook_dir", "play_hosts", "role_name", "role_names", "role_path"),
        *("role_uuid", "environment", "vars"),
    )
)
# settings in the environment that no inventory depends on
_HARMLESS = frozenset(
    (
        *("ANSIBLE_HOST_KEY_CHECKING", "ANSIBLE_SSH_ARGS", "ANSIBLE_FORKS", "ANSIBLE_FORCE_COLOR", "ANSIBLE_NOCOLOR"),
        *("ANSIBLE_REMOTE_USER", "ANSIBLE_PRIVATE_KEY_FILE", "ANSIBLE_LOCAL_TEMP", "ANSIBLE_LOG_PATH"),
        *("ANSIBLE_DEBUG", "ANSIBLE_VERBOSITY", "ANSIBLE_DEPRECATION_WARNINGS", "ANSIBLE_DEVEL_WARNING"),
    )
)
_PLUGINS = ("~/.ansible/plugins/vars", "/usr/share/ansible/plugins/vars", "/etc/ansible/vars_plugins")

DEPTH = 20  # of mappings and lists in each other
Members = dict[str, tuple[dict[str, Any], frozenset[str]]]  # host -> its variables, its groups


class _Ansible(Exception):
    """Something that only Ansible reads: no error, nobody sees it."""


@dataclass
class _Group:
    """A group while it is read."""

    variables: dict[str, Any] = field(default_factory=dict)
    children: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)


@dataclass
class _Found:
    """What a file says: its groups, and the variables of each host that stand at the host."""

    groups: dict[str, _Group] = field(default_factory=lambda: {"all": _Group()})
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def group(self, name: object) -> _Group:
        if not isinstance(name, str) or not _GROUP.match(name) or name == "ungrouped":
            raise _Ansible
        return self.groups.setdefault(name, _Group())


def read(path: Path, pattern: str) -> Members | None:
    """Return the hosts that a pattern selects (at most ``LIMIT`` bytes are read); None where Ansible is to be asked.

    ``pattern`` is ``all``, or the name of a group or host. The hosts of an inventory that selects none are None, too.
    """
    if not _HOST.match(pattern) and not _GROUP.match(pattern):
        return None
    try:
        if not _alone(path):
            return None
        raw = read_regular(path, LIMIT, follow=True)
        with no_collection():
            return _selected(_parse(raw.decode("utf-8"), path.suffix), pattern)
    except (_Ansible, OSError, ValueError, yaml.YAMLError, RecursionError):
        return None


def _alone(path: Path) -> bool:
    """Tell whether nothing but this file has a say: no folder of variables, setting, program or plugin."""
    if not path.is_file() or os.access(path, os.X_OK):
        return False
    if any(name.startswith("ANSIBLE_") and name not in _HARMLESS for name in os.environ):
        return False
    folders = [path.resolve().parent / name for name in ("group_vars", "host_vars")]
    others = [Path(name).expanduser() for name in _PLUGINS]
    return not any(map(os.path.lexists, [*folders, *others]))


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Turn the garbage collector off: it walks all that is made here again and again, a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _parse(text: str, suffix: str) -> _Found:
    found = _Found()
    if suffix == ".json":
        document = json.loads(text)
    elif suffix in (".yml", ".yaml"):
        document = _Document(text).data
    elif suffix in ("", ".ini"):
        _ini(text, found)
        return found
    else:
        raise _Ansible
    if not isinstance(document, dict) or not document or "plugin" in document:
        raise _Ansible
    for name, body in document.items():
        _group(found, name, body)
    return found


class _Document:
    """One document of YAML, built from the events of the parser: half the time of building nodes first.

    Plain scalars mean what they mean to YAML 1.1, and of two equal keys the last one counts, as in Ansible. An anchor
    can stand for far more than its text: there is none here.
    """

    def __init__(self, text: str) -> None:
        self._loader = _LOADER(text)
        self._next = self._loader.get_event
        self._next()  # of the stream
        if not isinstance(self._next(), yaml.DocumentStartEvent):
            raise _Ansible
        self.data = self._value(self._next(), DEPTH)
        self._next()
        if not isinstance(self._next(), yaml.StreamEndEvent):
            raise _Ansible

    def _value(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if kind is yaml.AliasEvent or event.anchor or event.tag or not depth:
            raise _Ansible
        if kind is yaml.ScalarEvent:
            return event.value if event.style else self._plain(event.value)
        following = self._next
        if kind is yaml.MappingStartEvent:
            found: dict[Any, Any] = {}
            while type(key := following()) is not yaml.MappingEndEvent:
                if type(key) is not yaml.ScalarEvent or key.value == "<<":
                    raise _Ansible
                name = self._value(key, depth)
                found[name] = self._value(following(), depth - 1)
            return found
        items = []
        while type(item := following()) is not yaml.SequenceEndEvent:
            items.append(self._value(item, depth - 1))
        return items

    def _plain(self, text: str) -> Any:
        if text[:1] not in self._loader.yaml_implicit_resolvers:
            return text
        tag = self._loader.resolve(yaml.ScalarNode, text, (True, False))
        return text if tag == _TEXT else self._loader.construct_object(yaml.ScalarNode(tag, text))


def _group(found: _Found, name: object, body: object) -> None:
    group = found.group(name)
    if body is None:
        return
    if not isinstance(body, dict) or not {"hosts", "vars", "children"}.issuperset(body):
        raise _Ansible
    for section in body.values():
        if section is not None and not isinstance(section, dict):
            raise _Ansible
    _set(group.variables, body.get("vars") or {})
    for child, inner in (body.get("children") or {}).items():
        if child == "all":
            raise _Ansible
        _group(found, child, inner)
        group.children.add(child)
    for host, variables in (body.get("hosts") or {}).items():
        if not isinstance(host, str) or not _HOST.match(host) or not isinstance(variables, (dict, type(None))):
            raise _Ansible
        group.hosts.add(host)
        _set(found.hosts.setdefault(host, {}), variables or {})


def _ini(text: str, found: _Found) -> None:
    lines = [line for line in (line.strip() for line in text.splitlines()) if line and line[0] not in "#;"]
    if not lines or not lines[0].startswith("["):  # it may be YAML, and hosts of no group are rare
        raise _Ansible
    group, kind = found.groups["all"], "hosts"
    known: set[str] = set()
    for line in lines:
        if section := _SECTION.match(line):
            group, kind = found.group(section[1]), section[2] or "hosts"
            known |= {section[1]} if kind != "vars" else set()
        elif line[0] == "[" or any(sign in line for sign in "\"'\\#"):  # shlex has a say
            raise _Ansible
        elif kind == "children":
            found.group(line)
            group.children.add(line)
        elif kind == "vars":
            name, equals, value = line.partition("=")
            if not equals:
                raise _Ansible
            _set(group.variables, {name.strip(): _value(value.strip())})
        else:
            host, *words = line.split()
            pairs = [word.partition("=") for word in words]
            if not _HOST.match(host) or not all(equals for _, equals, _ in pairs):
                raise _Ansible
            group.hosts.add(host)
            _set(found.hosts.setdefault(host, {}), {name: _value(value) for name, _, value in pairs})
    if found.groups.keys() - known - {"all"} or "all" in known:  # declared nowhere: Ansible refuses it
        raise _Ansible


def _value(text: str) -> Any:
    """Return what Ansible makes of a value in INI: a literal of Python, else text."""
    if _WORD.match(text):
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    if not isinstance(value, (int, float, type(None))):  # texts, lists and more follow rules of their own
        raise _Ansible
    return value


def _set(variables: dict[str, Any], more: Mapping[Any, Any]) -> None:
    for name, value in more.items():
        if type(name) is not str or name in _SPECIAL or not _VARIABLE.match(name):
            raise _Ansible
        kind = type(value)
        variables[name] = value if kind is int or kind is bool else _plain(value)


def _plain(value: Any) -> Any:
    """Return a value with its keys in order, as Ansible lists it.

    Refuse what JSON doesn't give back as it is: dates, keys that are no text, marks of Ansible's own.
    """
    if isinstance(value, str):
        if not value.isascii():
            value.encode()  # UnicodeEncodeError, a ValueError: half a pair of surrogates
        return value
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key.startswith("__ansible"):
                raise _Ansible
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if value is not None and not isinstance(value, (bool, int, float)):
        raise _Ansible
    return value


def _selected(found: _Found, pattern: str) -> Members:
    above = _ancestors(found)
    names = found.groups.keys() & found.hosts.keys()
    if names or not found.hosts.keys().isdisjoint(("localhost", "all", "ungrouped")):
        raise _Ansible
    inside: dict[str, set[str]] = {host: {"all"} for host in found.hosts}
    for name, group in found.groups.items():
        for host in group.hosts:
            inside[host] |= above[name]
    depth = _depths(found)
    order = sorted(found.groups, key=lambda name: (depth[name], name))
    speaks = [(name, found.groups[name].variables) for name in order if found.groups[name].variables]
    members: Members = {}
    shared: dict[frozenset[str], frozenset[str]] = {}  # hosts have few sets of groups
    for host, own in found.hosts.items():
        groups = frozenset(inside[host])
        if pattern in groups or pattern == host:
            merged: dict[str, Any] = {}
            for name, variables in speaks:
                if name in groups:
                    merged |= variables
            members[host] = dict(sorted({**merged, **own}.items())), shared.setdefault(groups, groups)
    if not members:
        raise _Ansible
    return members


def _ancestors(found: _Found) -> dict[str, set[str]]:
    """Return group -> itself and every group that holds it."""
    above = {name: {name, "all"} for name in found.groups}
    for _ in found.groups:
        before = sum(map(len, above.values()))
        for name, group in found.groups.items():
            for child in group.children:
                above[child] |= above[name]
        if sum(map(len, above.values())) == before:
            return above
    raise _Ansible  # a group inside itself


def _depths(found: _Found) -> dict[str, int]:
    """Return group -> the longest way down to it, which is what Ansible orders variables by."""
    depth = {name: int(name != "all") for name in found.groups}
    for _ in range(len(found.groups) + 1):
        again = False
        for name, group in found.groups.items():
            for child in group.children:
                if depth[child] <= depth[name]:
                    depth[child], again = depth[name] + 1, True
        if not again:
            return depth
    raise _Ansible
