"""``manifest.json``: digest, mode and owner of every file of a bundle. :func:`read` checks a bundle against it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from netplan import __version__
from netplan.agent.protocol.node_json import FileEntry, NodeJson
from netplan.bundle.node_json import SCHEMA
from netplan.inputs.inventory import Inventory
from netplan.inputs.path_kinds import MANIFEST, plan_digest, wanted
from netplan.plan.types import Plan
from netplan.problems import Location, Problem, ProblemError, fail, quoted
from netplan.refusals import refusals, refused


@dataclass(frozen=True, slots=True)
class File:
    """One file of a bundle: path inside it, text, and mode and owner on the node."""

    path: str
    text: str
    mode: str = "0644"
    owner: str = "root:root"

    @property
    def sha256(self) -> str:
        """SHA-256 of the content, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read and checked. ``manifest`` is its content, ``directory`` its path."""

    directory: Path
    manifest: dict[str, Any]

    @property
    def digest(self) -> str:
        """The digest over all its files."""
        return str(self.manifest["digest"])

    @property
    def cluster(self) -> str:
        """The cluster's name."""
        return str(self.manifest["cluster"])

    @property
    def nodes(self) -> dict[str, dict[str, str]]:
        """Node id -> name and digest of the node's files."""
        nodes: dict[str, dict[str, str]] = self.manifest["nodes"]
        return nodes

    def json(self, path: str) -> dict[str, Any]:
        """Return a JSON file of the bundle."""
        loaded: dict[str, Any] = json.loads((self.directory / path).read_text(encoding="utf-8"))
        return loaded

    def node(self, node: str) -> NodeJson:
        """Return ``node.json`` of a node; what wrote the bundle has the same shapes."""
        return cast(NodeJson, self.json(f"nodes/{node}/node.json"))

    def files_of(self, node: str) -> list[FileEntry]:
        """Return the manifest entries that are installed on a node (``node.json`` is not)."""
        prefix = f"nodes/{node}/"
        own: list[FileEntry] = [f for f in self.manifest["files"] if f["path"].startswith(prefix)]
        return [f for f in own if f["path"] != f"{prefix}node.json"]


def manifest(plan: Plan, inventory: Inventory, files: Iterable[File]) -> dict[str, Any]:
    """Return the manifest of these files."""
    entries = [{"path": f.path, "sha256": f.sha256, "mode": f.mode, "owner": f.owner} for f in files]
    return {
        "schema": SCHEMA,
        "tool": __version__,
        "cluster": plan.file.name,
        "digest": _digest(entries),
        "plan_digest": plan_digest(plan.file),
        "inventory": {
            "path": str(inventory.path.resolve()),
            "pattern": inventory.pattern,
            "digest": inventory.digest,
        },
        "nodes": {
            node.id: {
                "name": node.name,
                "digest": _digest([e for e in entries if e["path"].startswith(f"nodes/{node.id}/")]),
            }
            for node in plan.nodes
            if node.managed
        },
        "files": entries,
    }


def _digest(entries: list[dict[str, str]]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def dump(value: Any) -> str:
    """Return JSON text as a bundle holds it."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def dump_lines(value: Mapping[str, Any]) -> str:
    """Return a JSON object with one key, or one element of a list, on each line: small, and it diffs well."""
    parts = []
    for key, item in value.items():
        if isinstance(item, list) and item:
            body = ",\n ".join(json.dumps(element, ensure_ascii=False) for element in item)
            parts.append(f"{json.dumps(key)}: [\n {body}]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(item, ensure_ascii=False)}")
    return "{" + ",\n".join(parts) + "}\n"


def read(directory: Path) -> Bundle:
    """Read a bundle and check that every file is there, none is extra and every digest matches. Raises ProblemError."""
    where = str(directory)
    path = directory / MANIFEST
    wanted("bundle", directory)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        entries = {e["path"]: e for e in document["files"]}
        schema, digest = document["schema"], document["digest"]
    except FileNotFoundError:
        fail("IPP502", "no bundle here (no manifest.json)", location=Location(where), hint="`ipsecplan render`")
    except OSError as error:
        raise ProblemError(refused(error, path, "read", "IPP502")) from None
    except (ValueError, KeyError, TypeError) as error:
        fail("IPP502", f"unreadable manifest: {type(error).__name__}", location=Location(str(path)))
    if schema != SCHEMA:
        fail("IPP502", f"bundle schema {quoted(schema)}, expected {SCHEMA}", location=Location(where))
    with refusals(None, "read", "IPP502"):
        problems = _unlike(directory, entries)
    if not problems and _digest(document["files"]) != digest:
        problems.append(Problem("IPP503", "the manifest's own digest is wrong", location=Location(str(path))))
    for node in document.get("nodes", {}):
        own = [e for e in document["files"] if e["path"].startswith(f"nodes/{node}/")]
        if not problems and _digest(own) != document["nodes"][node].get("digest"):
            problems.append(
                Problem("IPP503", f"the digest of node {quoted(node)} is wrong", location=Location(str(path)))
            )
    if problems:
        raise ProblemError(problems)
    return Bundle(directory, document)


def _unlike(directory: Path, entries: Mapping[str, Mapping[str, str]]) -> list[Problem]:
    """Return how the files below a bundle differ from its manifest's ``entries``. Raises OSError."""
    problems = []
    present = {
        str(p.relative_to(directory)): p
        for p in sorted(directory.rglob("*"))
        if (p.is_file() or p.is_symlink()) and p != directory / MANIFEST
    }
    for name in sorted(present.keys() | entries.keys()):
        file = str(directory / name)
        if name not in present:
            problems.append(Problem("IPP503", "the manifest names it, but it is missing", location=Location(file)))
        elif name not in entries:
            problems.append(Problem("IPP503", "not in the manifest", location=Location(file)))
        elif present[name].is_symlink():
            problems.append(Problem("IPP503", "a symbolic link", location=Location(file)))
        elif hashlib.sha256(present[name].read_bytes()).hexdigest() != entries[name]["sha256"]:
            problems.append(
                Problem(
                    "IPP503",
                    "changed after it was rendered: its digest is not the manifest's",
                    location=Location(file),
                    hint="change the plan and render again; apply takes only what was rendered",
                )
            )
    return problems
