"""Reads this machine's apt sources in both file formats (sources.list(5)).

apt itself can list them only after it has fetched them, and leaves out their options, so the files are read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

# Options of an entry that say how to fetch and whom to trust; the others choose architectures, languages and indexes.
OPTIONS = (
    "signed-by",
    "trusted",
    "allow-insecure",
    "allow-weak",
    "allow-downgrade-to-insecure",
    "check-valid-until",
    "valid-until-min",
    "valid-until-max",
    "check-date",
    "date-max-future",
    "by-hash",
    "snapshot",
)
_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>.*)")
_OPTION = re.compile(r"([A-Za-z-]+)\+?=(\"[^\"]*\"|\S+)")
_FILE_NAME = re.compile(r"[A-Za-z0-9_.-]+\.(list|sources)")
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)")
_SECRET = re.compile(r"://[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Entry:
    """One repository at one suite: ``uri`` may hold a user and password, ``key`` is an OpenPGP key written in place."""

    uri: str = field(repr=False)
    suite: str
    components: tuple[str, ...] = ("main",)
    options: tuple[tuple[str, str], ...] = ()
    key: str = ""

    def line(self) -> str:
        """Return the line of a sources.list, with what is secret in it.

        What ``file:`` names would be installed from where it lies, which a new root can't see; ``copy:`` is fetched.
        """
        uri = re.sub(r"^file:", "copy:", self.uri)
        options = " ".join(f"{name}={value}" for name, value in self.options)
        return " ".join(("deb", *([f"[{options}]"] if options else []), uri, self.suite, *self.components))


def redacted(text: str) -> str:
    """Return ``text`` with the user and password of every URI in it left out."""
    return _SECRET.sub("://***@", text)


def entries(files: Iterable[Path]) -> list[Entry]:
    """Return what the files have, in their order. Raises OSError for a file that can't be read."""
    found: list[Entry] = []
    for path in files:
        found.extend(parse(path.read_text(encoding="utf-8", errors="replace")))
    return found


def source_files(main: Path, parts: Path) -> list[Path]:
    """Return the files that apt reads: the one, and those in the folder whose names apt accepts, in its order."""
    inside = parts.iterdir() if parts.is_dir() else ()
    rest = sorted(path for path in inside if _FILE_NAME.fullmatch(path.name) and path.is_file())
    return [path for path in (main, *rest) if path.is_file()]


def parse(text: str) -> list[Entry]:
    """Return the binary package entries of one file, in either format; what apt would not use is left out."""
    stanzas = re.search(r"^Types[ \t]*:", text, re.MULTILINE | re.IGNORECASE)
    return [entry for entry in (_stanzas(text) if stanzas else _lines(text)) if _usable(entry)]


def _usable(entry: Entry) -> bool:
    return not entry.uri.startswith("cdrom:") and bool(entry.components)


def _lines(text: str) -> Iterator[Entry]:
    for raw in text.splitlines():
        found = _LINE.fullmatch(raw.split("#", 1)[0].strip())
        if found is None:
            continue
        options = {name.lower(): value.strip('"') for name, value in _OPTION.findall(found["options"] or "")}
        if _for_us(options.get("arch", "")):
            yield Entry(found["uri"].strip('"'), found["suite"], tuple(found["components"].split()), _kept(options))


def _for_us(architectures: str) -> bool:
    names = re.split(r"[\s,]+", architectures.strip())
    return names == [""] or "amd64" in names


def _kept(options: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, options[name]) for name in OPTIONS if options.get(name))


def _stanzas(text: str) -> Iterator[Entry]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n[ \t]*\n", "\n".join(lines)):
        fields = _fields(stanza)
        off = fields.get("enabled", "yes").strip().lower() in ("no", "false", "off", "without", "disable", "0")
        if off or "deb" not in fields.get("types", "").split() or not _for_us(fields.get("architectures", "")):
            continue
        key = fields.get("signed-by", "") if "-----BEGIN PGP" in fields.get("signed-by", "") else ""
        if key:
            del fields["signed-by"]
        options = _kept({name: ",".join(value.split()) for name, value in fields.items()})
        components = tuple(fields.get("components", "").split())
        for suite, uri in product(fields.get("suites", "").split(), fields.get("uris", "").split()):
            yield Entry(uri, suite, components, options, _key_text(key))


def _fields(stanza: str) -> dict[str, str]:
    """Return the fields of one stanza, names in lower case; a continued value keeps its line ends."""
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        found = _FIELD.fullmatch(line)
        if found is not None:
            name = found[1].lower()
            fields[name] = found[2].strip()
        elif line[:1] in (" ", "\t") and name:
            fields[name] += "\n" + line.strip()
    return fields


def _key_text(key: str) -> str:
    """Return an OpenPGP key in place as the file it stands for: a line with a full stop stands for an empty one."""
    lines = ["" if line == "." else line for line in key.strip().splitlines()]
    return "\n".join(lines) + "\n" if key else ""
