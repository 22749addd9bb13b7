"""Editing one variable of one host where an inventory has it: one line changes, or the change is refused.

YAML is edited as plan files are, see :mod:`netplan.inputs.edit`; in INI the line that begins with the host's name. A
program, and a host that is only in a range or a group, are refused: nothing is written at a second place.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from netplan.files import ChangedError, read_regular, write_back
from netplan.inputs import edit, yaml_source
from netplan.inputs.inventory import Inventory
from netplan.inputs.inventory_files import files, shown_as
from netplan.inputs.yaml_source import Key, lookup
from netplan.problems import Location, Problem, ProblemError, quoted

_YAML = (".yml", ".yaml")
_PLAIN = re.compile(r"[\w.:/,-]+", re.ASCII)  # what needs no quotes in a line of INI


@dataclass(frozen=True, slots=True)
class HostEdit:
    """A change of one file of an inventory. ``shown`` is how messages name it."""

    path: Path
    shown: str
    before: bytes
    after: bytes

    def lines(self) -> tuple[list[str], list[str]]:
        """Return the lines that go and the lines that come."""
        one, two = (raw.decode("utf-8", "replace").splitlines() for raw in (self.before, self.after))
        return [line for line in one if line not in two], [line for line in two if line not in one]

    def save(self) -> None:
        """Write the file whole or not at all. Refuses (IPP210) when somebody else changed it meanwhile."""
        try:
            write_back(self.path, self.before, self.after, yaml_source.MAX_BYTES)
        except ChangedError:
            hint = "make the change again"
            raise _refused(self.shown, "the file was changed by somebody else meanwhile", hint) from None
        except OSError as error:
            raise _refused(self.shown, f"can't be written: {error.strerror or error}") from None


def edit_host(inventory: Inventory, host: str, variable: str, text: str) -> HostEdit:
    """Return the change that gives a host's variable a value, or takes it away where ``text`` is empty.

    ``text``: a whole number, true, false, or a word as it is. Raises ProblemError (IPP210) where the inventory has no
    place of the host that can be changed.
    """
    value = _value(text)
    for path in files(inventory.path):
        shown = shown_as(path, inventory.path, inventory.shown)
        try:
            raw = read_regular(path, yaml_source.MAX_BYTES, follow=True)
        except OSError:
            continue
        if path.suffix in _YAML:
            changed = _in_yaml(path, shown, raw, (host, variable), value)
        elif path.suffix != ".json" and not os.access(path, os.X_OK):
            changed = _in_ini(raw, shown, (host, variable), value)
        else:
            continue
        if changed is not None:
            return HostEdit(path, shown, raw, changed.encode())
    hint = f"edit {inventory.shown}; a value of all hosts of a group stands in the group"
    raise _refused(inventory.shown, f"{quoted(host)} has no line of its own that can be changed", hint)


def _value(text: str) -> str | int | None:
    word = text.strip()
    if word in ("true", "false"):
        return word == "true"
    return (int(word) if word.isascii() and word.isdigit() and not word.startswith("0") else word) or None


def _in_yaml(path: Path, shown: str, raw: bytes, of: tuple[str, str], value: str | int | None) -> str | None:
    """Return the changed text; None where the file has nothing of the host."""
    host, variable = of
    try:
        found = yaml_source.parse(raw, shown)
    except ProblemError:  # Ansible accepts more YAML than we do (tags, anchors)
        return None
    text = raw.decode()
    if path.parent.name == "host_vars" and path.stem == host and isinstance(found.data, dict):
        return _changed(text, (), found.data, variable, value)
    places = [at for at in found.keys if at[-2:] == ("hosts", host)]
    written = [at for at in places if (*at, variable) in found.keys]
    for at in (*written, *places):
        own = lookup(found.data, at)
        if own is None or isinstance(own, dict):
            return _changed(text, at, own or {}, variable, value)
    return None


def _changed(text: str, at: Key, own: dict[str, edit.Value], variable: str, value: str | int | None) -> str:
    place = (*at, variable)
    if value is None:
        rest = {key: kept for key, kept in own.items() if key != variable}
        try:
            return edit.remove(text, place)
        except ProblemError:
            return edit.set_value(text, at, rest)
    try:
        return edit.set_value(text, place, value)
    except ProblemError:
        if not at:
            raise
        return edit.set_value(text, at, {**own, variable: value})  # a mapping on one line is written anew


def _in_ini(raw: bytes, shown: str, of: tuple[str, str], value: str | int | None) -> str | None:
    host, variable = of
    try:
        rows = raw.decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        return None
    at = next((number for number, row in enumerate(rows) if row.split(None, 1)[:1] == [host]), None)
    if at is None:
        return None
    word = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    if word and not _PLAIN.fullmatch(word):
        raise _refused(shown, f"{quoted(word)} can't be written into a line of INI", "edit the file", at + 1)
    line, end = rows[at].rstrip("\r\n"), rows[at][len(rows[at].rstrip("\r\n")) :]
    body, mark, comment = line.partition(" #")
    setting = re.compile(rf"(?<=\s){re.escape(variable)}=(\"[^\"]*\"|'[^']*'|\S*)")
    if setting.search(body):
        body = setting.sub(lambda _: f"{variable}={word}" if word else "", body, count=1).rstrip()
    elif word:
        body = f"{body.rstrip()} {variable}={word}"
    rows[at] = body + mark + comment + end
    return "".join(rows)


def _refused(shown: str, message: str, hint: str | None = None, line: int | None = None) -> ProblemError:
    return ProblemError(Problem("IPP210", message, location=Location(shown, line), hint=hint))
