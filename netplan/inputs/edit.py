"""Editing a plan file: change one value and nothing else, undo, save it whole or not at all.

Every other byte, comment and blank line stays. A change is cut into the text at the positions that
:mod:`netplan.inputs.yaml_source` reports; the result is parsed again and must equal the old data with just that value
changed. Anything else is refused, so a change that we don't understand can't damage a file.
"""

from __future__ import annotations

import copy
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from netplan.inputs import yaml_source
from netplan.inputs.yaml_source import Key, Source, lookup
from netplan.problems import ProblemError

Value = str | int | Sequence["Value"] | Mapping[str, "Value"]

_PLAIN = re.compile(r"^[A-Za-z_./][A-Za-z0-9_./+-]*$")
_RESERVED = re.compile(r"^(true|false|null|yes|no|on|off|y|n|~)$", re.IGNORECASE)
INDENT = 2


def set_value(text: str, at: Key, value: Value) -> str:
    """Return the text of a plan file with the value at a key path changed or added.

    Raises ProblemError: IPP2xx with its position when the text is no plan YAML, IPP210 when this value can't be
    changed in place.
    """
    found = yaml_source.parse(text.encode(), "")
    if not _has_room(found.data, at):
        raise _in_place(found, at)
    if lookup(found.data, at) == value and at in found.values:
        return text
    if at in found.values and (inner := _inside(text, found, at, value)) is not None:
        return inner
    lines = text.splitlines(keepends=True)
    done = _replace(lines, found, at, value) if at in found.values else _add(lines, found, at, value)
    changed = "".join(done) if done is not None else ""
    if done is None or not _same(changed, _with(found.data, at, value)):
        raise _in_place(found, at)
    return changed


def remove(text: str, at: Key) -> str:
    """Return the text without a key that stands on a line of its own. Raises ProblemError like :func:`set_value`."""
    found = yaml_source.parse(text.encode(), "")
    if at not in found.keys:
        return text
    wanted = copy.deepcopy(found.data)
    del lookup(wanted, at[:-1])[at[-1]]
    lines = text.splitlines(keepends=True)
    first, last = found.keys[at].line, _last_line(found, at)
    changed = "".join(lines[: first - 1] + lines[last:])
    if not _same(changed, wanted):
        raise _in_place(found, at)
    return changed


def scalar(value: str | int) -> str:
    """Return a value as YAML that every YAML version reads as the same value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    plain = _PLAIN.match(value) and not _RESERVED.match(value)
    return value if plain else json.dumps(value, ensure_ascii=False)


def _in_place(found: Source, at: Key) -> ProblemError:
    name = ".".join(map(str, at))
    hint = "change it in an editor (F4 in the planner)"
    message = f"{name} can't be changed in place: it is written over several lines or in an unusual form"
    return ProblemError(found.problem("IPP210", message, at, hint=hint))


def flow(value: Value) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, (str, int)):
        return scalar(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(flow(item) for item in value) + "]"


def _inside(text: str, found: Source, at: Key, value: Value) -> str | None:
    """Change only what differs inside a mapping or a list of one item a dash, so that comments stay where they are.

    None when the value is neither, or has other keys than before: then it is replaced as a whole.
    """
    old = lookup(found.data, at)
    if isinstance(old, dict) and isinstance(value, Mapping) and list(old) == list(value):
        for key, item in value.items():
            text = set_value(text, (*at, key), item)
        return text
    if not (isinstance(old, list) and isinstance(value, list) and old and value) or _isflow(text, found, at):
        return None
    matcher = difflib.SequenceMatcher(None, [repr(i) for i in old], [repr(i) for i in value], autojunk=False)
    steps = matcher.get_opcodes()
    for _, a1, a2, b1, b2 in steps:
        for one, two in zip(range(a1, a2), range(b1, b2), strict=False):
            text = set_value(text, (*at, one), value[two])
    made, found = text.splitlines(keepends=True), yaml_source.parse(text.encode(), "")
    starts = [found.values[(*at, index)] for index in range(len(old))]
    if len({mark.line for mark in starts}) != len(starts):
        return None
    lead = made[starts[0].line - 1][: starts[0].column - 1]
    if lead.strip() != "-":
        return None
    for _, a1, a2, b1, b2 in reversed(steps):
        same = min(a2 - a1, b2 - b1)
        after = _last_line(found, (*at, a1 + same - 1)) if a1 + same else starts[0].line - 1
        gone = range(a1 + same, a2)
        if gone:
            del made[starts[gone[0]].line - 1 : _last_line(found, (*at, gone[-1]))]
        made[after:after] = [f"{lead}{flow(item)}\n" for item in value[b1 + same : b2]]
    changed = "".join(made)
    return changed if _same(changed, _with(found.data, at, value)) else None


def _isflow(text: str, found: Source, at: Key) -> bool:
    mark = found.values[at]
    return text.splitlines()[mark.line - 1][mark.column - 1 :].startswith(("[", "{"))


def _has_room(data: Any, at: Key) -> bool:
    """Tell whether every part on the way is a mapping (before an index a list), or is not there yet."""
    here = data
    for step in at:
        if here is None and here is not data:
            return True
        if isinstance(here, dict) and isinstance(step, str):
            here = here.get(step)
        elif isinstance(here, list) and isinstance(step, int):
            here = here[step]
        else:
            return False
    return True


def _with(data: Any, at: Key, value: Value) -> Any:
    """The data with one value set; missing parts on the way become mappings."""
    made = copy.deepcopy(data)
    here = made
    for step in at[:-1]:
        if isinstance(step, str) and here.get(step) is None:
            here[step] = {}
        here = here[step]
    here[at[-1]] = value
    return made


def _same(text: str, data: Any) -> bool:
    try:
        return bool(yaml_source.parse(text.encode(), "").data == data)
    except ProblemError:
        return False


def _replace(lines: list[str], found: Source, at: Key, value: Value) -> list[str] | None:
    old = lookup(found.data, at)
    mark = found.values[at]
    line = lines[mark.line - 1]
    before, after = line[: mark.column - 1], line[mark.column - 1 + mark.width :]
    shown = line[mark.column - 1 : mark.column - 1 + mark.width]
    if isinstance(old, (list, dict)) and not shown.startswith(("[", "{")):
        return _replace_block(lines, found, at, value)
    if old is None and shown not in ("~", "null"):  # 'key:' with nothing behind it
        key = found.keys.get(at)
        if key is None:
            return None
        line = lines[key.line - 1]
        end = key.column - 1 + key.width
        colon = line.index(":", end) + 1
        return [*lines[: key.line - 1], line[:colon] + " " + flow(value) + line[colon:], *lines[key.line :]]
    new = flow(value)
    return [*lines[: mark.line - 1], before + new + _kept_column(after, len(new) - len(shown)), *lines[mark.line :]]


def _kept_column(after: str, longer: int) -> str:
    """Keep a comment behind the value in its column as long as there is room."""
    rest = after.lstrip(" ")
    if not rest.startswith("#"):
        return after
    return " " * max(1, len(after) - len(rest) - longer) + rest


def _replace_block(lines: list[str], found: Source, at: Key, value: Value) -> list[str] | None:
    """Write a value in place of one that stands in lines of its own, below its key or behind its dash."""
    last = _last_line(found, at)
    if at in found.keys:
        key = found.keys[at]
        line = lines[key.line - 1]
        colon = line.index(":", key.column - 1 + key.width) + 1
        return [*lines[: key.line - 1], f"{line[:colon]} {flow(value)}{line[colon:]}", *lines[last:]]
    mark = found.values[at]
    lead = lines[mark.line - 1][: mark.column - 1]
    return [*lines[: mark.line - 1], f"{lead}{flow(value)}\n", *lines[last:]]


def _add(lines: list[str], found: Source, at: Key, value: Value) -> list[str] | None:
    """Add a key that is not there, with the sections around it that are missing too."""
    if not all(isinstance(step, str) for step in at):
        return None
    depth = len(at) - 1
    while depth and at[:depth] not in found.keys:
        depth -= 1
    parent, rest = at[:depth], at[depth:]
    section = lookup(found.data, parent)
    made = [*lines[:-1], lines[-1] if lines[-1].endswith("\n") else lines[-1] + "\n"]
    if not parent:
        gap = ["\n"] if len(rest) > 1 and made[-1].strip() else []
        return [*made, *gap, *_block(rest, value, 0)]
    key, mark = found.keys[parent], found.values[parent]
    if section is None:  # 'section:' with nothing in it
        return [*made[: key.line], *_block(rest, value, key.column - 1 + INDENT), *made[key.line :]]
    if not isinstance(section, dict):
        return None
    line = made[mark.line - 1]
    shown = line[mark.column - 1 : mark.column - 1 + mark.width]
    if shown.startswith("{"):
        if not shown.endswith("}"):
            return None
        inside = shown[1:-1].rstrip()
        entry = "".join(f"{step}: {{" for step in rest[:-1]) + f"{rest[-1]}: {flow(value)}" + "}" * (len(rest) - 1)
        new = "{" + (f"{inside}, {entry}" if inside.strip() else entry) + "}"
        changed = line[: mark.column - 1] + new + line[mark.column - 1 + mark.width :]
        return [*made[: mark.line - 1], changed, *made[mark.line :]]
    children = [k for k in found.keys if k[:-1] == parent]
    last = max(_last_line(found, child) for child in children)
    return [*made[:last], *_block(rest, value, found.keys[children[0]].column - 1), *made[last:]]


def _block(steps: Key, value: Value, indent: int) -> list[str]:
    """The lines of a new key, each of its steps further in than the one before."""
    heads = [" " * (indent + INDENT * depth) + f"{step}:" for depth, step in enumerate(steps)]
    above = [f"{head}\n" for head in heads[:-1]]
    if isinstance(value, list) and any(not isinstance(item, (str, int)) for item in value):
        dash = " " * (indent + INDENT * len(steps)) + "- "
        return [*above, f"{heads[-1]}\n", *(f"{dash}{flow(item)}\n" for item in value)]
    return [*above, f"{heads[-1]} {flow(value)}\n"]


def _last_line(found: Source, at: Key) -> int:
    """The last line that holds something of the value at a key path."""
    return max(mark.line for k, mark in (*found.values.items(), *found.keys.items()) if k[: len(at)] == at)
