"""A bounded reader of other people's YAML and JSON, with the position of every value and of texts within texts.

Unlike a plan file, a dump may have many documents, anchors and any size; so every limit is explicit: bytes, depth, and
the number of values after anchors are expanded, which is what stops a "billion laughs".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from netplan.problems import Problem, printable

MAX_YAML = 4 << 20
MAX_JSON = 16 << 20
MAX_DEPTH = 60
MAX_VALUES = 400_000
MAX_NESTED = 3  # a ConfigMap holds YAML that holds JSON; nothing real goes deeper

Key = tuple[str | int, ...]
_INT = re.compile(r"^[-+]?(0|[1-9][0-9]{0,17})$")
_FLOAT = re.compile(r"^[-+]?[0-9]{1,18}\.[0-9]{1,18}$")
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnreadableError(Exception):
    """A text that can't be read; the message is the reason that people are shown, ``line`` where it went wrong."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value stands: file, and line and column from 1 when known, with the text of the line."""

    path: str
    line: int | None = None
    column: int | None = None
    width: int = 1
    source: str | None = None

    def problem(self, code: str, message: str, *, hint: str | None = None, warning: bool = False) -> Problem:
        """Return a Problem at this place."""
        return Problem(
            code=code,
            message=message,
            path=self.path,
            line=self.line,
            column=self.column,
            width=self.width,
            source=self.source,
            hint=hint,
            severity="warning" if warning else "error",
        )


@dataclass(slots=True)
class Document:
    """One document of a file. ``first`` is the line of the file on which its text begins (from 0)."""

    path: str
    text: str
    data: Any
    node: yaml.Node | None = None
    first: int = 0
    one_line: bool = False  # the text is one quoted scalar: every position is the line of that scalar
    depth: int = 0
    _lines: list[str] | None = None

    def lines(self) -> list[str]:
        """Return the lines of this document's text."""
        if self._lines is None:
            self._lines = self.text.splitlines()
        return self._lines

    def place(self, at: Key) -> Place:
        """Return where the value at a key path stands; the nearest enclosing key when it is absent.

        Of a text in one long line, such as ``ip -j`` prints, only the line is given: a column in it helps nobody.
        """
        if self.one_line or "\n" not in self.text.strip():
            return Place(path=self.path, line=self.first + 1)
        mark = self._mark(at)
        if mark is None:
            return Place(path=self.path)
        line, column, width = mark
        lines = self.lines()
        source = printable(lines[line])[:200] if line < len(lines) else None
        if self.depth:  # a block scalar lost its indentation on the way here
            return Place(path=self.path, line=self.first + line + 1, source=source)
        return Place(path=self.path, line=self.first + line + 1, column=column + 1, width=width, source=source)

    def _mark(self, at: Key) -> tuple[int, int, int] | None:
        """Return line and column (from 0) and width of the key at a path, or of the nearest key above it."""
        node = self.node
        if node is None and len(self.text) <= MAX_YAML // 4:
            try:
                node = self.node = yaml.compose(self.text, Loader=_LOADER)
            except (yaml.YAMLError, RecursionError):
                node = None
        if node is None:
            return None
        mark = (node.start_mark.line, node.start_mark.column, 1)
        for step in at:
            found = _child(node, step)
            if found is None:
                break
            key, node = found
            one = key.start_mark.line == key.end_mark.line
            width = key.end_mark.column - key.start_mark.column if one and isinstance(key, yaml.ScalarNode) else 1
            mark = (key.start_mark.line, key.start_mark.column, max(1, width))
        return mark


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == step:
                return key, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def spot(path: str, lines: list[str], line: int, name: str = "", first: int = 0) -> Place:
    """Return the place of a word in a line (from 0) of a text that begins at ``first`` of its file."""
    source = lines[line] if line < len(lines) else None
    column = None
    if source is not None:
        at = source.find(name) if name else -1
        column = at + 1 if at >= 0 else len(source) - len(source.lstrip()) + 1
    shown = printable(source)[:200] if source is not None else None
    return Place(path=path, line=first + line + 1, column=column, width=max(1, len(name)), source=shown)


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

    def place(self, *keys: str | int) -> Place:
        """Return where the value at a key path stands."""
        return self.doc.place((*self.at, *keys))

    def has(self, *keys: str) -> bool:
        """Tell whether this is a mapping that has all these keys."""
        return isinstance(self.data, dict) and all(key in self.data for key in keys)

    def nested(self, *keys: str | int) -> Piece | None:
        """Read the text at a key path as YAML or JSON; None when it is neither or nested too deep."""
        text = self.get(*keys)
        if not isinstance(text, str) or self.doc.depth >= MAX_NESTED:
            return None
        place = self.place(*keys)
        line = (place.line or 1) - 1
        block = bool(place.source and place.source.rstrip().endswith(("|", "|-", "|+")))
        try:
            documents = list(parse(text, self.doc.path, depth=self.doc.depth + 1))
        except UnreadableError:
            return None
        if len(documents) != 1 or not isinstance(documents[0].data, (dict, list)):
            return None
        document = documents[0]
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
    """Generate the documents of a YAML or JSON text. Raises UnreadableError with the reason."""
    start = text.lstrip("\ufeff \t\r\n")
    if start[:1] in ("{", "[") and not start.startswith("{{"):
        parsed = list(_json(text, path, depth))
        if parsed:
            yield from parsed
            return
    yield from _yaml(text, path, depth)


def _json(text: str, path: str, depth: int) -> Iterator[Document]:
    if len(text) > MAX_JSON:
        raise UnreadableError(f"more than {MAX_JSON >> 20} MiB of JSON")
    decoder = json.JSONDecoder()
    at = 1 if text.startswith("\ufeff") else 0
    found: list[Document] = []
    while True:
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        if at >= len(text):
            yield from found
            return
        try:
            data, end = decoder.raw_decode(text, at)
        except ValueError:
            if len(text) > MAX_YAML:
                raise UnreadableError("not JSON, or cut short", text.count("\n", 0, at) + 1) from None
            return  # flow-style YAML looks like JSON; the YAML reader words the error
        except RecursionError:
            raise UnreadableError("nested too deep") from None
        _bounded(data)
        found.append(Document(path, text[at:end], data, first=text.count("\n", 0, at), depth=depth))
        at = end


def _bounded(data: Any) -> None:
    stack, count = [(data, 0)], 0
    while stack:
        value, level = stack.pop()
        count += 1
        if count > MAX_VALUES:
            raise UnreadableError(f"more than {MAX_VALUES} values")
        if level > MAX_DEPTH:
            raise UnreadableError(f"nested more than {MAX_DEPTH} levels deep")
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        stack.extend((child, level + 1) for child in children)


def _yaml(text: str, path: str, depth: int) -> Iterator[Document]:
    if len(text) > MAX_YAML:
        raise UnreadableError(f"more than {MAX_YAML >> 20} MiB of YAML")
    try:
        level = 0
        for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
            if count > 2 * MAX_VALUES:
                raise UnreadableError(f"more than {MAX_VALUES} values")
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                level += 1
                if level > MAX_DEPTH:
                    raise UnreadableError(
                        f"nested more than {MAX_DEPTH} levels deep",
                        (event.start_mark.line + 1) if event.start_mark else None,
                    )
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                level -= 1
        budget = [MAX_VALUES]
        for node in yaml.compose_all(text, Loader=_LOADER):
            if node is not None:
                yield Document(path, text, _value(node, budget, 0), node=node, depth=depth)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = printable(str(error.problem or error.context or "broken"))
        raise UnreadableError(f"not YAML: {said[:120]}", mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, ValueError) as error:
        first = (str(error).splitlines() or ["broken"])[0]
        raise UnreadableError(f"not YAML: {printable(first)[:120]}") from None


def _value(node: yaml.Node, budget: list[int], level: int) -> Any:
    budget[0] -= 1
    if budget[0] < 0:
        raise UnreadableError(f"more than {MAX_VALUES} values after anchors are expanded")
    if level > MAX_DEPTH:
        raise UnreadableError("an anchor that contains itself")
    if isinstance(node, yaml.MappingNode):
        found: dict[Any, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            made = _value(value, budget, level + 1)
            if key.value == "<<" and isinstance(made, dict):
                found = {**made, **found}
            else:
                found[key.value] = made
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, budget, level + 1) for child in node.value]
    return _scalar(node)


def _scalar(node: Any) -> Any:
    text: str = node.value
    if node.style:
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text
