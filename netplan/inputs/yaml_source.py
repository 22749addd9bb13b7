"""YAML text to plain data with a position for every key and value: the only reader of YAML, with two policies.

``STRICT`` is for plan files: one document, no duplicate keys, anchors, aliases, tags or merge keys; and only the
YAML 1.2 core scalars, so that ``no`` is text, ``12:34`` is text and ``0644`` is an error instead of 420. ``LENIENT`` is
for what other programs write: many documents, anchors expanded, the last of two equal keys. Both have explicit limits
of bytes, depth and values after anchors are expanded; the last one stops a "billion laughs".
"""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

import yaml

from netplan.files import read_regular
from netplan.problems import DefectError, Location, Problem, ProblemError, closest, fail, printable, quoted
from netplan.refusals import refused

NEIGHBOURS = 200  # entries of a folder that are looked at for a name that is nearly right

Key = tuple[str | int, ...]
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OCTAL_LIKE = re.compile(r"^[-+]?0[0-9]+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a reader accepts, and how much of it."""

    code: str  # of the error for a text that can't be read
    strict: bool
    max_bytes: int
    max_depth: int  # of mappings and lists in each other
    max_values: int  # after anchors are expanded
    words: Mapping[str, bool | None]  # plain scalars that are neither text nor a number
    integer: re.Pattern[str]
    number: re.Pattern[str]


STRICT = Policy(
    code="IPP202",
    strict=True,
    max_bytes=1 << 20,
    max_depth=20,
    max_values=1 << 20,
    words={"": None, "~": None, "null": None, "true": True, "false": False},
    integer=re.compile(r"^[-+]?(0|[1-9][0-9]{0,999})$"),  # Python itself refuses more than 4300 digits
    number=re.compile(r"^[-+]?(\.[0-9]{1,999}|[0-9]{1,999}(\.[0-9]{0,999})?)([eE][-+]?[0-9]{1,3})?$"),
)
LENIENT = Policy(
    code="IPP904",
    strict=False,
    max_bytes=4 << 20,
    max_depth=60,
    max_values=400_000,
    words={
        **dict.fromkeys(("", "~", "null", "Null", "NULL")),
        **dict.fromkeys(("true", "True", "TRUE"), True),
        **dict.fromkeys(("false", "False", "FALSE"), False),
    },
    integer=re.compile(r"^[-+]?(0|[1-9][0-9]{0,17})$"),
    number=re.compile(r"^[-+]?[0-9]{1,18}\.[0-9]{1,18}$"),
)
INVENTORY = replace(STRICT, max_bytes=64 << 20, max_values=1 << 23)  # 10,000 hosts with all that others keep there
MAX_BYTES = STRICT.max_bytes


class Span(NamedTuple):
    """Where an edit cuts: line and column from 1, and how many characters belong to it."""

    line: int
    column: int
    width: int


@dataclass
class Source:
    """One document: its data, and where each piece of it stands."""

    path: str
    data: Any = None
    text: str = ""
    node: yaml.Node | None = None  # None: positions are not known
    whole: Source | None = None  # the file that this is one document of: what is made of its text is made once

    @functools.cached_property
    def lines(self) -> list[str]:
        """The lines of the text."""
        return self.whole.lines if self.whole is not None else self.text.splitlines()

    @functools.cached_property
    def flat(self) -> bool:
        """Whether the text is one line."""
        return self.whole.flat if self.whole is not None else "\n" not in self.text.strip()

    @functools.cached_property
    def keys(self) -> dict[Key, Span]:
        """Where every key stands. Only for a document without anchors, whose tree is no larger than its text."""
        return {at: _span(key) for at, key, _ in _walk(self.node, ()) if key is not None}

    @functools.cached_property
    def values(self) -> dict[Key, Span]:
        """Where every value stands, with the limits of ``keys``."""
        return {at: _span(value) for at, _, value in _walk(self.node, ())}

    def location(self, at: Key = (), *, on: Literal["key", "value"] = "value") -> Location:
        """Return where the key or value at a key path stands; the nearest enclosing key when it is absent."""
        node, key = self.node, None
        if node is None:
            return Location(self.path)
        for step in at:
            found = _child(node, step)
            if found is None:
                on = "key"
                break
            key, node = found
        return self._at(node if on == "value" or key is None else key)

    def place(self, at: Key, *, on: Literal["key", "value"]) -> Location:
        """Return where the key or value at a path of ``keys`` stands: at once, also among 10,000 hosts."""
        span = (self.keys if on == "key" else self.values)[at]
        line = self.lines[span.line - 1] if span.line <= len(self.lines) else None
        return Location(self.path, span.line, span.column, span.width, line)

    def problem(
        self,
        code: str,
        message: str,
        at: Key = (),
        *,
        on: Literal["key", "value"] = "value",
        hint: str | None = None,
        warning: bool = False,
    ) -> Problem:
        """Return a Problem at a key or value of this document."""
        severity: Literal["error", "warning"] = "warning" if warning else "error"
        return Problem(code, message, location=self.location(at, on=on), hint=hint, severity=severity)

    def _at(self, node: yaml.Node) -> Location:
        return self._mark(node.start_mark, _span(node).width)

    def _mark(self, mark: Any, width: int = 1) -> Location:
        if mark is None:
            return Location(self.path)
        line = self.lines[mark.line] if mark.line < len(self.lines) else None
        return Location(self.path, mark.line + 1, mark.column + 1, width, line)


def _span(node: yaml.Node) -> Span:
    start, end = node.start_mark, node.end_mark
    width = end.column - start.column if end.line == start.line else 1
    return Span(start.line + 1, start.column + 1, max(1, width))


def _alike(path: Path) -> str | None:
    """Return the name of a YAML file beside a path that does not exist, if one is nearly called so."""
    with contextlib.suppress(OSError), os.scandir(path.parent) as there:
        names = [entry.name for entry in itertools.islice(there, NEIGHBOURS)]
        return closest(path.name, sorted(name for name in names if name.endswith((".yaml", ".yml"))))
    return None


def read(path: Path, shown: str | None = None, policy: Policy = STRICT) -> Source:
    """Read a plan file, or an inventory; ``shown`` is how messages name it. Raises ProblemError with the position."""
    name = shown or str(path)
    try:
        raw = read_regular(path, policy.max_bytes, follow=True)
    except FileNotFoundError:
        near = _alike(path)
        hint = f"did you mean {printable(str(path.with_name(near)))}?" if near else "`ipsecplan init` writes one"
        fail("IPP201", "no such file", location=Location(name), hint=hint)
    except OSError as error:
        if error.errno == errno.EFBIG:
            fail(policy.code, f"more than the {policy.max_bytes} bytes that a plan may have", location=Location(name))
        raise ProblemError(refused(error, name, "read", "IPP201")) from error
    return parse(raw, name, policy)


def parse(raw: bytes, name: str, policy: Policy = STRICT) -> Source:
    """Parse the bytes of a plan file by a strict policy. Raises ProblemError with the position of the fault."""
    if len(raw) > policy.max_bytes:
        message = f"{len(raw)} bytes are more than the {policy.max_bytes} that a plan may have"
        fail(policy.code, message, location=Location(name))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        fail(STRICT.code, f"not UTF-8 text (byte {error.start})", location=Location(name))
    found = next(documents(text, name, policy), None)
    if found is None:
        hint = "`ipsecplan init` writes an annotated plan"
        fail(STRICT.code, "the file is empty", location=Location(name), hint=hint)
    return found


def documents(text: str, path: str, policy: Policy = LENIENT) -> Iterator[Source]:
    """Generate the documents of a YAML text, without empty ones.

    Raises ProblemError (the policy's code, IPP203 to IPP205) with the position of the fault.
    """
    if len(text) > policy.max_bytes:
        fail(policy.code, f"more than {policy.max_bytes >> 20} MiB of YAML", location=Location(path))
    whole = Source(path, text=text)
    try:
        _bounded(whole, policy)
        nodes = [yaml.compose(text, Loader=_LOADER)] if policy.strict else yaml.compose_all(text, Loader=_LOADER)
        left = [policy.max_values]
        for node in nodes:
            # a document of nothing is a null without a character, or no node at all, as PyYAML's two parsers have it
            if node is not None and (policy.strict or node.value != "" or getattr(node, "style", None)):
                source = Source(path, text=text, node=node, whole=whole)
                source.data = _build(node, source, policy, left, 0)
                yield source
    except yaml.MarkedYAMLError as error:
        _not_yaml(error, whole, policy)
    except (yaml.YAMLError, ValueError) as error:
        first = (str(error).splitlines() or ["broken"])[0]
        fail(policy.code, f"not YAML: {first[:120]}", location=Location(path))


def compose(text: str) -> yaml.Node | None:
    """Return the node tree of one document whose depth and size are known to be bounded; None if it is no YAML."""
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, RecursionError):
        return None
    return node


def _not_yaml(error: yaml.MarkedYAMLError, source: Source, policy: Policy) -> NoReturn:
    mark = error.problem_mark or error.context_mark
    if error.context_mark and mark and mark.line >= len(source.lines):  # found out at the end: show where it began
        mark = error.context_mark
    location = source._mark(mark)
    hint = "YAML is indented with spaces, never with tabs" if (location.source or "").startswith("\t") else None
    said = printable(str(error.problem or error.context or "broken"))[:120]
    fail(policy.code, f"not YAML: {said}", location=location, hint=hint)


def _bounded(source: Source, policy: Policy) -> None:
    """Refuse what is too deep or too much, and what a policy excludes, on the stream of events: nothing multiplies."""
    depth = 0
    for count, event in enumerate(yaml.parse(source.text, Loader=_LOADER)):
        if policy.strict:
            _plain(event, source)
        if count > 2 * policy.max_values:
            fail(policy.code, f"more than {policy.max_values} values", location=Location(source.path))
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
            if depth > policy.max_depth:
                message = f"nested more than {policy.max_depth} levels deep"
                fail(policy.code, message, location=source._mark(event.start_mark))
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1


def _plain(event: yaml.Event, source: Source) -> None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        message = "anchors and aliases are not allowed in a plan"
        fail("IPP204", message, location=source._mark(event.start_mark), hint="write the value out")
    tag = getattr(event, "tag", None)
    if tag:
        message = f"tags are not allowed in a plan: {quoted(tag)}"
        fail("IPP204", message, location=source._mark(event.start_mark), hint="remove the tag")


def _build(node: yaml.Node, source: Source, policy: Policy, left: list[int], level: int) -> Any:
    """Return the data of a node. ``left`` is how many values may still come, in a list because it is shared."""
    left[0] -= 1
    if left[0] < 0:
        message = f"more than {policy.max_values} values after anchors are expanded"
        fail(policy.code, message, location=Location(source.path))
    if level > policy.max_depth:
        fail(policy.code, "an anchor that contains itself", location=source._at(node))
    if isinstance(node, yaml.SequenceNode):
        return [_build(child, source, policy, left, level + 1) for child in node.value]
    if not isinstance(node, yaml.MappingNode):
        return _scalar(node, source, policy)
    found: dict[str, Any] = {}
    keys: dict[str, yaml.Node] = {}
    for key, child in node.value:
        if policy.strict:
            _usable(key, keys, source)
        elif not isinstance(key, yaml.ScalarNode):
            continue
        value = _build(child, source, policy, left, level + 1)
        if key.value == "<<" and not policy.strict and isinstance(value, dict):
            found = {**value, **found}
        else:
            found[key.value] = value
    return found


def _usable(key: yaml.Node, before: dict[str, yaml.Node], source: Source) -> None:
    """Refuse a key of a plan that is no text, merges, or stands in this mapping already; remember it otherwise."""
    if not isinstance(key, yaml.ScalarNode):
        fail(STRICT.code, "a key must be plain text", location=source._at(key))
    if key.value == "<<" and not key.style:
        fail("IPP204", "merge keys are not allowed in a plan", location=source._at(key))
    if key.value in before:
        first = before[key.value].start_mark.line + 1
        message = f"duplicate key {quoted(key.value)}; it stands first in line {first}"
        fail("IPP203", message, location=source._at(key), hint="keep one of them")
    before[key.value] = key


def _scalar(node: yaml.Node, source: Source, policy: Policy) -> Any:
    if not isinstance(node, yaml.ScalarNode):
        raise DefectError(f"{type(node).__name__} is no node of YAML that we know")
    text: str = node.value
    if isinstance(node, yaml.ScalarNode) and node.style:  # quoted or block: text, always
        return text
    if text in policy.words:
        return policy.words[text]
    if policy.strict and _OCTAL_LIKE.match(text):
        message, hint = f"{quoted(text)} may mean octal or decimal", "drop the leading zero"
        fail("IPP205", message, location=source._at(node), hint=hint)
    if policy.integer.match(text):
        return int(text)
    return float(text) if policy.number.match(text) else text


def _walk(node: yaml.Node | None, at: Key, key: yaml.Node | None = None) -> Iterator[tuple[Key, Any, yaml.Node]]:
    """Generate (key path, the key's node or None, the value's node) of everything below a node."""
    if node is None:
        return
    yield at, key, node
    if isinstance(node, yaml.MappingNode):
        for name, child in node.value:
            yield from _walk(child, (*at, name.value), name)
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _walk(child, (*at, index))


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Node | None, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((k, v) for k, v in node.value if isinstance(k, yaml.ScalarNode) and k.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None


def lookup(data: Mapping[str, Any], at: Key) -> Any:
    """Return the value at a key path, or None."""
    found: Any = data
    for step in at:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return None
    return found
