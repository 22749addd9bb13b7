"""Whom a rollout talks to and what it carries: nodes of a verified bundle, joined with their connection variables."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netplan.agent.protocol.node_json import FileEntry, NodeJson
from netplan.bundle.reader import Bundle, unpacked
from netplan.inputs import inventory as inventory_module
from netplan.inputs.inventory import Host, Inventory
from netplan.problems import Location, Problem, ProblemError, present, printable, quoted

# What we take from an inventory to reach a node. Everything else in it is none of a rollout's business. Passwords with
# which a login becomes root are none of these, which go into a file: netplan/rollout/nodes/login_passwords.py.
CONNECTION = (
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_ssh_private_key_file",
    "ansible_ssh_common_args",
    "ansible_ssh_extra_args",
    "ansible_ssh_args",
    "ansible_ssh_pipelining",
    "ansible_python_interpreter",
    "ansible_become",
    "ansible_become_method",
    "ansible_become_user",
    "ansible_become_exe",
    "ansible_become_flags",
)
# The groups that Kubespray and kubeadm inventories name their control plane by
CONTROL_PLANE = frozenset({"control_plane", "kube_control_plane", "kube-master", "k3s_server", "masters"})
# What Ansible names its own search by; the node's shell makes that search, with `python3`, as without the variable
_DISCOVERY = frozenset({"auto", "auto_silent", "auto_legacy", "auto_legacy_silent"})
_INTERPRETER = re.compile(r"(/usr/bin/env )?(?!/usr/bin/env$)[A-Za-z0-9/._+-]+")
TEMPLATE = re.compile(r"\{\{|\{%|\{#")
_PASSWORDS = ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password")  # of ssh itself
DOAS = "ipsecplan_doas"  # our own plugin: a step loads no collection, and ansible-core has none
_METHODS = {"doas": DOAS, "community.general.doas": DOAS} | {
    f"{where}{method}": method for method in ("sudo", "su") for where in ("", "ansible.builtin.")
}
_TRUE = frozenset({"true", "yes", "on", "1", "y", "t"})  # Ansible's words, in INI texts


@dataclass(frozen=True)
class Target:
    """One node: id, name for people, digest of its release, ``node.json``, files to install, connection variables,
    inventory groups. ``contents``: SHA-256 -> content of the files, as the bundle keeps it."""

    id: str
    name: str
    digest: str
    node: NodeJson
    files: tuple[FileEntry, ...]
    contents: Mapping[str, bytes]
    connection: dict[str, Any]
    groups: frozenset[str] = frozenset()

    @property
    def control_plane(self) -> bool:
        """Tell whether its pairs switch after all others."""
        return bool(self.groups & CONTROL_PLANE)

    def archive(self) -> bytes:
        """Return the files as an uncompressed tar, as they were when the bundle was read."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for entry in self.files:
                data = self._content(entry)
                member = tarfile.TarInfo(entry["path"].lstrip("/"))
                member.size, member.mode = len(data), int(entry["mode"], 8)
                tar.addfile(member, io.BytesIO(data))
        return out.getvalue()

    def _content(self, entry: FileEntry) -> bytes:
        return unpacked(present(self.contents.get(entry["sha256"]), f"the content of {entry['path']}"))

    def script(self, name: str) -> str | None:
        """Return the text of ``revert.sh`` or ``guard.sh``, which preflight tries; None when the release has none."""
        found = next((f for f in self.files if f["path"].endswith(f"/{name}")), None)
        return self._content(found).decode("utf-8", "replace") if found else None


def targets(bundle: Bundle, inventory: Inventory) -> tuple[Target, ...]:
    """Join a bundle with an inventory by host name. Raises ProblemError when a node is not in it."""
    hosts = {host.name: host for host in inventory.hosts}
    found, problems = [], []
    files = bundle.installed()
    for node_id, about in sorted(bundle.nodes.items(), key=lambda item: _natural(item[1]["name"])):
        host = hosts.get(about["name"])
        if host is None:
            problems.append(inventory.problem("IPP650", f"the bundle's node {quoted(about['name'])} is not here"))
            continue
        connection, wrong = connection_of(host, inventory)
        problems += wrong
        found.append(
            Target(
                node_id,
                about["name"],
                about["digest"],
                bundle.node(node_id),
                tuple(files.get(node_id, ())),
                bundle.contents,
                connection,
                host.groups,
            )
        )
    if problems:
        raise ProblemError(problems)
    return tuple(found)


def read_inventory(bundle: Bundle, override: Path | None, vault: bytes | None = None) -> Inventory:
    """Read the inventory that the bundle was made from, or another one; refuse one that changed since.

    The one that the bundle names is not run: who wrote the bundle says what it is, and a program is nobody's to name.
    ``vault``: the password of the vault that files of it are in.
    """
    recorded = bundle.manifest["inventory"]
    path = override or Path(recorded["path"])
    theirs = recorded.get("host_vars", {})
    run = override is not None
    inventory = inventory_module.read(path, recorded["pattern"], programs=run, host_vars=theirs, vault=vault)
    if override is None and inventory.digest != recorded["digest"]:
        raise ProblemError(
            Problem(
                "IPP651",
                f"the inventory changed after the bundle was rendered{_what_changed(recorded.get('hosts'), inventory)}",
                location=Location(str(path)),
                hint="render again and review it; or give the inventory to use with --inventory",
            )
        )
    return inventory


def _what_changed(recorded: Mapping[str, str] | None, inventory: Inventory) -> str:
    """Return which hosts are not as the bundle's manifest has them, as the end of a sentence."""
    if recorded is None:
        return ""
    now = inventory.digests
    words = {
        "new": sorted(now.keys() - recorded.keys()),
        "gone": sorted(recorded.keys() - now.keys()),
        "changed": sorted(name for name in now.keys() & recorded.keys() if now[name] != recorded[name]),
    }
    parts = [f"{word}: {_some(names)}" for word, names in words.items() if names]
    return f" ({'; '.join(parts)})" if parts else ""


def _some(names: list[str]) -> str:
    return printable(", ".join(names[:6])) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def connection_of(host: Host, inventory: Inventory) -> tuple[dict[str, Any], list[Problem]]:
    """Return the connection variables of a host, and what is wrong with them."""
    found: dict[str, Any] = {}
    problems = []
    for name in CONNECTION:
        value = host.variables.get(name)
        if value is None:
            continue
        if isinstance(value, str) and TEMPLATE.search(value):
            hint = "write the value itself: a template in an inventory runs commands on this machine"
            problems.append(
                inventory.problem("IPP307", f"{name} of {quoted(host.name)} is a template", host.name, name, hint)
            )
        elif not isinstance(value, str | int | bool):
            problems.append(
                inventory.problem("IPP652", f"{name} of {quoted(host.name)} is no simple value", host.name, name)
            )
        elif isinstance(value, str) and name in ("ansible_host", "ansible_user") and value.startswith("-"):
            problems.append(
                inventory.problem("IPP652", f"{name} of {quoted(host.name)} begins with '-'", host.name, name)
            )
        elif name == "ansible_python_interpreter" and value in _DISCOVERY:
            continue
        elif name == "ansible_python_interpreter" and (value is True or not _INTERPRETER.fullmatch(str(value))):
            hint = "a path such as /usr/bin/python3; `auto` or nothing takes the node's python3"
            said = f"{name} of {quoted(host.name)} is no program: {quoted(value)}"
            problems.append(inventory.problem("IPP652", said, host.name, name, hint))
        elif name == "ansible_become_method":
            if str(value) not in _METHODS:
                said = f"{name} of {quoted(host.name)} is {quoted(value)}"
                problems.append(inventory.problem("IPP652", said, host.name, name, "it is one of sudo, su, doas"))
            found[name] = _METHODS.get(str(value), value)
        else:
            found[name] = value
    found.setdefault("ansible_host", host.name)
    if host.name.startswith("-"):
        problems.append(inventory.problem("IPP652", f"the host name {quoted(host.name)} begins with '-'", host.name))
    for name in _PASSWORDS:
        if name in host.variables:
            hint = "log in with an SSH key, an agent or a certificate"
            problems.append(
                inventory.problem("IPP652", f"{name} is not taken from an inventory", host.name, name, hint)
            )
    return found, problems


def becomes_root(connection: Mapping[str, Any]) -> bool:
    """Tell whether a login becomes another user, by what :func:`connection_of` returned."""
    return str(connection.get("ansible_become", "")).lower() in _TRUE


def _natural(name: str) -> tuple[Any, ...]:
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name))
