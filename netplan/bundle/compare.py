"""Which files of two bundles differ: every entry of both manifests, by path. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from netplan.bundle.schema import Entry

_NODE = re.compile(r"(nodes|unmanaged-peers|cluster|cluster/firewall)/(n-[0-9a-f]{12})/")


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that is not the same in both bundles; ``before`` None: it is new, ``after`` None: it is gone."""

    path: str
    before: Entry | None
    after: Entry | None

    @property
    def how(self) -> str:
        """Return what happened to it: new, gone, changed, mode."""
        if self.before is None or self.after is None:
            return "new" if self.before is None else "gone"
        return "changed" if self.before["sha256"] != self.after["sha256"] else "mode"

    @property
    def node(self) -> str | None:
        """Return the id of the host that it is about; None for the whole cluster."""
        found = _NODE.match(self.path)
        return found[2] if found else None

    @property
    def place(self) -> str:
        """Return its path without the host: on the node where it is installed, else inside the bundle."""
        found = _NODE.match(self.path)
        if found is None:
            return self.path
        rest = self.path[found.end() :]
        return f"/{rest}" if found[1] == "nodes" and rest != "node.json" else f"{found[1]}/*/{rest}"

    def as_json(self) -> dict[str, str | None]:
        """Return the change as data."""
        one, other = self.before, self.after
        return {
            "path": self.path,
            "change": self.how,
            "sha256_before": one["sha256"] if one else None,
            "sha256_after": other["sha256"] if other else None,
            "mode_before": one["mode"] if one else None,
            "mode_after": other["mode"] if other else None,
        }


def file_changes(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> Iterator[FileChange]:
    """Generate every file whose entry (digest, mode, owner) is not the same in both, in path order."""
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            yield FileChange(path, before.get(path), after.get(path))


def file_lines(changes: list[FileChange], names: Mapping[str, str], shown: int = 6) -> list[str]:
    """Return the changes as people read them; the same one on many hosts is one line. ``names``: host id -> name."""
    groups: dict[tuple[str, str, str], list[FileChange]] = {}
    for change in changes:
        groups.setdefault((change.place, change.how, _said(change)), []).append(change)
    out = []
    for (place, how, said), members in groups.items():
        hosts = sorted(names.get(c.node, c.node) for c in members if c.node)
        many = ", ".join(hosts[:shown]) + (f" and {len(hosts) - shown} more" if len(hosts) > shown else "")
        digests = ""
        if len(members) == 1 and how == "changed" and members[0].before and members[0].after:
            digests = f" {members[0].before['sha256'][:12]} -> {members[0].after['sha256'][:12]}"
        out.append(f"  {how:<8}{place}{said}{digests}" + (f"   ({many})" if many else ""))
    return out


def _said(change: FileChange) -> str:
    """Return the modes of a file, where they differ or where there is only one."""
    one, other = change.before, change.after
    if one and other:
        return f" {one['mode']} -> {other['mode']}" if one["mode"] != other["mode"] else ""
    return f" {(one or other or {'mode': ''})['mode']}"
