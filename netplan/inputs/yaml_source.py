"""YAML text to plain data with a position for every key and value; the only module that knows YAML.

Stricter than YAML on purpose: one document, at most 1 MiB and 20 levels, no duplicate keys, anchors, aliases, tags
or merge keys; and only the YAML 1.2 core scalars, so that ``no`` is text, ``12:34`` is text and ``0644`` is an error
instead of 420.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from netplan.problems import Problem, ProblemError, quoted
from netplan.refusals import refused

MAX_BYTES = 1 << 20
MAX_DEPTH = 20

Key = tuple[str | int, ...]

_INT = re.compile(r"^[-+]?(0|[1-9][0-9]*)$")
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_OCTAL_LIKE = re.compile(r"^[-+]?0[0-9]+$")


@dataclass(frozen=True, slots=True)
class Mark:
    """A position: line and column count from 1, ``width`` characters belong to it."""

    line: int
    column: int
    width: int


@dataclass(slots=True)
class Source:
    """A loaded file: its data and where each piece of it stands."""

    path: str
    data: Any = None
    lines: list[str] = field(default_factory=list)
    keys: dict[Key, Mark] = field(default_factory=dict)
    values: dict[Key, Mark] = field(default_factory=dict)

    def problem(
        self,
        code: str,
        message: str,
        at: Key = (),
        *,
        on: str = "value",
        hint: str | None = None,
        warning: bool = False,
    ) -> Problem:
        """Return a Problem at a key or value of this file; falls back to the nearest enclosing position."""
        while True:
            mark = (self.keys if on == "key" else self.values).get(at) or self.keys.get(at) or self.values.get(at)
            if mark is not None or not at:
                break
            at, on = at[:-1], "key"
        return self._at(code, message, mark, hint, warning)

    def _at(
        self, code: str, message: str, mark: Mark | None, hint: str | None = None, warning: bool = False
    ) -> Problem:
        known = mark is not None and 0 < mark.line <= len(self.lines)
        return Problem(
            code=code,
            message=message,
            path=self.path,
            line=mark.line if mark else None,
            column=mark.column if mark else None,
            width=mark.width if mark else 1,
            source=self.lines[mark.line - 1] if known and mark else None,
            hint=hint,
            severity="warning" if warning else "error",
        )

    def fail(self, code: str, message: str, mark: Mark | None = None, hint: str | None = None) -> ProblemError:
        """Return an error to raise at a mark of this file."""
        return ProblemError(self._at(code, message, mark, hint))


def read(path: Path, shown: str | None = None) -> Source:
    """Read a YAML file; ``shown`` is how messages name it. Raises ProblemError with the position of the fault."""
    name = shown or str(path)
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, ValueError):  # a name that no file can have
        raise ProblemError(
            Problem(code="IPP201", message="no such file", path=name, hint="`ipsecplan init` writes one")
        ) from None
    except OSError as error:
        raise ProblemError(refused(error, name, "read", "IPP201")) from error
    return parse(raw, name)


def parse(raw: bytes, name: str) -> Source:
    """Parse YAML bytes; see the module for what is refused."""
    source = Source(path=name)
    if len(raw) > MAX_BYTES:
        raise source.fail("IPP202", f"{len(raw)} bytes are more than the {MAX_BYTES} that a plan may have")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise source.fail("IPP202", f"not UTF-8 text (byte {error.start})") from None
    source.lines = text.splitlines()
    try:
        node = _compose(text, source)
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, source) from None
    except yaml.YAMLError as error:
        raise source.fail("IPP202", f"not YAML: {str(error).splitlines()[0]}") from None
    if node is None:
        raise source.fail("IPP202", "the file is empty", hint="`ipsecplan init` writes an annotated plan")
    source.data = _build(node, (), source, 1)
    return source


def _not_yaml(error: yaml.MarkedYAMLError, source: Source) -> ProblemError:
    mark = error.problem_mark or error.context_mark
    if error.context_mark and mark and mark.line >= len(source.lines):  # found out at the end: show where it began
        mark = error.context_mark
    where = Mark(mark.line + 1, mark.column + 1, 1) if mark else None
    line = source.lines[mark.line] if mark and mark.line < len(source.lines) else ""
    hint = "YAML is indented with spaces, never with tabs" if line.startswith("\t") else None
    return source.fail("IPP202", f"not YAML: {error.problem or error.context}", where, hint)


def _compose(text: str, source: Source) -> yaml.Node | None:
    # aliases, anchors and tags are refused on the event stream, before anything can multiply
    depth = 0
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for event in yaml.parse(text, Loader=loader):
        start = event.start_mark
        mark = Mark(start.line + 1, start.column + 1, 1) if start else None
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise source.fail("IPP204", "anchors and aliases are not allowed in a plan", mark, "write the value out")
        tag = getattr(event, "tag", None)
        if tag:
            raise source.fail("IPP204", f"tags are not allowed in a plan: {quoted(tag)}", mark, "remove the tag")
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
            if depth > MAX_DEPTH:
                raise source.fail("IPP202", f"nested more than {MAX_DEPTH} levels deep", mark)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
    node: yaml.Node | None = yaml.compose(text, Loader=loader)
    return node


def _mark(node: yaml.Node) -> Mark:
    start, end = node.start_mark, node.end_mark
    width = end.column - start.column if end.line == start.line else 1
    return Mark(start.line + 1, start.column + 1, max(1, width))


def _build(node: yaml.Node, at: Key, source: Source, depth: int) -> Any:
    source.values[at] = _mark(node)
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise source.fail("IPP202", "a key must be plain text", _mark(key_node))
            key = key_node.value
            here = (*at, key)
            if key == "<<" and not key_node.style:
                raise source.fail("IPP204", "merge keys are not allowed in a plan", _mark(key_node))
            if key in found:
                first = source.keys[here].line
                raise source.fail(
                    "IPP203",
                    f"duplicate key {quoted(key)}; it stands first in line {first}",
                    _mark(key_node),
                    "keep one of them",
                )
            source.keys[here] = _mark(key_node)
            found[key] = _build(value_node, here, source, depth + 1)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_build(child, (*at, index), source, depth + 1) for index, child in enumerate(node.value)]
    return _scalar(node, source)


def _scalar(node: yaml.Node, source: Source) -> Any:
    assert isinstance(node, yaml.ScalarNode)  # noqa: S101
    text: str = node.value
    if node.style:  # quoted or block: text, always
        return text
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if _OCTAL_LIKE.match(text):
        raise source.fail("IPP205", f"{quoted(text)} may mean octal or decimal", _mark(node), "drop the leading zero")
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text


def lookup(data: Mapping[str, Any], at: Key) -> Any:
    """Return the value at a key path, or None."""
    found: Any = data
    for step in at:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return None
    return found
