"""Reads a bundle and trusts nothing in it: each file is opened once, and what was checked is what is used."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from netplan.agent.protocol.node_json import FileEntry, NodeJson
from netplan.bundle.manifest import digest_of
from netplan.bundle.schema import (
    MAX_FILE,
    SHOWN,
    Entry,
    Manifest,
    Release,
    checked_manifest,
    parse_json,
    parse_node,
)
from netplan.files import read_regular
from netplan.inputs.path_kinds import MANIFEST, MAX_MANIFEST, wanted
from netplan.problems import Location, Problem, ProblemError, fail, present, printable, quoted
from netplan.refusals import refusals, refused


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and checked. ``manifest`` is its content, ``directory`` its path.

    ``contents``: SHA-256 -> packed content of every file of a node, and of plan.json. What was checked is what is used:
    nothing reads the directory again.
    """

    directory: Path
    manifest: Manifest
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)

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

    def node(self, node: str) -> NodeJson:
        """Return ``node.json`` of a node, checked. Raises ProblemError."""
        path = f"nodes/{node}/node.json"
        return parse_node(self.content(path), node, self.manifest, str(self.directory / path))

    def installed(self) -> dict[str, list[FileEntry]]:
        """Return, for each node id, the files that are installed there (``node.json`` is not), by their path there."""
        found: dict[str, list[FileEntry]] = {}
        for node, entries in _by_node(self.manifest["files"]).items():
            inside = [(entry["path"].removeprefix(f"nodes/{node}"), entry) for entry in entries]
            found[node] = [{**entry, "path": path} for path, entry in inside if path != "/node.json"]
        return found

    def content(self, path: str) -> bytes:
        """Return the content of a file of a node. Raises ProblemError for one that the bundle does not have."""
        found = self.entries.get(path)
        if found is None:
            fail("IPP503", "a file that every bundle has is missing", location=Location(str(self.directory / path)))
        return unpacked(present(self.contents.get(found["sha256"]), f"the content of {path}"))


def unpacked(content: bytes) -> bytes:
    """Return the content of a file as it was read; kept packed, a bundle of 500 nodes takes 33 MB instead of 246."""
    return zlib.decompress(content)


def read(directory: Path) -> Bundle:
    """Read a bundle and check that every file is there, none is extra and every digest matches. Raises ProblemError.

    Each file is opened once. What the manifest may say is in :mod:`netplan.bundle.schema`.
    """
    path = directory / MANIFEST
    wanted("bundle", directory)
    try:
        document = checked_manifest(parse_json(read_regular(path, MAX_MANIFEST), str(path)), str(path))
    except FileNotFoundError:
        fail(
            "IPP502", "no bundle here (no manifest.json)", location=Location(str(directory)), hint="`ipsecplan render`"
        )
    except OSError as error:
        raise ProblemError(refused(error, path, "read", "IPP502")) from None
    contents: dict[str, bytes] = {}
    with refusals(None, "read", "IPP502"):
        problems = _unlike(directory, {e["path"]: e for e in document["files"]}, contents)
    if not problems and digest_of(document["files"]) != document["digest"]:
        problems.append(Problem("IPP503", "the manifest's own digest is wrong", location=Location(str(path))))
    for node, own in _by_node(document["files"]).items():
        if not problems and digest_of(own) != document["nodes"][node]["digest"]:
            problems.append(
                Problem("IPP503", f"the digest of node {quoted(node)} is wrong", location=Location(str(path)))
            )
    if problems:
        more = len(problems) - SHOWN
        raise ProblemError(problems[:SHOWN] + ([Problem("IPP503", f"and {more} more")] if more > 0 else []))
    return Bundle(directory, document, contents)


def _by_node(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Return the entries of each node, in the order of the manifest."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry["path"].startswith("nodes/"):
            found.setdefault(entry["path"].split("/")[1], []).append(entry)
    return found


def _unlike(directory: Path, entries: Mapping[str, Entry], contents: dict[str, bytes]) -> list[Problem]:
    """Return how the files below a bundle differ from its manifest's ``entries``; fill ``contents``. Raises OSError."""
    problems = []

    def wrong(name: str, message: str, hint: str | None = None) -> None:
        problems.append(Problem("IPP503", message, location=Location(printable(str(directory / name))), hint=hint))

    missing = set(entries)
    for name in _names(directory):
        if name not in entries:
            wrong(name, "not in the manifest")
            continue
        missing.discard(name)
        sha256 = entries[name]["sha256"]
        try:
            data = read_regular(directory / name, MAX_FILE)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.EINVAL, errno.EFBIG, errno.ENXIO):
                raise
            wrong(name, "a symbolic link" if error.errno == errno.ELOOP else f"can't be used: {error.strerror}")
            continue
        if hashlib.sha256(data).hexdigest() != sha256:
            hint = "change the plan and render again; apply takes only what was rendered"
            wrong(name, "changed after it was rendered: its digest is not the manifest's", hint)
        elif name.startswith(("nodes/", "plan.json")) and sha256 not in contents:
            contents[sha256] = zlib.compress(data, 1)
    for name in sorted(missing):
        wrong(name, "the manifest names it, but it is missing")
    return problems


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
