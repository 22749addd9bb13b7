"""Makes ``manifest.json``: digest, mode and owner of every file of a bundle. :mod:`.reader` checks by it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from netplan import __version__
from netplan.agent.protocol.node_json import FileEntry
from netplan.bundle.json_text import dump_lines
from netplan.bundle.schema import SCHEMA, Manifest, checked_head
from netplan.inputs.inventory import Inventory
from netplan.inputs.path_kinds import MANIFEST, plan_digest
from netplan.plan.types import Plan

AnyEntry = TypeVar("AnyEntry", bound=Mapping[str, object])


@dataclass(frozen=True, slots=True)
class File:
    """One file of a bundle: path inside it, text, mode and owner on the node; ``common``: other nodes have it, too."""

    path: str
    text: str
    mode: str = "0644"
    owner: str = "root:root"
    common: bool = False

    @property
    def sha256(self) -> str:
        """SHA-256 of the content, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def header(plan: Plan, inventory: Inventory, rest: Sequence[FileEntry], nodes: Mapping[str, str]) -> Manifest:
    """Return the manifest without its files: ``rest`` are the entries of no node, ``nodes`` node id -> digest.

    Raises ProblemError for what the reader would refuse.
    """
    document = {
        "schema": SCHEMA,
        "tool": __version__,
        "cluster": plan.file.name,
        "digest": root_digest(rest, nodes),
        "plan_digest": plan_digest(plan.file),
        "inventory": {
            "path": str(inventory.path.resolve()),
            "pattern": inventory.pattern,
            "digest": inventory.digest,
            "hosts": inventory.digests,  # by which a later change of it is noticed
            **({"host_vars": theirs} if (theirs := plan.file.host_vars.named()) else {}),
        },
        "nodes": {node.id: {"name": node.name, "digest": nodes[node.id]} for node in plan.nodes if node.managed},
    }
    return checked_head(document, MANIFEST)


class Entries(Sequence[FileEntry]):
    """The entries of a manifest as it holds them: a line each, in blocks of one node's files; decoded on demand."""

    def __init__(self, blocks: Sequence[str]) -> None:
        self.blocks = blocks

    def __iter__(self) -> Iterator[FileEntry]:
        for block in self.blocks:
            for line in block.splitlines():
                yield json.loads(line)

    def __len__(self) -> int:
        return sum(block.count("\n") for block in self.blocks)

    def __getitem__(self, at: Any) -> Any:
        return list(self)[at]


def entry_lines(entries: Iterable[Mapping[str, object]]) -> str:
    """Return entries as a block of lines of a manifest, without the commas between them."""
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def manifest_text(head: Mapping[str, Any], entries: Entries) -> Iterator[str]:
    """Generate the text of a manifest in pieces: a node or a file on each line."""
    rest = {key: value for key, value in head.items() if key not in ("nodes", "files")}
    yield dump_lines(rest)[:-2]  # but for the last brace
    yield (
        ',\n"nodes": {\n '
        + ",\n ".join(
            f"{json.dumps(node)}: {json.dumps(about, ensure_ascii=False)}" for node, about in head["nodes"].items()
        )
        + "},\n"
    )
    yield '"files": [\n '
    for number, block in enumerate(entries.blocks):
        yield (",\n " if number else "") + block[:-1].replace("\n", ",\n ")
    yield "]}\n"


def by_node(entries: Iterable[AnyEntry]) -> tuple[list[AnyEntry], dict[str, list[AnyEntry]]]:
    """Return the entries that belong to no node, and those of each node (by id), in their order."""
    rest: list[AnyEntry] = []
    nodes: dict[str, list[AnyEntry]] = {}
    for entry in entries:
        top, _, below = str(entry["path"]).partition("/")
        if top == "nodes":
            nodes.setdefault(below.partition("/")[0], []).append(entry)
        else:
            rest.append(entry)
    return rest, nodes


def root_digest(rest: Iterable[Mapping[str, object]], nodes: Mapping[str, str]) -> str:
    """Return the digest of a bundle: over the entries of no node, and the digest of each node (by id)."""
    own = "".join(f"{node} {nodes[node]}\n" for node in sorted(nodes))
    return block_digest(entry_lines(rest) + own)


def entries_digest(entries: Iterable[Mapping[str, object]]) -> str:
    """Return the digest over entries of a manifest, in their order: that of a node is over its own."""
    return block_digest(entry_lines(entries))


def block_digest(block: str) -> str:
    """Return the digest over entries as a block of lines."""
    return hashlib.sha256(block.encode()).hexdigest()
