"""Makes ``manifest.json``: digest, mode and owner of every file of a bundle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netplan import __version__
from netplan.bundle.node_json import SCHEMA
from netplan.bundle.schema import Manifest, checked_manifest
from netplan.inputs.inventory import Inventory
from netplan.inputs.path_kinds import MANIFEST, plan_digest
from netplan.plan.types import Plan


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


def manifest(plan: Plan, inventory: Inventory, files: Iterable[File]) -> Manifest:
    """Return the manifest of these files. Raises ProblemError for what the reader would refuse."""
    entries = [{"path": f.path, "sha256": f.sha256, "mode": f.mode, "owner": f.owner} for f in files]
    document = {
        "schema": SCHEMA,
        "tool": __version__,
        "cluster": plan.file.name,
        "digest": digest_of(entries),
        "plan_digest": plan_digest(plan.file),
        "inventory": _recorded(inventory),
        "nodes": {
            node.id: {
                "name": node.name,
                "digest": digest_of([e for e in entries if e["path"].startswith(f"nodes/{node.id}/")]),
            }
            for node in plan.nodes
            if node.managed
        },
        "files": entries,
    }
    return checked_manifest(document, MANIFEST)


def _recorded(inventory: Inventory) -> dict[str, Any]:
    """Return what a manifest has of the inventory, by which a later change of it is noticed."""
    return {
        "path": str(inventory.path.resolve()),
        "pattern": inventory.pattern,
        "digest": inventory.digest,
        "hosts": inventory.digests,
    }


def digest_of(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return the digest over entries of a manifest, in their order."""
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
