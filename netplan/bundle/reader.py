"""Reads a bundle and trusts nothing in it: each file is opened once, and what was checked is what is used."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from netplan.agent.protocol.node_json import FileEntry, NodeJson
from netplan.bundle.manifest import by_node, entries_digest, root_digest
from netplan.bundle.peer_table import Hosts
from netplan.bundle.schema import (
    MAX_FILE,
    SHOWN,
    Entry,
    Manifest,
    Release,
    checked_manifest,
    parse_hosts,
    parse_json,
    parse_node,
)
from netplan.files import read_regular
from netplan.inputs.path_kinds import MANIFEST, MAX_MANIFEST, near_bundle, wanted
from netplan.problems import Location, Problem, ProblemError, fail, printable, quoted
from netplan.refusals import refusals, refused

MISSING = "the manifest names it, but it is missing"
PLAN = "plan.json"


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and checked. ``manifest`` is its content, ``directory`` its path.

    ``contents``: SHA-256 -> packed content of files of nodes, and of plan.json. What was checked is what is used: a
    file that is not in it yet is opened once, checked and kept; nothing reads it again.
    """

    directory: Path
    manifest: Manifest
    contents: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def digest(self) -> str:
        """The digest over all its files."""
        return self.manifest["digest"]

    @property
    def cluster(self) -> str:
        """The cluster's name."""
        return self.manifest["cluster"]

    @property
    def nodes(self) -> dict[str, Release]:
        """Node id -> name and digest of the node's files."""
        return self.manifest["nodes"]

    @functools.cached_property
    def entries(self) -> dict[str, Entry]:
        """Path inside the bundle -> what the manifest says of the file."""
        return {entry["path"]: entry for entry in self.manifest["files"]}

    @functools.cached_property
    def _of_nodes(self) -> dict[str, list[Entry]]:
        """Node id -> what the manifest says of its files: a search for each of many nodes would be a square."""
        return by_node(self.manifest["files"])[1]

    @functools.cached_property
    def _hosts(self) -> Hosts:
        """The hosts of plan.json, to which every node.json refers."""
        where = str(self.directory / PLAN)
        return parse_hosts(self.content(PLAN), where)

    def node(self, node: str) -> NodeJson:
        """Return ``node.json`` of a node, with all that it refers to, checked. Raises ProblemError."""
        path = f"nodes/{node}/node.json"
        return parse_node(self.content(path), node, self.manifest, self._hosts, str(self.directory / path))

    def installed(self) -> dict[str, list[FileEntry]]:
        """Return, for each node id, the files that are installed there (``node.json`` is not), by their path there."""
        found: dict[str, list[FileEntry]] = {}
        for node, entries in self._of_nodes.items():
            inside = [(entry["path"].removeprefix(f"nodes/{node}"), entry) for entry in entries]
            found[node] = [{**entry, "path": path} for path, entry in inside if path != "/node.json"]
        return found

    def check_node(self, node: str) -> None:
        """Check every file of one node, and plan.json, as :func:`read` does with all of them. Raises ProblemError."""
        problems: list[Problem] = []
        for path in (PLAN, *(entry["path"] for entry in self._of_nodes[node])):
            try:
                self._checked(path)
            except ProblemError as error:
                problems += error.problems
        _raise(problems)

    def content(self, path: str) -> bytes:
        """Return the content of a file, which is what the manifest says. Raises ProblemError for any other."""
        return unpacked(self._checked(path))

    def _checked(self, path: str) -> bytes:
        """Return what :meth:`content` does, as it is kept."""
        found = self.entries.get(path)
        if found is None:
            fail("IPP503", "a file that every bundle has is missing", location=Location(str(self.directory / path)))
        if found["sha256"] not in self.contents:
            with refusals(None, "read", "IPP502"):
                data = _read(self.directory, path, found["sha256"])
            if isinstance(data, Problem):
                raise ProblemError([data])
            self.contents[found["sha256"]] = zlib.compress(data, 1)
        return self.contents[found["sha256"]]


def unpacked(content: bytes) -> bytes:
    """Return the content of a file as it was read; kept packed, a bundle of 500 nodes takes 33 MB instead of 246."""
    return zlib.decompress(content)


def read(directory: Path, *, files: bool = True) -> Bundle:
    """Read a bundle and check that every file is there, none is extra and every digest matches. Raises ProblemError.

    Each file is opened once. What the manifest may say is in :mod:`netplan.bundle.schema`. Without ``files`` only the
    manifest is read, and checked in itself; a file is checked when it is asked for.
    """
    path = directory / MANIFEST
    wanted("bundle", directory)
    try:
        document = checked_manifest(parse_json(read_regular(path, MAX_MANIFEST), str(path)), str(path))
    except FileNotFoundError:
        said = "no bundle here (no manifest.json)" if directory.is_dir() else "no such file or directory"
        fail("IPP502", said, location=Location(str(directory)), hint=near_bundle(directory))
    except OSError as error:
        raise ProblemError(refused(error, path, "read", "IPP502")) from None
    contents: dict[str, bytes] = {}
    with refusals(None, "read", "IPP502"):
        problems = _unlike(directory, {e["path"]: e for e in document["files"]}, contents) if files else []
    _raise(problems or list(_wrong_digests(document, Location(str(path)))))
    return Bundle(directory, document, contents)


def _raise(problems: list[Problem]) -> None:
    """Raise ProblemError where there is a problem, with a bounded number of them."""
    more = len(problems) - SHOWN
    if problems:
        raise ProblemError(problems[:SHOWN] + ([Problem("IPP503", f"and {more} more")] if more > 0 else []))


def _wrong_digests(document: Manifest, where: Location) -> Iterator[Problem]:
    """Generate which digests of a manifest don't follow from its entries."""
    rest, nodes = by_node(document["files"])
    found = {node: entries_digest(own) for node, own in nodes.items()}
    if root_digest(rest, found) != document["digest"]:
        yield Problem("IPP503", "the manifest's own digest is wrong", location=where)
        return
    for node, about in document["nodes"].items():
        if found[node] != about["digest"]:
            yield Problem("IPP503", f"the digest of node {quoted(node)} is wrong", location=where)


def _unlike(directory: Path, entries: Mapping[str, Entry], contents: dict[str, bytes]) -> list[Problem]:
    """Return how the files below a bundle differ from its manifest's ``entries``; fill ``contents``. Raises OSError."""
    problems = []
    missing = set(entries)
    for name in _names(directory):
        if name not in entries:
            problems.append(_wrong(directory, name, "not in the manifest"))
            continue
        missing.discard(name)
        sha256 = entries[name]["sha256"]
        data = _read(directory, name, sha256)
        if isinstance(data, Problem):
            problems.append(data)
        elif name.startswith(("nodes/", PLAN)) and sha256 not in contents:
            contents[sha256] = zlib.compress(data, 1)
    return problems + [_wrong(directory, name, MISSING) for name in sorted(missing)]


def _read(directory: Path, name: str, sha256: str) -> bytes | Problem:
    """Return the content of a regular file that has this digest, or what is wrong with it. Raises OSError."""
    try:
        data = read_regular(directory / name, MAX_FILE)
    except FileNotFoundError:
        return _wrong(directory, name, MISSING)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EINVAL, errno.EFBIG, errno.ENXIO):
            raise
        said = "a symbolic link" if error.errno == errno.ELOOP else f"can't be used: {error.strerror}"
        return _wrong(directory, name, said)
    if hashlib.sha256(data).hexdigest() == sha256:
        return data
    hint = "change the plan and render again; apply takes only what was rendered"
    return _wrong(directory, name, "changed after it was rendered: its digest is not the manifest's", hint)


def _wrong(directory: Path, name: str, message: str, hint: str | None = None) -> Problem:
    return Problem("IPP503", message, location=Location(printable(str(directory / name))), hint=hint)


def _names(directory: Path) -> Iterator[str]:
    """Generate the path of everything below a bundle that is no folder, but its manifest. No link is followed."""
    left = [""]
    while left:
        inside = left.pop()
        with os.scandir(directory / inside) as found:
            here = sorted(found, key=lambda entry: entry.name)
        for entry in here:
            name = inside + entry.name
            if entry.is_dir(follow_symlinks=False):
                left.append(name + "/")
            elif name != MANIFEST:
                yield name
