"""Other people's YAML and JSON as pieces that one reader understands, with positions also of texts within texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from netplan.inputs.yaml_source import LENIENT, Key, Source, compose, documents
from netplan.problems import Location, ProblemError, fail, printable

MAX_JSON = 16 << 20
MAX_NESTED = 3  # a ConfigMap holds YAML that holds JSON; nothing real goes deeper
_SHOWN = 200  # characters of a line


@dataclass
class Document(Source):
    """One document of a file, or a text within one."""

    first: int = 0  # the line of the file on which its text begins, from 0
    one_line: bool = False  # the text is one quoted scalar: every position is the line of that scalar
    depth: int = 0  # of texts within texts
    composed: bool = False  # of JSON: positions were looked for, and there are none where its indentation is no YAML

    def location(self, at: Key = (), *, on: Literal["key", "value"] = "key") -> Location:
        """Return where the key at a key path stands; the nearest enclosing key when it is absent.

        Of a text in one long line, such as ``ip -j`` prints, only the line is given: a column in it helps nobody.
        """
        if self.one_line or self.flat:
            return Location(self.path, self.first + 1)
        if self.node is None and not self.composed and len(self.text) <= LENIENT.max_bytes // 4:  # it was read as JSON
            self.node, self.composed = compose(self.text), True
        found = super().location(at, on=on)
        if found.line is None:
            return found
        line, source = self.first + found.line, shown_line(found.source)
        if self.depth:  # a block scalar lost its indentation on the way here
            return Location(self.path, line, source=source)
        return Location(self.path, line, found.column, found.width, source)


# a word of a router's or a program's configuration with a secret behind it, on one line with what a message is about
_SECRET = re.compile(
    r"((?:secret|passw(?:or)?d|passphrase|(?:private|pre[-_]?shared)[-_]?key|psk)[\"']?\s*[=:]\s*)(\"[^\"]*\"?|'[^']*'?|[^\s,;}]+)",
    re.I,
)


def shown_line(line: str | None) -> str | None:
    """Return a line of somebody's file as messages show it: of one length, and without the secrets in it."""
    if line is None:
        return None
    return _SECRET.sub(lambda m: m.group(1) + "*" * len(m.group(2)), printable(line))[:_SHOWN]


def find_word(path: str, lines: Sequence[str], line: int, word: str = "") -> Location:
    """Return the location of a word in a line (from 0) of a text, or of the line's first character without one."""
    source = lines[line] if line < len(lines) else None
    column = None
    if source is not None:
        at = source.find(word) if word else -1
        column = at + 1 if at >= 0 else len(source) - len(source.lstrip()) + 1
    return Location(path, line + 1, column, max(1, len(word)), shown_line(source))


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a document that one reader understands: a Kubernetes object, a conflist, a Helm values file."""

    doc: Document
    at: Key
    data: Any

    def get(self, *keys: str | int) -> Any:
        """Return the value at a key path below this piece, or None."""
        found = self.data
        for key in keys:
            if isinstance(found, dict) and not isinstance(key, int):
                found = found.get(key)
            elif isinstance(found, list) and isinstance(key, int) and key < len(found):
                found = found[key]
            else:
                return None
        return found

    def text(self, *keys: str | int) -> str:
        """Return the text at a key path; empty when there is none."""
        found = self.get(*keys)
        return found if isinstance(found, str) else ""

    def items(self, *keys: str | int) -> list[Piece]:
        """Return the members of a list below this piece."""
        found = self.get(*keys)
        return [self.sub(*keys, i) for i in range(len(found))] if isinstance(found, list) else []

    def sub(self, *keys: str | int) -> Piece:
        """Return the piece at a key path."""
        return Piece(self.doc, (*self.at, *keys), self.get(*keys))

    def location(self, *keys: str | int) -> Location:
        """Return where the value at a key path stands."""
        return self.doc.location((*self.at, *keys))

    def has(self, *keys: str) -> bool:
        """Tell whether this is a mapping that has all these keys."""
        return isinstance(self.data, dict) and all(key in self.data for key in keys)

    def nested(self, *keys: str | int) -> Piece | None:
        """Read the text at a key path as YAML or JSON; None when it is neither or nested too deep."""
        text = self.get(*keys)
        if not isinstance(text, str) or self.doc.depth >= MAX_NESTED:
            return None
        location = self.location(*keys)
        line = (location.line or 1) - 1
        block = bool(location.source and location.source.rstrip().endswith(("|", "|-", "|+")))
        try:
            found = list(parse(text, self.doc.path, depth=self.doc.depth + 1))
        except ProblemError:
            return None
        if len(found) != 1 or not isinstance(found[0].data, (dict, list)):
            return None
        document = found[0]
        document.first = line + 1 if block else line
        document.one_line = not block
        return Piece(document, (), document.data)

    @property
    def kind(self) -> str:
        """The ``kind`` of a Kubernetes object."""
        return self.text("kind")

    @property
    def name(self) -> str:
        """The name of a Kubernetes object."""
        return self.text("metadata", "name")

    @property
    def api(self) -> str:
        """The API group of a Kubernetes object, without the version."""
        return self.text("apiVersion").partition("/")[0]


def parse(text: str, path: str, *, depth: int = 0) -> Iterator[Document]:
    """Generate the documents of a YAML or JSON text. Raises ProblemError (IPP904) with where it can't be read."""
    start = text.lstrip("\ufeff \t\r\n")
    if start[:1] in ("{", "[") and not start.startswith("{{"):
        parsed = list(_json(text, path, depth))
        if parsed:
            yield from parsed
            return
    for found in documents(text, path):
        yield Document(path, found.data, text, found.node, found.whole, depth=depth)


def _json(text: str, path: str, depth: int) -> Iterator[Document]:
    if len(text) > MAX_JSON:
        fail("IPP904", f"more than {MAX_JSON >> 20} MiB of JSON", location=Location(path))
    decoder = json.JSONDecoder()
    at = 1 if text.startswith("\ufeff") else 0
    line, counted = 0, 0
    found: list[Document] = []
    while True:
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        if at >= len(text):
            yield from found
            return
        line, counted = line + text.count("\n", counted, at), at
        try:
            data, end = decoder.raw_decode(text, at)
        except ValueError:
            if len(text) > LENIENT.max_bytes:
                fail("IPP904", "not JSON, or cut short", location=Location(path, line + 1))
            return  # flow-style YAML looks like JSON; the YAML reader words the error
        except RecursionError:
            fail("IPP904", "nested too deep", location=Location(path))
        _bounded(data, path)
        found.append(Document(path, data, text[at:end], first=line, depth=depth))
        at = end


_HOLDERS = frozenset((dict, list))  # of what the decoder of JSON makes


def _bounded(data: Any, path: str) -> None:
    level: list[Any] = [data] if data.__class__ in _HOLDERS else []
    depth, count = 0, 1
    while level:
        children: list[Any] = []
        for value in level:
            children += value.values() if value.__class__ is dict else value
        count += len(children)
        if count > LENIENT.max_values:
            fail("IPP904", f"more than {LENIENT.max_values} values", location=Location(path))
        if children and depth >= LENIENT.max_depth:
            fail("IPP904", f"nested more than {LENIENT.max_depth} levels deep", location=Location(path))
        level, depth = [child for child in children if child.__class__ in _HOLDERS], depth + 1
