"""Writes a bundle to a directory, whole or not at all. Only an earlier bundle there is replaced."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from netplan.agent.protocol.node_json import FileEntry
from netplan.bundle import kept
from netplan.bundle.build import cluster_files
from netplan.bundle.inputs_digest import Inputs, inputs
from netplan.bundle.manifest import (
    Entries,
    block_digest,
    by_node,
    entry_lines,
    header,
    manifest_text,
)
from netplan.bundle.node_files import NodeFiles
from netplan.bundle.parallel import each
from netplan.bundle.put import FILE_MODE, FOLDER_MODE, Putter
from netplan.bundle.reader import Bundle
from netplan.bundle.reuse import Moves, blocks_of, digest, renamed
from netplan.bundle.schema import Manifest
from netplan.inputs.inventory import Inventory
from netplan.inputs.path_kinds import MANIFEST
from netplan.plan.types import Plan
from netplan.problems import Location, fail, present
from netplan.refusals import refusals


def write(directory: Path, plan: Plan, inventory: Inventory, tell: Callable[[int], object] = lambda _: None) -> Bundle:
    """Write a bundle; an earlier bundle at that place is replaced as a whole, anything else there is refused.

    The new bundle is complete on disk before it takes the name, so an interruption leaves the old or the new one. Hosts
    whose files would be what they are in the old one are taken from there. ``tell`` is called with the hosts done.
    """
    with refusals(directory, "written"):
        _may_become(directory)
        directory.parent.mkdir(parents=True, exist_ok=True)
        if len(plan.nodes) < kept.LEAST:
            return Bundle(directory, _anew(directory, plan, inventory, tell, None, None))
        made_from = inputs(plan, inventory)
        before = kept.load(directory)
        same = before is not None and before.whole == made_from.whole
        if before is not None and same and all(before.untouched(directory, node) for node in before.nodes):
            tell(len(plan.nodes))
            return Bundle(directory, _with_files(before.head, _Stored(directory / MANIFEST, before.count)))
        return Bundle(directory, _anew(directory, plan, inventory, tell, before, made_from))


def _with_files(head: Mapping[str, Any], entries: Entries) -> Manifest:
    """Return a manifest whose entries are decoded when somebody wants them."""
    return cast(Manifest, {**head, "files": entries})


class _Stored(Entries):
    """The entries of a manifest on disk, read when somebody wants them."""

    def __init__(self, path: Path, count: int) -> None:
        super().__init__(())
        self._path, self._count = path, count

    def __iter__(self) -> Iterator[FileEntry]:
        yield from json.loads(self._path.read_text(encoding="utf-8"))["files"]

    def __len__(self) -> int:
        return self._count


def _anew(
    directory: Path,
    plan: Plan,
    inventory: Inventory,
    tell: Callable[[int], object],
    before: kept.Kept | None,
    made_from: Inputs | None,
) -> Manifest:
    """Write a bundle and give it its name. Returns the manifest; raises OSError."""
    fresh = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    moves = Moves(directory, fresh)
    try:
        filling = _Filling(fresh, directory, plan, before, made_from, moves)
        document = filling.fill(inventory, tell)
        _take_the_name(fresh, directory)
    except BaseException:
        moves.undo()
        with contextlib.suppress(OSError):
            shutil.rmtree(fresh)
        raise
    moves.keep()
    if made_from is not None:
        kept.save(directory, filling.memory(directory, document))
    return document


@dataclass
class _Work:
    """What a worker needs to write the files of nodes; made anew in each process."""

    plan: Plan
    directory: str
    tools: list[tuple[NodeFiles, Putter]] = field(default_factory=list)

    def __getstate__(self) -> tuple[Plan, str]:
        return self.plan, self.directory

    def __setstate__(self, state: tuple[Plan, str]) -> None:
        (self.plan, self.directory), self.tools = state, []


@dataclass(frozen=True, slots=True)
class _Written:
    """What a worker says of one host: ``blocks``, lines of the manifest by the path of the first; ``node`` and
    ``digest`` of what is on that node, if anything is; ``rest``: the entries of no node; ``layout``: the paths of the
    files that it alone has, and of those that others have, too; ``stamps`` of the former, one after the other."""

    host: str
    blocks: dict[str, str]
    node: str
    digest: str
    rest: list[FileEntry]
    layout: kept.Layout
    stamps: list[int]


def _write_node(work: _Work, place: int) -> _Written:
    """Write the files of one host, in whatever process this is."""
    if not work.tools:
        work.tools.append((NodeFiles(work.plan), Putter(work.directory)))
    made, putter = work.tools[0]
    host = work.plan.nodes[place]
    entries = putter.put(made.of(host))
    own = putter.taken()
    alone = {path for path, _ in own}
    rest, nodes = by_node(entries)
    blocks = {part[0]["path"]: entry_lines(part) for part in (rest, *nodes.values()) if part}
    node = next(iter(nodes), "")
    digest_of_node = block_digest(blocks[nodes[node][0]["path"]]) if node else ""
    layout = (
        tuple(path.replace(host.id, kept.HERE) for path, _ in own),
        tuple(e["path"].replace(host.id, kept.HERE) for e in entries if e["path"] not in alone),
    )
    stamps = [value for _, stamp in own for value in stamp]
    return _Written(host.id, blocks, node, digest_of_node, rest, layout, stamps)


class _Filling:
    """Fills a new bundle: with what is written, and with what is taken from the bundle ``before`` it."""

    def __init__(
        self,
        fresh: Path,
        directory: Path,
        plan: Plan,
        before: kept.Kept | None,
        made_from: Inputs | None,
        moves: Moves,
    ) -> None:
        self._fresh, self._plan, self._moves = fresh, plan, moves
        self._before, self._made_from = before, made_from
        self._made = NodeFiles(plan)
        self._always = {file.path: file for file in self._made.always} if made_from else {}
        digests = {path: digest(file) for path, file in self._always.items()}
        self._same = before.same(directory, made_from, digests) if before and made_from else []
        self._old_text = (directory / MANIFEST).read_text(encoding="utf-8") if self._same else ""
        self._digests: dict[str, str] = {}
        self._blocks: dict[str, str] = {}
        self._rest: list[FileEntry] = []
        self._layouts: dict[kept.Layout, int] = {}
        self._made_here: dict[str, list[Any]] = {}  # host -> place of its layout, stamps
        self._stamps: dict[str, list[int]] = {}
        self._always_digests = digests

    def fill(self, inventory: Inventory, tell: Callable[[int], object]) -> Manifest:
        """Fill the bundle. Returns the manifest; raises OSError."""
        plan, same = self._plan, set(self._same)
        putter = Putter(str(self._fresh))
        self._rest += putter.put(cluster_files(plan, self._made))
        self._blocks |= {entry["path"]: entry_lines([entry]) for entry in self._rest}
        self._stamps = {path: list(stamp) for path, stamp in putter.taken()}
        places = [place for place, node in enumerate(plan.nodes) if node.id not in same]
        work = _Work(plan, str(self._fresh), [(self._made, Putter(str(self._fresh)))])
        for done, written in enumerate(each(_write_node, work, places), 1 + len(same)):
            self._blocks |= written.blocks
            self._rest += written.rest
            self._made_here[written.host] = [
                self._layouts.setdefault(written.layout, len(self._layouts)),
                written.stamps,
            ]
            if written.node:
                self._digests[written.node] = written.digest
            tell(done)
        self._take()
        self._rest.sort(key=lambda entry: entry["path"])
        document = header(plan, inventory, self._rest, self._digests)
        entries = Entries([self._blocks[path] for path in sorted(self._blocks)])
        with open(self._fresh / MANIFEST, "x", encoding="utf-8", newline="") as out:
            out.writelines(manifest_text(document, entries))
            os.fchmod(out.fileno(), FILE_MODE)
        self._fresh.chmod(FOLDER_MODE)
        return _with_files(document, entries)

    def _take(self) -> None:
        """Take the hosts that are the same out of the bundle before."""
        before = self._before
        if before is None or not self._same:
            return
        other = {path: file for path, file in self._always.items() if self._always_digests[path] != before.always[path]}
        managed = [node for node in self._same if node in before.head["nodes"]]
        found = blocks_of(self._old_text)
        self._moves.take(self._same)
        self._moves.replace(managed if other else (), other)
        for node in self._same:
            blocks = found.get(node, {})
            for first, block in blocks.items():
                if first.startswith("nodes/"):
                    block = renamed(block, node, other, before.always)
                    self._digests[node] = block_digest(block) if other else before.head["nodes"][node]["digest"]
                else:
                    self._rest += map(json.loads, block.splitlines())
                self._blocks[first] = block

    def memory(self, directory: Path, document: Manifest) -> kept.Kept:
        """Return what is to be remembered of the bundle, which has its name by now."""
        nodes: dict[str, list[Any]] = {}
        made_from = present(self._made_from, "what a bundle was made from")
        for host, digest_of in made_from.nodes.items():
            number, stamps = self._made_here.get(host) or self._from_before(host)
            nodes[host] = [digest_of, number, *stamps]
        layouts = [[list(own), list(shared)] for own, shared in self._layouts]
        return kept.Kept(
            whole=made_from.whole,
            head={key: value for key, value in document.items() if key != "files"},
            count=len(document["files"]),
            always=self._always_digests,
            layouts=layouts,
            nodes=nodes,
            rest=self._stamps,
            shared=self._shared_stamps(directory, nodes, layouts),
        )

    def _shared_stamps(
        self, directory: Path, nodes: Mapping[str, Sequence[Any]], layouts: Sequence[Sequence[Sequence[str]]]
    ) -> dict[str, list[int]]:
        """Return the stamps of files that nodes share: of a few names, where they account for all names there are."""

        def paths(hosts: Iterable[str]) -> Iterator[str]:
            return (path.replace(kept.HERE, host) for host in hosts for path in layouts[nodes[host][1]][1])

        if self._same and self._before is not None:
            known = (path for path in self._before.shared if (directory / path).exists())
            found = kept.shared_stamps(directory, [*paths(self._made_here), *paths(self._same[:1]), *known])
            names = sum(stamp[3] for stamp in found.values())
            if names == sum(len(layouts[about[1]][1]) for about in nodes.values()):
                return found
        return kept.shared_stamps(directory, paths(nodes))

    def _from_before(self, host: str) -> list[Any]:
        """Return layout and stamps of a host that was taken from the bundle before."""
        before = present(self._before, "the bundle before")
        _, number, *stamps = before.nodes[host]
        own, shared = before.layouts[number]
        return [self._layouts.setdefault((tuple(own), tuple(shared)), len(self._layouts)), stamps]


def _take_the_name(fresh: Path, directory: Path) -> None:
    """Give a complete bundle its name. Raises OSError."""
    if directory.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{directory.name}.old.", dir=directory.parent))
        directory.rename(old / "bundle")
        fresh.rename(directory)
        shutil.rmtree(old)
    else:
        fresh.rename(directory)


def _may_become(directory: Path) -> None:
    """Raise ProblemError when a bundle can't be put at a place, before the work of making it; raises OSError."""
    if directory.is_symlink():
        fail("IPP501", "the target is a symbolic link", location=Location(str(directory)))
    if directory.exists() and not directory.is_dir():
        fail(
            "IPP501",
            "the target is a file",
            location=Location(str(directory)),
            hint="choose an empty or new directory with --to",
        )
    if directory.exists() and not (directory / MANIFEST).is_file() and any(directory.iterdir()):
        fail(
            "IPP501",
            "the target is a directory that is no bundle",
            location=Location(str(directory)),
            hint="choose an empty or new directory with --to",
        )
    if directory.exists() and (os.path.ismount(directory) or not os.access(directory.parent, os.W_OK)):
        fail(
            "IPP501",
            "can't be replaced as a whole: it is a mount, or its parent can't be written",
            location=Location(str(directory)),
            hint=f"choose a new directory in it: --to {directory / 'bundle'}",
        )
